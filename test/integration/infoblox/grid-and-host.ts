/** A simulated grid and one host with the daemon, fresh for every test of a file. */
import { afterEach, beforeEach } from 'vitest';
import { CniError } from '../../../src/cni/errors.ts';
import { type CallOptions, Host, type HostOptions } from '../../fixture/host.ts';
import { type Grid, type GridOptions, startGrid } from '../../simulator/grid.ts';

export interface GridAndHost {
  grid: Grid;
  host: Host;
  /** Makes another host on the same grid without starting it. It is disposed of after the test. */
  another(options: HostOptions): Host;
}

/** Sets up a grid and a host for each test. The members are valid only inside tests. */
export function useGridAndHost(gridOptions: GridOptions = {}, hostOptions: HostOptions = {}): GridAndHost {
  const hosts: Host[] = [];
  const fixture = {} as GridAndHost;
  fixture.another = (options) => {
    const host = new Host(fixture.grid, options);
    hosts.push(host);
    return host;
  };
  beforeEach(async () => {
    fixture.grid = await startGrid(gridOptions);
    fixture.host = await fixture.another(hostOptions).start();
  });
  afterEach(async () => {
    await Promise.all(hosts.splice(0).map((host) => host.dispose()));
    await fixture.grid.stop();
  });
  return fixture;
}

/** Lists the addresses that the grid holds in a view, in the order of the grid. */
export function held(grid: Grid, view = 'default'): string[] {
  return grid.fixedAddresses(view).map((object) => object.ipv4addr);
}

/** Lists the writes that the grid has received, such as `POST fixedaddress 201`. */
export function writes(grid: Grid): string[] {
  return grid.requests
    .filter(({ method, query }) => method !== 'GET' && query._function === undefined)
    .map(({ method, type, status }) => `${method} ${type} ${status}`);
}

/** Returns the error that a call ends with, as its caller sees it. */
export async function errorOf(call: Promise<unknown>): Promise<{ code: number; msg: string; details: string }> {
  try {
    await call;
  } catch (error) {
    if (!(error instanceof CniError)) throw error;
    return { code: error.code, msg: error.message, details: error.details ?? '' };
  }
  throw new Error('expected the call to fail');
}

/** Makes a call without subnet, whose network is found by name or comes from a container. */
export function fromContainer(ipam: Record<string, unknown> = {}, name = 'pods'): CallOptions {
  return { config: { name }, ipam: { subnet: undefined, gateway: undefined, ...ipam } };
}
