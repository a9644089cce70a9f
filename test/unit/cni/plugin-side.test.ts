/** The plugin process starts for every container, and loading code is most of its cost. */
import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

const pluginSide = ['errors', 'versions', 'environment', 'call', 'result-check'];

test('the modules that the plugin process loads import nothing heavy', () => {
  const loaded = new Set(pluginSide.flatMap((module) => importsOf(`${module}.ts`)));
  const own = pluginSide.map((module) => `./${module}.ts`);
  expect([...loaded].filter((name) => !own.includes(name)))
    // The plugin loads node:net anyway, for the daemon's socket.
    .toEqual(['node:buffer', 'node:net']);
});

test('src/cni imports no other part of the program and nothing of the system', () => {
  const all = readdirSync(new URL('../../../src/cni/', import.meta.url));
  const outside = new Set(all.flatMap(importsOf).filter((name) => !name.startsWith('./')));
  expect([...outside].sort()).toEqual(['ipaddr.js', 'node:buffer', 'node:net', 'valibot']);
});

function importsOf(file: string): string[] {
  const source = readFileSync(new URL(`../../../src/cni/${file}`, import.meta.url), 'utf8');
  return [...source.matchAll(/^import (?!type )[^;]*? from '([^'\n]+)';$/gm)].flatMap(([, name]) => name ?? []);
}
