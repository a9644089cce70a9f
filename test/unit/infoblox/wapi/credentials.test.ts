import { beforeEach, expect, test } from 'vitest';
import type { GridError } from '../../../../src/infoblox/errors.ts';
import { Credentials } from '../../../../src/infoblox/wapi/credentials.ts';

const minute = 60_000;
let now: number;
let password: string;
let credentials: Credentials;

beforeEach(() => {
  now = 0;
  password = 'one';
  credentials = new Credentials({
    username: 'ädmin',
    readPassword: () => password,
    clock: { now: () => now },
    random: Math.random,
  });
});

const wrong = { host: 'grid', status: 401 };
const refused = () => {
  try {
    credentials.authorization();
    return undefined;
  } catch (error) {
    return error as GridError;
  }
};

test('user and password are sent as UTF-8', () => {
  const { authorization = '' } = credentials.authorization().headers();
  expect(Buffer.from(authorization.replace('Basic ', ''), 'base64').toString('utf8')).toBe('ädmin:one');
});

test('each refusal doubles the pause, up to 15 minutes', () => {
  const pauses: number[] = [];
  for (let n = 0; n < 7; n += 1) {
    credentials.refused('one', wrong);
    const begin = now;
    while (refused() !== undefined) now += minute / 2;
    pauses.push((now - begin) / minute);
  }
  expect(pauses).toEqual([1, 2, 4, 8, 15, 15, 15]);
});

test('the error names the time of the next attempt, and not the password', () => {
  credentials.refused('one', wrong);
  now = 30_000;
  expect(refused()).toMatchObject({
    reason: 'credentials',
    message: 'the grid at grid refused the user name or password of "ädmin" (401)',
    hint: 'check --wapi-username and the password; the daemon tries again by itself; next attempt in 30 s, or as soon as the password changes',
  });
});

test('a new password is tried at once, and its refusal starts with the short pause', () => {
  credentials.refused('one', wrong);
  now = minute;
  credentials.refused('one', wrong);
  password = 'two';
  expect(refused()).toBeUndefined();
  credentials.refused('two', wrong);
  now += minute;
  expect(refused()).toBeUndefined();
});

test('an earlier password is tried again after the newer one was refused', () => {
  credentials.refused('one', wrong);
  password = 'two';
  credentials.refused('two', wrong);
  password = 'one';
  expect(refused()).toBeUndefined();
});

test('an accepted password ends the pause', () => {
  credentials.refused('one', wrong);
  credentials.accepted('one');
  expect(refused()).toBeUndefined();
});

test('a password counts as working from its acceptance until a refusal or a new password', () => {
  expect(credentials.hasWorked('one')).toBe(false);
  credentials.accepted('one');
  expect(credentials.hasWorked('one')).toBe(true);
  expect(credentials.hasWorked('two')).toBe(false);
  credentials.refused('one', wrong);
  expect(credentials.hasWorked('one')).toBe(false);
});
