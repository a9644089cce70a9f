import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { slowTextFor } from './adversary.ts';
import { expressionsIn } from './expressions.ts';

const src = join(import.meta.dirname, '../../../src');
const found = readdirSync(src, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts'))
  .map((file) => expressionsIn(file, readFileSync(join(src, file), 'utf8')));
const expressions = found.flatMap((each) => each.expressions);

describe('the regular expressions of the source', () => {
  test('are found', () => expect(expressions.length).toBeGreaterThan(30));

  test('are all literals, and never made of text from outside', () => {
    expect(found.flatMap((each) => each.unknown)).toEqual([]);
  });

  test.concurrent.each(expressions)('$file:$line /$pattern/$flags is fast on every input', async (expression) => {
    expect(await slowTextFor(expression)).toBe(undefined);
  });
});

describe('a slow expression is found', () => {
  test.concurrent.each([
    ['cubic: an answer full of spaces', '(?:unknown|bad value for) extensible attribute:?\\s*"?([^"]+?)"?\\s*$', 'i'],
    ['quadratic: a reference full of slashes', '\\/.*:', ''],
    ['quadratic: a mark in a mark', ' container=(\\S+) interface=(.+)$', ''],
    ['exponential: a list of labels', '^(\\s*[^=,]+=[^=,]+(,\\s*[^=,]+=[^=,]+)*)?$', ''],
    ['quadratic: a directory', '\\/+$', ''],
    ['quadratic: a URL', ':.*@', 's'],
    ['quadratic: a unit', '[a-z]+$', ''],
    ['quadratic: endless certificates', '-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----', 'gs'],
    ['exponential: the textbook example', '^(a+)+$', ''],
  ])('%s', { timeout: 60_000 }, async (_, pattern, flags) => {
    expect(await slowTextFor({ pattern, flags })).toEqual(expect.any(String));
  });
});

// biome-ignore-start lint/suspicious/noTemplateCurlyInString: a source as text
test('expressions are found in every syntax', () => {
  const text = [
    "const a: RegExp = /a/i; f(b ? `x${/b/}` : new RegExp('c', 'g'), RegExp(`d`), x / y / z, '/no/'); // /no/",
    'new globalThis.RegExp(outside); new RegExp(`e${a}`)',
  ].join('\n');
  const { expressions, unknown } = expressionsIn('x.ts', text);
  expect(expressions.map(({ pattern, flags }) => `${pattern} ${flags}`)).toEqual(['a i', 'b ', 'c g', 'd ']);
  expect(unknown).toEqual(['x.ts:2', 'x.ts:2']);
});
// biome-ignore-end lint/suspicious/noTemplateCurlyInString: a source as text
