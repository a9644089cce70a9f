import { describe, expect, test } from 'vitest';
import { validAttachments } from '../../../src/cni/netconf.ts';
import { execCases } from '../../fixture/cni-vectors.ts';

const entry = { containerID: 'c0ffee', ifname: 'eth0' };
const read = { containerId: 'c0ffee', ifName: 'eth0' };

describe('the list of valid attachments', () => {
  test.each([
    ['under its key', { 'cni.dev/valid-attachments': [entry] }, [read]],
    ['under the older key', { 'cni.dev/attachments': [entry] }, [read]],
    ['under both keys, the newer wins', { 'cni.dev/attachments': [entry], 'cni.dev/valid-attachments': [] }, []],
    ['empty: nothing is valid', { 'cni.dev/valid-attachments': [] }, []],
    ['null, as Go prints an empty list: nothing is valid', { 'cni.dev/valid-attachments': null }, []],
    ['absent: the caller had none', { name: 'net' }, undefined],
  ])('%s', (_, config, expected) => {
    expect(validAttachments(config)).toEqual(expected);
  });

  test.each([
    [{}, 'cni.dev/valid-attachments: expected an array of attachments, found an object'],
    [['c0ffee'], 'cni.dev/valid-attachments[0]: expected an object, found "c0ffee"'],
    [[entry, { containerID: 'x' }], 'cni.dev/valid-attachments[1].ifname is missing'],
    [[{ containerId: 'x', ifName: 'eth0' }], 'cni.dev/valid-attachments[0].containerID is missing'],
    [[{ containerID: 7, ifname: 'eth0' }], 'cni.dev/valid-attachments[0].containerID: expected a string, found 7'],
    [[{ containerID: '', ifname: 'eth0' }], 'cni.dev/valid-attachments[0].containerID: expected a name, found ""'],
  ])('is refused as a whole if it is %j', (list, words) => {
    const error = expect.objectContaining({ code: 7, message: expect.stringContaining(words) });
    expect(() => validAttachments({ 'cni.dev/valid-attachments': list })).toThrow(error);
  });
});

test('the recorded GC calls are parsed', () => {
  const lists = execCases
    .filter(({ name }) => /^gc-.*attachments/.test(name))
    .map(({ name, stdin }) => [name, validAttachments(JSON.parse(stdin))]);
  expect(Object.fromEntries(lists)).toEqual({
    'gc-attachments': [read],
    'gc-attachments-null': [],
    'gc-no-attachments-key': undefined,
  });
});
