import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { describe, expect, it } from 'vitest';

const src = join(import.meta.dirname, '../../src');

/**
 * The parts of src, the most specific path first, and the parts that each may import besides itself.
 * main imports modes, and modes import cni and infoblox. Inside infoblox: core -> lease -> network -> leaves.
 * One leaf is the port to the grid; nothing there imports its implementation, wapi. Plugin and daemon share only the
 * files directly in modes/: protocol and texts. The plugin starts for every container, so it imports nothing of infoblox.
 * The operator's commands import the daemon, never the other way round. In infoblox only the store imports files.
 */
const PARTS: readonly { readonly path: string; readonly part: string; readonly mayImport: readonly string[] }[] = [
  { path: 'modes/plugin/', part: 'plugin', mayImport: ['shared', 'cni', 'files', 'errno'] },
  {
    path: 'modes/daemon/',
    part: 'daemon',
    mayImport: ['shared', 'cni', 'core', 'lease', 'store', 'network', 'leaf', 'files', 'errno'],
  },
  {
    path: 'modes/operator/',
    part: 'operator',
    mayImport: ['shared', 'daemon', 'cni', 'lease', 'network', 'leaf', 'files', 'errno'],
  },
  { path: 'modes/', part: 'shared', mayImport: ['cni', 'errno'] },
  { path: 'cni/', part: 'cni', mayImport: [] },
  { path: 'infoblox/core.ts', part: 'core', mayImport: ['lease', 'store', 'network', 'leaf', 'errno'] },
  { path: 'infoblox/lease/store/', part: 'store', mayImport: ['lease', 'network', 'leaf', 'files', 'errno'] },
  { path: 'infoblox/lease/', part: 'lease', mayImport: ['store', 'network', 'leaf', 'errno'] },
  { path: 'infoblox/network/', part: 'network', mayImport: ['leaf', 'errno'] },
  { path: 'infoblox/wapi/', part: 'wapi', mayImport: ['leaf', 'errno'] },
  { path: 'infoblox/', part: 'leaf', mayImport: ['errno'] },
  { path: 'files/', part: 'files', mayImport: ['errno'] },
  { path: 'errno.ts', part: 'errno', mayImport: [] },
  { path: '', part: 'main', mayImport: ['plugin', 'daemon', 'shared'] },
];

/** The files in modes/ that may import wapi: two compose it, doctor examines it. All others import its types at most. */
const COMPOSITIONS = ['modes/daemon/grid-access.ts', 'modes/daemon/config/trust.ts', 'modes/operator/doctor/grid.ts'];

/** The modules that src/cni must not import: its functions are pure and get everything as arguments. */
const INPUT_AND_OUTPUT = /^node:(fs|http|https|child_process|dgram|dns|tls|sqlite|process)(\/|$)/;

interface Import {
  readonly from: string;
  /** An import of types only, which disappears at run time. */
  readonly isOfTypes: boolean;
}

/** Lists the imports of a source file, types included. */
function importsOf(text: string): Import[] {
  const statements =
    /(?:^|\n)\s*(?:import|export)\s+(type\s)?(?:[^'"();]*?\sfrom\s+)?['"]([^'"]+)['"]|\bimport\s*\(\s*['"]([^'"]+)['"]/g;
  return [...text.matchAll(statements)].map(([, type, from, dynamic]) => {
    return { from: from ?? dynamic ?? '', isOfTypes: type !== undefined };
  });
}

function partOf(file: string): (typeof PARTS)[number] {
  const found = PARTS.find(({ path }) => file.startsWith(path));
  if (found === undefined) throw new Error(`${file} is in no part`);
  return found;
}

/** Says what is wrong with one import, or returns undefined. `file` is relative to src. */
function wrongWith(file: string, imported: string, isOfTypes = false): string | undefined {
  const { part, mayImport } = partOf(file);
  if (!imported.startsWith('.')) {
    if (part === 'cni' && INPUT_AND_OUTPUT.test(imported)) {
      return `${file} imports ${imported}: src/cni does no input or output`;
    }
    const isLibrary = !imported.startsWith('node:');
    return part === 'plugin' && isLibrary ? `${file} imports ${imported}: the plugin uses no library` : undefined;
  }
  const target = normalize(join(dirname(file), imported));
  if (target.startsWith('..')) return `${file} imports ${imported}, outside src`;
  if (file === 'modes/protocol.ts') return `${file} imports ${imported}: the protocol imports nothing`;
  const other = partOf(target).part;
  if (other === part || mayImport.includes(other)) return undefined;
  if (other === 'wapi' && file.startsWith('modes/') && (isOfTypes || COMPOSITIONS.includes(file))) return undefined;
  return `${file} imports ${imported}: ${part} may import ${mayImport.join(', ') || 'nothing but itself'}`;
}

/** Yields all imports of the source. */
function* allImports(): Generator<Import & { readonly file: string }> {
  for (const file of readdirSync(src, { recursive: true, encoding: 'utf8' })) {
    if (!file.endsWith('.ts')) continue;
    for (const imported of importsOf(readFileSync(join(src, file), 'utf8'))) yield { ...imported, file };
  }
}

