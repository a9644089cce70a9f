/** Runs plans by seed. A plan that breaks an invariant is shrunk before it is reported. */
import fc from 'fast-check';
import { type Plan, plans } from './plan.ts';
import { type Outcome, simulate } from './run.ts';
import { Broken } from './site.ts';

/** Maximum steps generated for a run. Half of them are of its kinds, and cause about two thousand events. */
const maxSteps = 400;
/** Milliseconds for shrinking a plan. */
const maxShrinkMs = 30_000;
/** Last lines of a trace to show. */
const maxTraceLines = 60;

/** Makes the plan of a seed. */
export function planOf(seed: number): Plan {
  const [plan] = fc.sample(plans(maxSteps), { seed, numRuns: 1 });
  if (plan === undefined) throw new Error('fast-check has made no plan');
  return plan;
}

/**
 * Runs the plan of a seed.
 * @throws Error with the seed, the broken invariant, the smallest plan and the end of its trace
 */
export async function simulateSeed(seed: number): Promise<Outcome> {
  try {
    return await simulate(planOf(seed));
  } catch (error) {
    if (!(error instanceof Broken)) throw error;
    throw new Error(await described(seed, error));
  }
}

async function described(seed: number, broken: Broken): Promise<string> {
  let smallest = broken;
  const property = fc.asyncProperty(plans(maxSteps), async (plan) => {
    try {
      await simulate(plan);
    } catch (error) {
      if (error instanceof Broken) smallest = error;
      throw error;
    }
  });
  const { counterexample } = await fc.check(property, { seed, numRuns: 1, interruptAfterTimeLimit: maxShrinkMs });
  const [plan] = counterexample ?? [planOf(seed)];
  return [
    `seed ${seed}: ${smallest.message}`,
    `the smallest plan: ${JSON.stringify(plan)}`,
    ...smallest.trace.slice(-maxTraceLines),
  ].join('\n');
}
