/** A simulated grid and a host that runs the built executable, for all tests of a file. Apart, as the demo has no test runner. */
import { afterAll, beforeAll } from 'vitest';
import { type Grid, type GridOptions, startGrid } from '../simulator/grid.ts';
import { BuiltHost } from './built-host.ts';

interface BuiltFixture {
  grid: Grid;
  host: BuiltHost;
}

/** Sets up a grid and a host for all tests of a file. The members are valid only inside tests and their hooks. */
export function useBuiltHost(options: GridOptions = {}): BuiltFixture {
  const fixture = {} as BuiltFixture;
  beforeAll(async () => {
    fixture.grid = await startGrid(options);
    fixture.host = await new BuiltHost(fixture.grid).start();
  });
  afterAll(async () => {
    await fixture.host?.dispose();
    await fixture.grid?.stop();
  });
  return fixture;
}
