import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parseFlags } from '../../../../src/modes/daemon/config/command-line.ts';
import { knownSecrets, secretRemover, withoutSecretMembers } from '../../../../src/modes/operator/bundle/secrets.ts';

/** No secret is known: they are found by where they stand. */
const unknown = secretRemover([]);

describe('what stands where secrets stand is removed', () => {
  test.each([
    ['a variable of an environment file', 'WAPI_PASSWORD=two words', 'WAPI_PASSWORD=[removed]'],
    [
      'a flag',
      "DAEMON_FLAGS='--wapi-password=x1 --grid-host=g'",
      "DAEMON_FLAGS='--wapi-password=[removed] --grid-host=g'",
    ],
    ['a flag and a blank', '-wapi-password x1 -grid-host g', '-wapi-password [removed] -grid-host g'],
    ['a flag with quotes', '--wapi-password="x 1" -x', '--wapi-password="[removed]" -x'],
    ['a member of JSON', '{"apiToken": "x\\"1", "n": 1}', '{"apiToken": "[removed]", "n": 1}'],
    ['a number in JSON', '{"secret":12,"n":1}', '{"secret":[removed],"n":1}'],
    ['a line of a unit', 'Environment="WAPI_PASSWORD=x1"', 'Environment="WAPI_PASSWORD=[removed]'],
    ['a credential of a unit', 'SetCredential=wapi-password:x1', 'SetCredential=[removed]'],
    ['a header', 'Authorization: Basic eDE=', 'Authorization: [removed]'],
    ['a login in a text', 'sent basic eDE6eDE= twice', 'sent basic [removed] twice'],
    ['a session cookie', 'got ibapauth="u=x,1"; path', 'got ibapauth="[removed]"; path'],
    ['a URL', 'at https://cni:x@1/y@grid.example.com/wapi', 'at https://[removed]@grid.example.com/wapi'],
    ['a host with a login', '--grid-host=cni:x1@grid', '--grid-host=[removed]@grid'],
    [
      'a key',
      'a\n-----BEGIN EC PRIVATE KEY-----\nx1\n-----END EC PRIVATE KEY-----\nb',
      'a\n[removed]\n[removed]\n[removed]\nb',
    ],
    ['a key without an end', '-----BEGIN PRIVATE KEY-----\nx1', '[removed]\n[removed]'],
  ])('%s', (_, text, expected) => {
    expect(unknown(text)).toBe(expected);
  });

  test.each([
    '--wapi-password-file=/etc/infoblox-cni/wapi-password',
    '{"wapi-password-file": "/etc/x", "wapi-password": ""}',
    'no WAPI password given',
    'the grid refused the user name or password of "cni" (401)',
    'ask ddi@example.com',
    'infoblox-cni cluster=c node=n network=net container=4f1c interface=eth0',
  ])('and nothing of: %s', (text) => {
    expect(unknown(text)).toBe(text);
  });
});

describe('a known secret is removed wherever it stands', () => {
  const secret = 'p"ss w%rd';

  test.each([
    ['in clear', `is ${secret}.`],
    ['in JSON', JSON.stringify({ message: secret })],
    ['in a URL', `x=${encodeURIComponent(secret)}`],
    ['in base64', Buffer.from(secret).toString('base64')],
  ])('%s', (_, text) => {
    expect(secretRemover([secret])(text)).toMatch(/^(is |\{"message":"|x=)?\[removed\]("\}|\.)?$/);
  });

  test('a very short one only as a word, and none that is part of the name of the driver', () => {
    expect(secretRemover(['ab'])('ab abc (ab) a-ab')).toBe('[removed] abc ([removed]) a-ab');
    expect(secretRemover(['infoblox', ''])('infoblox-cni')).toBe('infoblox-cni');
  });
});

test('secrets are known from the flag, from the environment and from files', () => {
  const directory = mkdtempSync(join(tmpdir(), 'infoblox-cni-secrets-'));
  const file = join(directory, 'password');
  writeFileSync(file, 'of the file\n');
  const flags = parseFlags(['--wapi-password=of the flag']);
  const known = knownSecrets(
    flags,
    { WAPI_PASSWORD: 'p1', API_TOKEN: 'of others', SECRETS: 'true', HOME: '/root', PWD: '/srv/containers' },
    [file, '/nonexistent'],
  );
  rmSync(directory, { recursive: true });
  expect(known.filter((secret) => secret !== '')).toEqual(['of the flag', 'p1', 'of others', 'of the file']);
});

test('members of JSON under names of secrets are removed, whatever they are', () => {
  const value = { a: [{ password: { x: 1 } }], 'wapi-password-file': '/etc/x', n: null };
  expect(withoutSecretMembers(value)).toEqual({ ...value, a: [{ password: '[removed]' }] });
});
