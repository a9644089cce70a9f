/** The targets of the pages exist: files, headings, tests. */
import { existsSync, readdirSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { describe, expect, test } from 'vitest';
import { anchorsOf, pages, project, proseOf } from '../../fixture/pages.ts';

describe.each(pages)('%s', (page) => {
  const prose = proseOf(page);

  test('links to pages and headings that exist', () => {
    for (const [, target = ''] of prose.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(target)) continue;
      const [path = '', anchor] = target.split('#');
      const file = path === '' ? page : normalize(join(dirname(page), path));
      expect(existsSync(join(project, file)), `${target} in ${page}`).toBe(true);
      if (anchor !== undefined) expect(anchorsOf(file), `${target} in ${page}`).toContain(anchor);
    }
  });

  test('names tests and source files that exist', () => {
    // A file name without a folder is looked up in these.
    const lease = 'src/infoblox/lease';
    const below = readdirSync(join(project, lease), { withFileTypes: true }).filter((entry) => entry.isDirectory());
    const folders = [
      '.',
      'deploy',
      'test/integration/reliability',
      'test/e2e/reliability',
      lease,
      ...below.map(({ name }) => `${lease}/${name}`),
    ];
    for (const [, name = ''] of prose.matchAll(/`([\w./-]+\.(?:ts|mjs|sh))`/g)) {
      const found = folders.some((folder) => existsSync(join(project, folder, name)));
      expect(found, `\`${name}\` in ${page}`).toBe(true);
    }
    for (const [, name = ''] of prose.matchAll(/`((?:src|test|deploy|bench|docs)\/[\w./-]*)`/g)) {
      expect(existsSync(join(project, name)), `\`${name}\` in ${page}`).toBe(true);
    }
  });
});
