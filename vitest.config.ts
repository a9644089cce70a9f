import { defineConfig } from 'vitest/config';

/** Uses the whole machine, to show what a load costs: nothing may run beside it. */
const load = 'test/integration/reliability/load.test.ts';

/** Files of tests at once, on two cores: those that compute, and those that mostly wait, for time-outs of the product or for processes. */
const [computing, waiting] = [2, 4];

/** A tier: what stands in one folder of test/. Tiers run one after another. */
function tier(name: string, groupOrder: number, maxWorkers: number) {
  return { name, include: [`test/${name}/**/*.test.ts`], exclude: [load], sequence: { groupOrder }, maxWorkers };
}

export default defineConfig({
  test: {
    globalSetup: ['test/temporary-directory.ts'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    projects: [
      { extends: true, test: { ...tier('unit', 0, computing), isolate: false } },
      { extends: true, test: tier('simulation', 1, computing) },
      { extends: true, test: tier('integration', 2, waiting) },
      { extends: true, test: tier('e2e', 3, waiting) },
      { extends: true, test: { ...tier('load', 4, 1), include: [load], exclude: [] } },
    ],
    coverage: { provider: 'v8', include: ['src/**/*.ts'], reporter: ['text-summary', 'html'] },
  },
});
