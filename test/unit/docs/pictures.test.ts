/** Every picture is small, made by test/pictures, and shown by a page with a text that describes it. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { pages, project, read } from '../../fixture/pages.ts';

const directory = join(project, 'docs/pictures');
const pictures = readdirSync(directory);
const list = readFileSync(join(project, 'test/pictures/main.ts'), 'utf8');

test.each(pictures)('%s', (picture) => {
  expect(statSync(join(directory, picture)).size).toBeLessThan(200_000);
  const shown = new RegExp(`!\\[\\w[^\\]]+\\]\\((docs/)?pictures/${picture.replaceAll('.', '\\.')}\\)`);
  expect(pages.filter((page) => shown.test(read(page)))).not.toEqual([]);
  const [name = ''] = picture.split('.');
  expect(list).toMatch(new RegExp(`const pictures.*\\{[^}]*\\b${name}\\b`));
});
