import { expect, test } from 'vitest';
import { documentedTable, planTable } from './plan-table.ts';

test('docs/architecture.md shows the rules for leases as the code has them', () => {
  expect(documentedTable()).toBe(planTable());
});
