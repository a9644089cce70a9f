/** Runs a regular expression on its worst inputs, in a thread that can be terminated. */
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import type { Expression } from './expressions.ts';

/** Length of each text. A linear expression needs less than a millisecond for it, most quadratic ones a second. */
const length = 40_000;
/** Processor time for one text in milliseconds, far more than a linear expression needs. */
const maxMs = 10;
/** Milliseconds until a thread is terminated: longer than the processor time, as it also waits on a busy machine. */
const threadTimeoutMs = 3_000;

/** Pieces of answers, flags and names. They are repeated, alone or in pairs. */
const runs = [...' \t\n/\\0aAé=,-_:;.@~\'"[]{}<>%!#?', 'a=b,', 'a= ', ', ', '/a', '="', '\'"', 'a.', ' a', '0.', '-a'];
/** Endings that make an expression backtrack at the end of a text. */
const spoilers = ['', '\n', '\0', ' ', '!', 'a', '='];

/** Lists texts that the expression matches, and prefixes of them. They are the same on each run. */
function samples({ pattern, flags }: Pick<Expression, 'pattern' | 'flags'>): string[] {
  const loose = pattern.replace(/^\^|\$$/g, '');
  try {
    const matching = fc.stringMatching(new RegExp(loose, flags.replace(/[giy]/g, '')));
    const whole = fc.sample(matching, { seed: 1, numRuns: 8 }).sort((one, other) => one.length - other.length);
    return whole.flatMap((sample) => [sample, sample.slice(0, Math.ceil(sample.length / 2))]);
  } catch {
    // The generator does not support character properties and the like.
    return [pattern.replace(/\\[a-zA-Z]|[\\^$.*+?()[\]{}|]/g, '')];
  }
}

/** Runs in the thread, twice if it is slow, as garbage collection may have interrupted it. */
const thread = `
  const { workerData, parentPort } = require('node:worker_threads');
  const { pattern, flags, fronts, units, spoilers, length, maxMs } = workerData;
  const takes = (text) => {
    const expression = new RegExp(pattern, flags);
    const before = process.threadCpuUsage();
    if (flags.includes('g')) text.replace(expression, '');
    else expression.exec(text);
    const { user, system } = process.threadCpuUsage(before);
    return (user + system) / 1000;
  };
  const slow = () => {
    for (const front of fronts) for (const unit of units) {
      parentPort.postMessage({ shown: JSON.stringify([front, unit]) });
      const run = unit.repeat(Math.ceil(length / unit.length));
      for (const spoiler of spoilers) {
        const text = front + run + spoiler;
        if (takes(text) > maxMs && takes(text) > maxMs) return JSON.stringify([front, unit, spoiler]);
      }
    }
  };
  parentPort.postMessage({ done: true, slow: slow() });
`;

/** Finds a text on which the expression is slow, and describes it; undefined if there is none. */
export async function slowTextFor(expression: Pick<Expression, 'pattern' | 'flags'>): Promise<string | undefined> {
  const own = samples(expression).filter((sample) => sample !== '' && sample.length < 300);
  const units = [...new Set([...own, ...runs])];
  const fronts = ['', ...new Set(own.slice(0, 2))];
  const { pattern, flags } = expression;
  const worker = new Worker(thread, {
    eval: true,
    workerData: { pattern, flags, fronts, units, spoilers, length, maxMs },
  });
  let last = 'the first text';
  try {
    return await new Promise<string | undefined>((resolve, reject) => {
      const end = () => resolve(last);
      let timer = setTimeout(end, 4 * threadTimeoutMs);
      worker.on('error', reject);
      worker.on('message', ({ done, slow, shown }) => {
        clearTimeout(timer);
        if (done) return resolve(slow);
        last = shown;
        timer = setTimeout(end, threadTimeoutMs);
      });
    });
  } finally {
    await worker.terminate();
  }
}
