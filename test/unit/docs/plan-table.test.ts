import { expect, test } from 'vitest';
import { documentedTable, ruleTables } from './plan-table.ts';

test.each(['plan', 'endings', 'blocks'] as const)(
  'docs/architecture.md shows the same rules of `%s` as the code',
  (name) => {
    expect(documentedTable(name)).toBe(ruleTables()[name]);
  },
);
