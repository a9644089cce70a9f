/**
 * Where this plugin decides otherwise than the reference that the vectors were recorded from, and why. A row that no
 * longer deviates, or names no vector, fails the tests.
 */

export type VectorFile = 'exec' | 'results' | 'cni-args' | 'names' | 'versions';

export interface Deviation {
  readonly file: VectorFile;
  /** Name of the vector; of `names` and `versions`, list and value. */
  readonly name: string;
  readonly reason: string;
  /** What comes out here instead; a function derives it from what the vector says. */
  readonly ours: unknown;
  /** Only the pure functions deviate: the whole program, which may look at the system, need not. */
  readonly functionsOnly?: true;
}

const accepted = { exitCode: 0 };
const stubResult = (cniVersion: string) => ({
  exitCode: 0,
  stdout: { cniVersion, ips: [{ address: '10.9.0.5/24', gateway: '10.9.0.1' }] },
});

function exec(reason: string, rows: Record<string, unknown>, more: Pick<Deviation, 'functionsOnly'> = {}): Deviation[] {
  return Object.entries(rows).map(([name, ours]) => ({ file: 'exec', name, reason, ours, ...more }));
}

const pathIsOptional = exec('CNI_PATH is optional in the specification but for GC; we call no other plugin', {
  'add-without-CNI_PATH': stubResult('1.1.0'),
  'del-without-CNI_PATH': accepted,
  'check-without-CNI_PATH': accepted,
  'status-without-path': accepted,
});

const failuresOnDemand = exec('the failing is a feature of the recorded stub, asked for by keys in ipam', {
  ...Object.fromEntries(
    ['0', '1', '2', '3', '7', '11', '50', '51', '100', '999'].map((code) => [
      `add-plugin-error-${code}`,
      stubResult('1.1.0'),
    ]),
  ),
  'status-plugin-error-50': accepted,
  'status-plugin-error-51': accepted,
  'del-plugin-error': accepted,
});

const ownNamespace = exec(
  'whether CNI_NETNS is our own namespace is not in the call, only in the system',
  { 'add-own-netns': stubResult('1.1.0') },
  { functionsOnly: true },
);

const delOfOwnNamespace = exec(
  'a DEL for /proc/PID/ns/net finds the host there once the PID is another process: its address is released',
  { 'del-own-netns': accepted },
);

const versionLabel = exec("the specification wants the caller's version in the VERSION answer", {
  'version-old-caller': (vector: { stdout: object }) => ({
    exitCode: 0,
    stdout: { ...vector.stdout, cniVersion: '0.2.0' },
  }),
  'version-full-env': (vector: { stdout: object }) => ({
    exitCode: 0,
    stdout: { ...vector.stdout, cniVersion: '1.0.0' },
  }),
});

const results: Deviation[] = [
  {
    file: 'results',
    name: 'main-plugin-style',
    reason: 'an IPAM plugin answers without interfaces',
    ours: (vector: Record<string, unknown>) => mapValues(vector, withoutInterfaces),
  },
  {
    file: 'results',
    name: 'no-cniVersion',
    reason: 'our results carry no version before they are printed',
    ours: plainResults('10.20.0.25/24'),
  },
  {
    file: 'results',
    name: 'wrong-cniVersion',
    reason: 'our results carry no version before they are printed',
    ours: plainResults('10.20.0.26/24'),
  },
  {
    file: 'results',
    name: 'route-without-dst',
    reason: 'the reference prints garbage; a route without dst is a fault',
    ours: (vector: Record<string, unknown>) => mapValues(vector, () => 'refused'),
  },
];

const cniArgs: Deviation[] = Object.entries({
  'unknown-without-ignore': [{ podName: 'web-0' }, 'unknown keys are always ignored'],
  'unknown-with-ignore-false': [{}, 'unknown keys are always ignored'],
  'ignore-other-case': [{}, 'unknown keys are always ignored'],
  'empty-key-no-ignore': [{}, 'unknown keys are always ignored'],
  'field-of-struct': [{}, 'a name inside the Go library is an unknown key'],
  'ignore-yes': [{}, 'IgnoreUnknown decides nothing here'],
  'ignore-empty': [{}, 'IgnoreUnknown decides nothing here'],
  'trailing-semicolon': [{ podName: 'web-0' }, 'an empty pair harms nobody'],
  'leading-semicolon': [{}, 'an empty pair harms nobody'],
  'double-semicolon': [{ podName: 'web-0' }, 'an empty pair harms nobody'],
  'no-equals': [{}, 'a malformed pair is ignored'],
  'two-equals': [{}, 'a malformed pair is ignored'],
  'two-equals-known': [{}, 'a malformed pair is ignored: a label is not worth a container'],
  comma: [{}, 'a malformed pair is ignored'],
}).map(([name, [ours, reason]]) => ({ file: 'cni-args', name, ours, reason: String(reason) }));

export const deviations: readonly Deviation[] = [
  ...pathIsOptional,
  ...failuresOnDemand,
  ...ownNamespace,
  ...delOfOwnNamespace,
  ...versionLabel,
  ...results,
  ...cniArgs,
  {
    file: 'names',
    name: 'containerID ""',
    reason: 'in a call an empty variable is a missing one, code 4, also in the reference',
    ours: 4,
  },
  {
    file: 'versions',
    name: 'decode {"CNIVERSION":"0.4.0"}',
    reason: 'keys are case-sensitive; no writer spells them otherwise',
    ours: '0.1.0',
  },
];

/** What is compared: the pure functions of src/cni, or the whole program. */
export type Subject = 'functions' | 'program';

export function deviationOf(file: VectorFile, name: string, subject: Subject): Deviation | undefined {
  return deviations.find(
    (row) => row.file === file && row.name === name && !(row.functionsOnly && subject === 'program'),
  );
}

function mapValues(object: Record<string, unknown>, change: (value: unknown) => unknown): Record<string, unknown> {
  return Object.fromEntries(Object.entries(object).map(([key, value]) => [key, change(value)]));
}

function withoutInterfaces(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutInterfaces);
  if (typeof value !== 'object' || value === null) return value;
  const kept = Object.entries(value).filter(([key]) => key !== 'interfaces' && key !== 'interface');
  return mapValues(Object.fromEntries(kept), withoutInterfaces);
}

/** One IPv4 address and nothing else, in every version that exists and two that do not. */
function plainResults(address: string): Record<string, unknown> {
  const old = (cniVersion: string) => ({ cniVersion, ip4: { ip: address }, dns: {} });
  const listed = (cniVersion: string) => ({ cniVersion, ips: [{ version: '4', address }], dns: {} });
  const newest = (cniVersion: string) => ({ cniVersion, ips: [{ address }] });
  return {
    '': old('0.1.0'),
    '0.1.0': old('0.1.0'),
    '0.2.0': old('0.2.0'),
    '0.3.0': listed('0.3.0'),
    '0.3.1': listed('0.3.1'),
    '0.4.0': listed('0.4.0'),
    '1.0.0': newest('1.0.0'),
    '1.1.0': newest('1.1.0'),
    '0.5.0': 'refused',
    '1.2.0': 'refused',
  };
}
