import { expect, test } from 'vitest';
import { whatToDo } from '../../../../src/modes/operator/output/what-to-do.ts';

test.each([
  ['cannot reach grid-1: refused', 'check --grid-host', 'cannot reach grid-1: refused. Check --grid-host.'],
  ['unknown key subnett; did you mean subnet?', 'Correct it.', 'unknown key subnett; did you mean subnet? Correct it.'],
  [
    '10.0.0.5/24 has host bits set',
    'did you mean 10.0.0.0/24?',
    '10.0.0.5/24 has host bits set. Did you mean 10.0.0.0/24?',
  ],
  ['is no JSON', undefined, 'is no JSON'],
  ['pod \u001b[31m', 'see\nbelow', 'pod \\u001b[31m. See\\nbelow.'],
])('%j and %j are one line: %s', (message, hint, line) => {
  expect(whatToDo(message, hint)).toBe(line);
});
