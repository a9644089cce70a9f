import { expect, test } from 'vitest';
import { documentedTable, ruleTables } from './plan-table.ts';

test.each(['plan', 'endings', 'blocks'] as const)(
  'docs/architecture.md shows the rules of `%s` as the code has them',
  (name) => {
    expect(documentedTable(name)).toBe(ruleTables()[name]);
  },
);
