/**
 * Makes a support bundle: what is known of this driver on this host, as an archive to give to others. It contains no secrets. It works
 * without the daemon, the grid and systemd.
 */
import { readFileSync } from 'node:fs';
import { arch, cpus, hostname, release, totalmem, uptime, version } from 'node:os';
import { parseEnv, promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { createTar } from 'nanotar';
import { messageOf } from '../../../errno.ts';
import * as about from '../../about.ts';
import type { Progress } from '../../operator-protocol.ts';
import type { Invocation } from '../command.ts';
import { CommandError } from '../command-error.ts';
import { askDaemon } from '../daemon-connection.ts';
import { diagnose } from '../doctor/diagnose.ts';
import { findNetworkFiles } from '../network-configurations.ts';
import { inIso } from '../output/results.ts';
import { whatToDo } from '../output/terminal.ts';
import {
  Fields,
  findingShape,
  flagShape,
  leasesShape,
  releaseShape,
  statusShape,
  unitProperties,
  variableShape,
} from './fields.ts';
import { log, networkConfiguration, outputOf, stateFiles } from './sources.ts';

/** Settings whose service is described. */
type Source = Omit<Invocation, 'flags'>;

interface BundleOptions {
  /** Whether to mask names and addresses. */
  readonly redact: boolean;
  /** Whether to include the state file. */
  readonly state: boolean;
  /** Called with the progress of `doctor`, the longest step. */
  readonly onProgress: (progress: Progress) => void;
}

export interface Item {
  /** Its path in the archive. */
  readonly name: string;
  readonly text: string;
  /** Whether its content was available. */
  readonly isThere: boolean;
}

const folder = 'infoblox-cni-support';
const unit = 'infoblox-cni-daemon.service';
/** Characters of an item. */
const maxLength = 4 * 1024 * 1024;
/** An archive ends with two blocks of zeros; tar(1) warns if one is missing. */
const endOfTar = Buffer.alloc(1024);

/** Makes the archive, gzipped. */
export async function archive(
  source: Source,
  { state, ...options }: BundleOptions,
): Promise<{ data: Uint8Array; items: Item[] }> {
  const items: Item[] = [];
  for (const [name, make] of Object.entries(contents(source, options))) items.push(await item(name, make));
  const files = [
    { name: 'README', data: readme(items, options.redact) },
    ...items.map(({ name, text }) => ({ name, data: text })),
    ...(state ? stateFiles(source.daemonFlags['state-dir']) : []),
  ];
  const named = files.map(({ name, data }) => ({ name: `${folder}/${name}`, data }));
  const tar = createTar(named, { attrs: { mode: '600', uid: 0, gid: 0, mtime: Date.now() } });
  return { data: await promisify(gzip)(Buffer.concat([tar, endOfTar])), items };
}

/** Lists the files and what makes their content: a text, or a value to write as JSON. An error is the reason why it is missing. */
function contents(
  source: Source,
  { redact, onProgress }: Omit<BundleOptions, 'state'>,
): Readonly<Record<string, () => unknown>> {
  const { daemonFlags: flags, env, socket } = source;
  const fields = new Fields(redact);
  return {
    'flags.json': () => fields.select(flags, flagShape),
    'variables.json': () => fields.select(env, variableShape),
    'service-state': () => outputOf('systemctl', ['show', unit, `--property=${unitProperties}`]),
    log: () => log(unit, fields),
    'versions.json': () => ({ version: about.version, commit: about.commit, ...process.versions }),
    'system.json': () => ({
      hostname: fields.write('host', hostname()),
      kernel: release(),
      build: version(),
      arch: arch(),
      uptime: Math.round(uptime()),
      processors: cpus().length,
      memory: totalmem(),
    }),
    'os-release.json': () => fields.select(parseEnv(readFileSync('/etc/os-release', 'utf8')), releaseShape),
    'systemd-version': () => outputOf('systemctl', ['--version']),
    'network-configurations.json': () =>
      findNetworkFiles(flags['driver-name']).map((file) => networkConfiguration(file, fields)),
    'status.json': async () =>
      fields.select(await askDaemon({ socket, method: 'operator/status', params: {} }), statusShape),
    'leases.json': async () =>
      fields.select(await askDaemon({ socket, method: 'operator/leases', params: {} }), leasesShape),
    'doctor.json': async () => {
      const findings = await diagnose(source, { onProgress });
      const masked = findings.map((finding) => ({ ...finding, group: maskedGroup(finding.group, fields) }));
      return fields.select(masked, findingShape);
    },
  };
}

/** Masks the name in the group of a network. */
function maskedGroup(group: string, fields: Fields): string {
  return group.replace(/^network (?!configurations$)(.*)/, (_, name) => `network ${fields.write('network', name)}`);
}

/** Makes a file of the bundle. @param make see `contents` */
async function item(name: string, make: () => unknown): Promise<Item> {
  try {
    const made = await make();
    const text = typeof made === 'string' ? made : `${JSON.stringify(made, inIso, 2)}\n`;
    const cut = text.length <= maxLength ? '' : `\n[cut here: it has ${text.length} characters]\n`;
    return { name, text: `${text.slice(0, maxLength)}${cut}`, isThere: true };
  } catch (error) {
    const hint = error instanceof CommandError ? error.hint : undefined;
    return { name, text: `not available: ${whatToDo(messageOf(error), hint)}\n`, isThere: false };
  }
}

function readme(items: readonly Item[], redact: boolean): string {
  const names = redact
    ? 'Names and addresses are masked by pseudonyms, the same everywhere; texts that may contain one are left out.'
    : 'Names and addresses are not masked: use support-bundle --redact to mask them.';
  const lines = items.map(({ name, isThere }) => `  ${name}${isThere ? '' : ' (says why not)'}`);
  return `infoblox-cni support bundle of ${new Date().toISOString()}

It contains only fields that are known to hold no secret. ${names}
Look through it before you give it to others.

${lines.join('\n')}
`;
}