describe('imports', () => {
  it('run one way and stay inside src', () => {
    const all = [...allImports()];
    expect(all.length).toBeGreaterThan(0);
    expect(all.flatMap(({ file, from, isOfTypes }) => wrongWith(file, from, isOfTypes) ?? [])).toEqual([]);
  });

  it('make no two folders depend on each other, except for types and nested folders', () => {
    const known = new Map<string, string>();
    for (const { file, from, isOfTypes } of allImports()) {
      const [folder, other] = [dirname(file), dirname(normalize(join(dirname(file), from)))];
      const isInside = `${folder}/`.startsWith(`${other}/`) || `${other}/`.startsWith(`${folder}/`) || folder === '.';
      if (from.startsWith('.') && !isOfTypes && !isInside)
        known.set(`${folder} -> ${other}`, `${file} imports ${from}`);
    }
    const reversed = (way: string) => way.split(' -> ').reverse().join(' -> ');
    expect([...known].flatMap(([way, line]) => (known.has(reversed(way)) ? [line] : []))).toEqual([]);
  });

  it('leave time to the clock in infoblox', () => {
    const otherClock =
      /\bDate\.now\b|\bnew Date\(\)|\bperformance\.|\bset(Timeout|Interval|Immediate)\b|AbortSignal\.timeout|node:timers/;
    const files = readdirSync(join(src, 'infoblox'), { recursive: true, encoding: 'utf8' }).filter(
      (name) => name.endsWith('.ts') && name !== 'concurrency/clock.ts',
    );
    expect(files.length).toBeGreaterThan(50);
    const text = (name: string) => readFileSync(join(src, 'infoblox', name), 'utf8');
    expect(files.filter((name) => otherClock.test(text(name)))).toEqual([]);
  });

  it('leave the vocabulary of WAPI to infoblox/wapi', () => {
    const words =
      /\b_ref\b|\bipv4addr\b|(?<!infoblox\.)network_view|extattrs|comment~|\bfunc:|_return_fields|_function\b|ip_address/;
    const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter(
      (name) => name.endsWith('.ts') && !name.startsWith('infoblox/wapi/'),
    );
    expect(files.filter((name) => words.test(readFileSync(join(src, name), 'utf8')))).toEqual([]);
  });

  it('are found in every syntax', () => {
    const text = `import '../a.ts';\nimport type {\n  B,\n} from '../b.ts';\nexport * from '../c.ts';\nvoid import('../d.ts');\n`;
    expect(importsOf(text).map(({ from }) => from)).toEqual(['../a.ts', '../b.ts', '../c.ts', '../d.ts']);
    expect(importsOf(text).map(({ isOfTypes }) => isOfTypes)).toEqual([false, true, false, false]);
  });

  it.each([
    ['cni/result.ts', '../infoblox/wapi/session.ts'],
    ['infoblox/wapi/session.ts', '../../cni/errors.ts'],
    ['infoblox/wapi/session.ts', '../../modes/daemon/main.ts'],
    ['infoblox/wapi/session.ts', '../network/networks.ts'],
    ['infoblox/network/networks.ts', '../lease/store.ts'],
    ['infoblox/conditions.ts', './wapi/session.ts'],
    ['infoblox/lease/gc.ts', '../wapi/wapi-grid.ts'],
    ['infoblox/core.ts', './wapi/wapi-grid.ts'],
    ['modes/daemon/main.ts', '../../infoblox/wapi/session.ts'],
    ['infoblox/lease/gc.ts', '../core.ts'],
    ['infoblox/lease/gc.ts', '../../files/durable-file.ts'],
    ['cni/netconf.ts', 'node:fs'],
    ['modes/plugin/plugin.ts', '../../main.ts'],
    ['modes/plugin/plugin.ts', '../daemon/start-error.ts'],
    ['modes/plugin/plugin.ts', '../../infoblox/errors.ts'],
    ['modes/plugin/plugin.ts', 'valibot'],
    ['modes/daemon/main.ts', '../plugin/process.ts'],
    ['modes/daemon/main.ts', '../operator/command.ts'],
    ['modes/protocol.ts', './about.ts'],
    ['modes/release-note.ts', './plugin/process.ts'],
    ['modes/plugin/plugin.ts', '../../../test/simulator/grid.ts'],
  ])('from %s to %s are refused', (file, imported) => {
    expect(wrongWith(file, imported)).toContain(file);
  });

  it.each([
    ['main.ts', './modes/plugin/plugin.ts'],
    ['modes/daemon/grid-access.ts', '../../infoblox/wapi/session.ts'],
    ['modes/daemon/main.ts', '../protocol.ts'],
    ['modes/daemon/main.ts', 'valibot'],
    ['modes/plugin/plugin.ts', '../src/files/trusted-path.ts'],
    ['cni/netconf.ts', './errors.ts'],
    ['infoblox/lease/gc.ts', '../grid.ts'],
    ['infoblox/wapi/wapi-grid.ts', '../grid.ts'],
    ['infoblox/lease/store.ts', 'node:sqlite'],
  ])('from %s to %s are fine', (file, imported) => {
    expect(wrongWith(file, imported)).toBe(undefined);
  });
});
