import { defineConfig } from 'vitest/config';

/** Uses the whole machine, to show what a load costs: nothing may run beside it. */
const load = 'test/integration/reliability/load.test.ts';

/** A tier: what stands in one folder of test/. Those of one order run side by side. */
function tier(name: string, groupOrder: number) {
  return { name, include: [`test/${name}/**/*.test.ts`], exclude: [load], sequence: { groupOrder } };
}

export default defineConfig({
  test: {
    globalSetup: ['test/temporary-directory.ts'],
    // Many tests wait for time-outs of the product: two at once, also on two cores.
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 60_000,
    projects: [
      { extends: true, test: { ...tier('unit', 0), isolate: false } },
      { extends: true, test: tier('simulation', 1) },
      { extends: true, test: tier('integration', 2) },
      { extends: true, test: tier('e2e', 3) },
      { extends: true, test: { ...tier('load', 4), include: [load], exclude: [] } },
    ],
    coverage: { provider: 'v8', include: ['src/**/*.ts'], reporter: ['text-summary', 'html'] },
  },
});
