/** The list of mutations agrees with the source, the tests and the page that shows it. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { project, quoted, tableAfter } from '../../fixture/pages.ts';
import { mutations } from '../../mutations.ts';

test.each(mutations)('names one place in the source and one test: $condition', ({ file, text, fails }) => {
  expect(readFileSync(join(project, file), 'utf8').split(text)).toHaveLength(2);
  const folder = join(project, 'test/simulation');
  const tests = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.ts'));
  const words = fails.replace(/^killed during /, '');
  expect(tests.filter((path) => readFileSync(join(folder, path), 'utf8').includes(`'${words}'`))).toHaveLength(1);
});

test('docs/reliability.md names each of them, with its place and its test', () => {
  const documented = tableAfter('docs/reliability.md', '## Safety conditions').map(([condition, place, fails]) => [
    condition,
    quoted(place)[0],
    fails,
  ]);
  expect(documented).toEqual(mutations.map(({ condition, file, fails }) => [condition, file, fails]));
});
