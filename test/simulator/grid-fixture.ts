import { afterEach, beforeEach } from 'vitest';
import { type Grid, type GridOptions, startGrid } from './grid.ts';
import type { Values } from './store/grid-objects.ts';
import { WapiClient } from './wapi-client.ts';

/** A fresh grid and client for every test of a file. */
export interface GridFixture {
  grid: Grid;
  client: WapiClient;
}

/** Starts a grid before each test and stops it afterwards; the fixture's members are valid inside tests. */
export function useGrid(options: GridOptions = {}): GridFixture {
  const fixture = {} as GridFixture;
  beforeEach(async () => {
    fixture.grid = await startGrid(options);
    fixture.client = new WapiClient(fixture.grid);
  });
  afterEach(async () => {
    await fixture.client.close();
    await fixture.grid.stop();
  });
  return fixture;
}

/** Returns the body of a reservation, merged with a test's own fields. */
export function reservation(ipv4addr: string, more: Values = {}): Values {
  return { ipv4addr, match_client: 'RESERVED', mac: '00:00:00:00:00:00', ...more };
}
