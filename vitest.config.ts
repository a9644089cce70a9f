import { defineConfig } from 'vitest/config';

/** Uses the whole machine, to show what a load costs: nothing may run beside it. */
const load = 'test/integration/reliability/load.test.ts';

/**
 * A tier: what stands in one folder of test/. Tiers run one after another.
 * @param maxWorkers files at once, for two cores: more where tests mostly wait, for time-outs of the product or for processes
 */
function tier(name: string, groupOrder: number, maxWorkers: number) {
  return { name, include: [`test/${name}/**/*.test.ts`], exclude: [load], sequence: { groupOrder }, maxWorkers };
}

/** The modules of the product have no state: they are loaded once a worker, which is nearly half of what some tiers compute. */
const shared = { isolate: false };

export default defineConfig({
  test: {
    globalSetup: ['test/temporary-directory.ts'],
    setupFiles: ['test/seed.ts'],
    testTimeout: 180_000,
    hookTimeout: 60_000,
    expect: { poll: { timeout: 60_000 } },
    projects: [
      { extends: true, test: { ...tier('unit', 0, 2), ...shared } },
      { extends: true, test: tier('simulation', 1, 2) },
      { extends: true, test: { ...tier('integration', 2, 6), ...shared } },
      { extends: true, test: { ...tier('e2e', 3, 4), ...shared } },
      { extends: true, test: { ...tier('load', 4, 1), include: [load], exclude: [] } },
    ],
    coverage: { provider: 'v8', include: ['src/**/*.ts'], reporter: ['text-summary', 'html'] },
  },
});
