import * as v from 'valibot';
import { describe, expect, test } from 'vitest';
import {
  oneLine,
  StoredWorkload,
  type Workload,
  workloadFrom,
  workloadName,
  workloadOfLease,
  workloadText,
} from '../../../src/infoblox/workload.ts';

const nothing = { namespace: undefined, pod: undefined, job: undefined, taskGroup: undefined } as const;
const from = (texts: Partial<Workload>) =>
  workloadFrom({ ...nothing, region: undefined, uid: undefined, containerId: 'c1', ...texts });

describe('a workload', () => {
  test('has the given fields and no others', () => {
    expect(from({})).toEqual({ containerId: 'c1' });
    expect(from({ pod: 'web-1', namespace: '' })).toEqual({ containerId: 'c1', pod: 'web-1' });
  });

  test('has no ID of its own if that is the container ID', () => {
    expect(from({ uid: 'c1' })).toEqual({ containerId: 'c1' });
    expect(from({ uid: '8c1d' })).toEqual({ containerId: 'c1', uid: '8c1d' });
  });

  test('has no line breaks, and no value longer than a Kubernetes name', () => {
    expect(from({ job: ' a\r\n\tb\u0000 ' }).job).toBe('a b');
    expect(from({ job: 'x'.repeat(1_000_000) }).job).toHaveLength(253);
    expect(from({ job: '\n\u001b' })).toEqual({ containerId: 'c1' });
    expect(from({ containerId: 'x'.repeat(300) }).containerId).toHaveLength(253);
  });

  test.each([
    [{}, 'c1'],
    [{ pod: 'web-1' }, 'web-1'],
    [{ pod: 'web-1', namespace: 'shop' }, 'shop/web-1'],
    [{ job: 'web', taskGroup: 'front', namespace: 'shop' }, 'shop/web.front'],
    [{ job: 'web', taskGroup: 'front' }, 'web.front'],
    [{ job: 'web' }, 'web'],
    [{ pod: 'web-1', job: 'web', taskGroup: 'front' }, 'web-1'],
    [{ namespace: 'shop' }, 'c1'],
    [{ namespace: 'shop', taskGroup: 'front' }, 'c1'],
  ])('with the fields %j is called %s', (texts, name) => {
    expect(workloadName(from(texts))).toBe(name);
  });

  test('is read from the state like it was written', () => {
    const workload = from({ pod: 'web-1', namespace: 'shop', uid: '8c1d', region: 'eu' });
    expect(v.parse(StoredWorkload, workloadText(workload))).toEqual(workload);
    expect(workloadText(null)).toBeNull();
  });

  test.each([null, '', 'nonsense', '[]', '{}', '{"containerId":7}', 'null'])(
    'is unknown if the state has %j',
    (text) => {
      expect(v.parse(StoredWorkload, text)).toBeNull();
    },
  );

  test('that is unknown is replaced by the container that the mark names', () => {
    const mark = 'infoblox-cni cluster=c node=n network=net-1 container=c7 interface=eth0';
    expect(workloadOfLease({ mark, workload: null })).toEqual({ containerId: 'c7' });
    expect(workloadOfLease({ mark, workload: from({ pod: 'web-1' }) })).toEqual({ containerId: 'c1', pod: 'web-1' });
  });
});

test('a text that is cut inside a character stays valid', () => {
  expect(oneLine('ab😀', 3)).toBe('ab\ufffd');
});
