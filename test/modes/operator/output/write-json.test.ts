import { expect, test } from 'vitest';
import { jsonText, timeName } from '../../../../src/modes/operator/output/write-json.ts';
import { operatorMethods, time } from '../../../../src/modes/operator-protocol.ts';

test('nothing in a document commands a terminal or reorders what is read, and it is the same document', () => {
  const value = {
    pod: 'web\u001b[31m\u009b5m\u007f',
    name: 'a\u202eb\u2028c',
    lone: '\ud800',
    emoji: '🚀',
    lines: '1\n2',
  };
  const text = jsonText(value);
  expect(text).not.toMatch(/[^\n\P{Cc}]|[\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u);
  expect(text).toContain('"pod": "web\\u001b[31m\\u009b5m\\u007f"');
  expect(JSON.parse(text)).toEqual(value);
});

test('a document is indented, so that people read it, too', () => {
  expect(jsonText({ a: [1] })).toBe('{\n  "a": [\n    1\n  ]\n}');
});

test('times are written as ISO 8601 writes them, wherever they stand, and nothing else is', () => {
  const value = {
    startedAt: 0,
    errors: [{ at: 1_500, message: 'x' }],
    since: null,
    dueAt: '2026',
    attempts: 3,
    format: 1,
  };
  expect(JSON.parse(jsonText(value))).toEqual({
    ...value,
    startedAt: '1970-01-01T00:00:00.000Z',
    errors: [{ at: '1970-01-01T00:00:01.500Z', message: 'x' }],
  });
});

/** A schema of valibot's, as far as it is walked here. */
interface Schema {
  readonly type: string;
  readonly entries?: Readonly<Record<string, Schema>>;
  readonly item?: Schema;
  readonly wrapped?: Schema;
}

/** The numbers in what a schema describes, with their names. */
function numbersIn(schema: Schema, name = ''): [string, Schema][] {
  const { type, entries, item, wrapped } = schema;
  if (type === 'number') return [[name, schema]];
  if (entries !== undefined) return Object.entries(entries).flatMap(([name, entry]) => numbersIn(entry, name));
  return [item, wrapped].flatMap((inner) => (inner === undefined ? [] : numbersIn(inner, name)));
}

test('what the daemon answers as a time is known by its name, and no other number has such a name', () => {
  const results = Object.values(operatorMethods).map(({ result }) => result as unknown as Schema);
  const numbers = results.flatMap((result) => numbersIn(result));
  expect(numbers.length).toBeGreaterThan(20);
  for (const [name, schema] of numbers) expect(timeName.test(name), name).toBe(schema === time);
});
