/** Plans by their seeds: one seed, one run. A run that breaks an invariant is made smaller before it is shown. */
import fc from 'fast-check';
import { type Plan, plans } from './plan.ts';
import { type Outcome, simulate } from './run.ts';
import { Broken } from './site.ts';

/** Things that are drawn for one run at most: half of them are of kinds that it has. About two thousand events follow from them. */
const maxSteps = 400;
/** Milliseconds for making a plan smaller. */
const maxShrinkMs = 30_000;
/** Lines of a trace that are shown: the last ones. */
const maxTraceLines = 60;

/** The plan of a seed. */
export function planOf(seed: number): Plan {
  const [plan] = fc.sample(plans(maxSteps), { seed, numRuns: 1 });
  if (plan === undefined) throw new Error('fast-check has made no plan');
  return plan;
}

/**
 * Runs the plan of a seed.
 * @throws Error naming the seed, what broke, the smallest plan that breaks it and the end of its trace
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
