import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import { describe, expect, it } from 'vitest';

const src = join(import.meta.dirname, '../src');

/** For each part of src, the parts that it may import besides itself: main -> modes -> {cni, infoblox}. */
const ALLOWED: Record<string, readonly string[]> = {
  '.': ['modes', 'cni', 'infoblox'],
  modes: ['cni', 'infoblox'],
  cni: [],
  infoblox: [],
};

/** The specification is pure: what it knows comes as arguments. */
const INPUT_AND_OUTPUT = /^node:(fs|http|https|child_process|dgram|dns|tls|sqlite|process)(\/|$)/;

/** What a source file imports, types included. */
function importsOf(text: string): string[] {
  const statements =
    /(?:^|\n)\s*(?:import|export)\s+(?:[^'"();]*?\sfrom\s+)?['"]([^'"]+)['"]|\bimport\s*\(\s*['"]([^'"]+)['"]/g;
  return [...text.matchAll(statements)].map((match) => match[1] ?? match[2] ?? '');
}

function partOf(file: string): string {
  return file.includes('/') ? file.slice(0, file.indexOf('/')) : '.';
}

/** Says what is wrong with one import, or nothing. `file` is relative to src. */
function wrongWith(file: string, imported: string): string | undefined {
  const part = partOf(file);
  if (!imported.startsWith('.')) {
    const impure = part === 'cni' && INPUT_AND_OUTPUT.test(imported);
    return impure ? `${file} imports ${imported}: src/cni does no input or output` : undefined;
  }
  const target = normalize(join(dirname(file), imported));
  if (target.startsWith('..')) return `${file} imports ${imported}, outside src`;
  if (partOf(target) === part || ALLOWED[part]?.includes(partOf(target))) return undefined;
  return `${file} imports ${imported}: ${part} may import ${ALLOWED[part]?.join(', ') || 'nothing but itself'}`;
}

describe('imports', () => {
  it('run one way: main -> modes -> {cni, infoblox}, and never out of src', () => {
    const files = readdirSync(src, { recursive: true, withFileTypes: true }).filter((entry) =>
      entry.name.endsWith('.ts'),
    );
    expect(files.length).toBeGreaterThan(0);
    const wrong = files.flatMap((entry) => {
      const path = join(entry.parentPath, entry.name);
      return importsOf(readFileSync(path, 'utf8')).flatMap(
        (imported) => wrongWith(relative(src, path), imported) ?? [],
      );
    });
    expect(wrong).toEqual([]);
  });

  it('are found however they are written', () => {
    const text = `import './a.ts';\nimport type {\n  B,\n} from './b.ts';\nexport * from './c.ts';\nvoid import('./d.ts');\n`;
    expect(importsOf(text)).toEqual(['./a.ts', './b.ts', './c.ts', './d.ts']);
  });

  it.each([
    ['cni/result.ts', '../infoblox/session.ts'],
    ['infoblox/session.ts', '../cni/errors.ts'],
    ['infoblox/session.ts', '../modes/daemon/main.ts'],
    ['cni/netconf.ts', 'node:fs'],
    ['modes/plugin.ts', '../main.ts'],
    ['modes/plugin.ts', '../../test/simulator/grid.ts'],
  ])('from %s to %s are refused', (file, imported) => {
    expect(wrongWith(file, imported)).toContain(file);
  });

  it.each([
    ['main.ts', './modes/plugin.ts'],
    ['modes/daemon/main.ts', '../../infoblox/session.ts'],
    ['modes/daemon/main.ts', '../socket.ts'],
    ['cni/netconf.ts', './errors.ts'],
    ['infoblox/store.ts', 'node:sqlite'],
  ])('from %s to %s are fine', (file, imported) => {
    expect(wrongWith(file, imported)).toBe(undefined);
  });
});
