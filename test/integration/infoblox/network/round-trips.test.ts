/** The number of requests of the first ADD of a network, one after another and in all. */
import { describe, expect, test } from 'vitest';
import { networkMark } from '../../../../src/infoblox/mark.ts';
import { type CallOptions, until } from '../../../fixture/host.ts';
import { roundTrips } from '../../../simulator/round-trips.ts';
import { fromContainer, useGridAndHost } from '../grid-and-host.ts';

const fixture = useGridAndHost({ attributes: ['Network Name'] });

/** Milliseconds for every request, far more than the host needs between two of them. */
const latency = 200;

const answered = () => fixture.grid.requests.filter(({ status }) => status > 0).length;

const started = async () => {
  await until('the first contact', () => answered() >= 3);
  await new Promise((resolve) => setTimeout(resolve, 100));
};

async function costOf(call: CallOptions): Promise<{ roundTrips: number; requests: number }> {
  const { grid, host } = fixture;
  await started();
  grid.clearLog();
  grid.latencyMs = latency;
  await host.add('c1', call);
  grid.latencyMs = 0;
  expect(grid.inFlightMax).toBeLessThanOrEqual(8);
  return { roundTrips: roundTrips(grid.requests, latency), requests: grid.requests.length };
}

const subnet = (ipam: Record<string, unknown> = {}): CallOptions => ({ ipam });
const noGateway = { gateway: undefined };
const hostPart = { gateway: '0.0.0.1' };
const container = () => fixture.grid.add('networkcontainer', { network: '172.18.0.0/16' });
const nothing = () => undefined;

// On a busy machine a request may be sent late, which counts as one more round trip.
describe('the first ADD of a network', { retry: 2 }, () => {
  test.each([
    ['by subnet, with a gateway', subnet(), nothing, { roundTrips: 5, requests: 10 }],
    ['by subnet, without a gateway', subnet(noGateway), nothing, { roundTrips: 4, requests: 9 }],
    ['by subnet, in a new view', subnet({ 'network-view': 'priv-view' }), nothing, { roundTrips: 6, requests: 11 }],
    ['from a container, with a gateway', fromContainer(hostPart), container, { roundTrips: 5, requests: 10 }],
    ['from a container, without a gateway', fromContainer(), container, { roundTrips: 5, requests: 9 }],
    ['from a new container, with a gateway', fromContainer(hostPart), nothing, { roundTrips: 6, requests: 11 }],
    ['from a new container, without a gateway', fromContainer(), nothing, { roundTrips: 6, requests: 10 }],
  ])('%s', async (_, call, prepare, cost) => {
    prepare();
    expect(await costOf(call)).toEqual(cost);
  });

  test('from a container, on a host with leases in the view', async () => {
    container();
    await started();
    await fixture.host.add('c0', fromContainer({}, 'other'));
    expect(await costOf(fromContainer(hostPart))).toEqual({ roundTrips: 6, requests: 12 });
  });

  test('from a new container in a new view costs one more round trip for each of the two', async () => {
    const call = fromContainer({ ...hostPart, 'network-view': 'priv-view' });
    expect(await costOf(call)).toEqual({ roundTrips: 8, requests: 13 });
  });
});

test('on a grid without extensible attributes, the first ADD learns that once, and not for each attribute', async () => {
  const { grid } = fixture;
  for (const { _ref } of grid.objects('extensibleattributedef')) grid.remove(_ref);
  const bare = await fixture.another({ node: 'host-b' }).start();
  await until('the definitions are read', () => {
    return grid.requests.filter(({ type, status }) => type === 'extensibleattributedef' && status > 0).length >= 2;
  });
  await started();
  grid.clearLog();
  await bare.add('c1');
  expect(grid.requests.filter(({ status }) => status === 400).map(({ method, type }) => `${method} ${type}`)).toEqual([
    'GET network',
  ]);
});

describe('the first ADD of a host to an existing network', { retry: 2 }, () => {
  test('by subnet', async () => {
    fixture.grid.add('network', { network: '10.0.0.0/24', comment: networkMark('net-1') });
    // One request asks whether the gateway lies in a block of another host.
    expect(await costOf(subnet())).toEqual({ roundTrips: 5, requests: 7 });
  });

  test('by name reads ahead for the creation of the network, but only on a host without leases', async () => {
    const { grid, host } = fixture;
    grid.add('network', { network: '172.18.0.0/24', comment: networkMark('pods') });
    expect(await costOf(fromContainer())).toEqual({ roundTrips: 2, requests: 5 });
    grid.add('network', { network: '172.18.1.0/24', comment: networkMark('other') });
    grid.clearLog();
    await host.add('c2', fromContainer({}, 'other'));
    expect(grid.requests).toHaveLength(3);
  });
});
