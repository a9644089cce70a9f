import { expect, test } from 'vitest';
import { callFields } from '../../../../../src/modes/daemon/handlers/calls.ts';
import { protocolVersion } from '../../../../../src/modes/protocol.ts';

function fields(config: Record<string, unknown>, args = '') {
  const call = {
    protocol: protocolVersion,
    release: 'test',
    callId: 'a1b2c3d4',
    containerId: 'c1',
    ifName: 'eth0',
    netns: '',
    args,
    config,
  };
  return callFields({ method: 'ADD', params: call }, 'default');
}

const usual = { command: 'ADD', network: 'net-1', view: 'default', container: 'c1', interface: 'eth0' };

test('a call is logged with its network, view, container, interface, pod and namespace', () => {
  const args = 'IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web-1';
  expect(fields({ name: 'net-1', ipam: { 'network-view': 'priv' } }, args)).toEqual({
    ...usual,
    ...{ view: 'priv', pod: 'web-1', namespace: 'shop' },
  });
});

test.each([[{}], [{ ipam: null }], [{ ipam: 7 }], [{ ipam: [] }], [{ ipam: { 'network-view': 7 } }]])(
  'a call is logged even if its configuration will be refused: %j',
  (config) => {
    expect(fields({ name: 'net-1', ...config })).toEqual(usual);
  },
);

test('a long name is shortened for the log', () => {
  const args = `K8S_POD_NAME=${'x'.repeat(1e6)};K8S_POD_NAMESPACE=${'y'.repeat(1e6)}`;
  const { network, pod, namespace } = fields({ name: 'n'.repeat(1e6) }, args);
  expect([network, pod, namespace]).toEqual(['n'.repeat(1_000), 'x'.repeat(253), 'y'.repeat(253)]);
  expect(fields({ name: { of: 'n'.repeat(1e6) } }).network).toBeUndefined();
});
