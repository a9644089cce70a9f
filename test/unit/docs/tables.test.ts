/** The tables for operators agree with the code. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { CniCode } from '../../../src/cni/errors.ts';
import { attributeDefinitions } from '../../../src/infoblox/attributes.ts';
import { flags } from '../../../src/modes/daemon/config/flags.ts';
import { ipamKeys } from '../../../src/modes/daemon/handlers/network-spec.ts';
import { project, quoted, tableAfter } from '../../fixture/pages.ts';

test('docs/configuration.md names every flag with its default', () => {
  const documented = tableAfter('docs/configuration.md', '## Flags of the daemon').map(([flag, standard]) => [
    quoted(flag)[0],
    quoted(standard)[0] ?? '',
  ]);
  const taken = Object.entries(flags).map(([name, flag]) => [`--${name}`, 'default' in flag ? flag.default : '']);
  expect(documented).toEqual(taken);
});

test('docs/configuration.md names every key of `ipam`', () => {
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
  // Main plugins report 999.
  expect(codes).toEqual([...Object.values(CniCode), 999].sort((one, other) => one - other));
});

test('docs/reliability.md names a test for every promise', () => {
  const promises = tableAfter('docs/reliability.md', '## Promises, mechanisms, tests');
  const isTest = (name: string) => /\.test\.ts$|^test\/simulation/.test(name);
  expect(promises.filter(([, , tests]) => !quoted(tests).some(isTest))).toEqual([]);
});

test('docs/logs.md quotes only log lines that the daemon writes', () => {
  const sources = readdirSync(join(project, 'src'), { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.ts'),
  );
  const source = sources.map((name) => readFileSync(join(project, 'src', name), 'utf8')).join('\n');
  for (const [line] of tableAfter('docs/logs.md', '## Lines to watch')) {
    for (const message of quoted(line)) expect(source.includes(message), message).toBe(true);
  }
});

describe('docs/monitoring.md', () => {
  const tracing = join(project, 'src/modes/daemon/tracing');
  const source = readdirSync(tracing)
    .map((name) => readFileSync(join(tracing, name), 'utf8'))
    .join('\n');

  test('names every attribute of a span', () => {
    const documented = tableAfter('docs/monitoring.md', '### Attributes').flatMap(([attribute]) => quoted(attribute));
    const ofTheService = ['service.name', 'service.version', 'host.name'];
    const names = [...source.matchAll(/'((?:\w+\.)+\w+)'/g)].map(([, name = '']) => name);
    const own = [...new Set(names)].filter((name) => !/\.cjs$/.test(name) && !ofTheService.includes(name));
    expect([...documented].sort()).toEqual(own.sort());
  });

  test('names every environment variable for traces', () => {
    const documented = tableAfter('docs/monitoring.md', '### Variables').flat().flatMap(quoted).join();
    const read = [...source.matchAll(/\bOTEL_\w*[A-Z]\b/g)].map(([name]) => name);
    // The page says that only one protocol is supported.
    for (const name of new Set(read)) if (!name.endsWith('_PROTOCOL')) expect(documented).toContain(name);
  });
});
