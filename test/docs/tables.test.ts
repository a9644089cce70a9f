/** The tables that operators go by say what the code does. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { CniCode } from '../../src/cni/errors.ts';
import { attributeDefinitions } from '../../src/infoblox/attributes.ts';
import { flags } from '../../src/modes/daemon/config/flags.ts';
import { ipamKeys } from '../../src/modes/daemon/handlers/network-spec.ts';
import { project, quoted, tableAfter } from './pages.ts';

test('docs/configuration.md names every flag with its default', () => {
  const documented = tableAfter('docs/configuration.md', '## Flags of the daemon').map(([flag, standard]) => [
    quoted(flag)[0],
    quoted(standard)[0] ?? '',
  ]);
  const taken = Object.entries(flags).map(([name, flag]) => [`--${name}`, 'default' in flag ? flag.default : '']);
  expect(documented).toEqual(taken);
});

test('docs/configuration.md names every key under ipam', () => {
  const documented = tableAfter('docs/configuration.md', '## Keys under `ipam`').flatMap(([key]) => quoted(key));
  expect([...documented].sort()).toEqual([...ipamKeys].sort());
});

test('docs/grid.md names every extensible attribute that is written', () => {
  const documented = tableAfter('docs/grid.md', '### Extensible attributes').flatMap(([name]) => quoted(name));
  const written = attributeDefinitions({ '--labels': '' }).map(({ name }) => name);
  expect([...documented].sort()).toEqual([...written].sort());
});

test('docs/troubleshooting.md names every error code', () => {
  const codes = tableAfter('docs/troubleshooting.md', '## Error codes').map(([code]) => Number(code));
  // 999 is the main plugin's.
  expect(codes).toEqual([...Object.values(CniCode), 999].sort((one, other) => one - other));
});

test('docs/operations.md quotes lines of the log that the daemon writes', () => {
  const sources = readdirSync(join(project, 'src'), { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.ts'),
  );
  const source = sources.map((name) => readFileSync(join(project, 'src', name), 'utf8')).join('\n');
  for (const [line] of tableAfter('docs/operations.md', '## Lines to watch')) {
    const [message = ''] = quoted(line);
    expect(source.includes(message), message).toBe(true);
  }
});
