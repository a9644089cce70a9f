/** Runs a regular expression on what is worst for it, in a thread that can be ended. */
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import type { Expression } from './expressions.ts';

/** Characters of each text that an expression is run on: a linear one needs less than a millisecond, most quadratic ones a second. */
const length = 40_000;
/** Milliseconds of processor time for one text, far above what a linear expression needs. */
const maxMs = 10;
/** Milliseconds after which a thread is ended: more than the processor's time, as a busy machine makes it wait, too. */
const threadTimeoutMs = 3_000;

/** What stands alone or beside another of its kind in answers, flags and names, and is repeated. */
const runs = [...' \t\n/\\0aAé=,-_:;.@~\'"[]{}<>%!#?', 'a=b,', 'a= ', ', ', '/a', '="', '\'"', 'a.', ' a', '0.', '-a'];
/** What makes an expression that has come to the end of a text go back. */
const spoilers = ['', '\n', '\0', ' ', '!', 'a', '='];

/** Texts that the expression matches, and the fronts of such; the same ones each time. */
function samples({ pattern, flags }: Pick<Expression, 'pattern' | 'flags'>): string[] {
  const loose = pattern.replace(/^\^|\$$/g, '');
  try {
    const matching = fc.stringMatching(new RegExp(loose, flags.replace(/[giy]/g, '')));
    const whole = fc.sample(matching, { seed: 1, numRuns: 8 }).sort((one, other) => one.length - other.length);
    return whole.flatMap((sample) => [sample, sample.slice(0, Math.ceil(sample.length / 2))]);
  } catch {
    // Properties of characters and the like, which the generator does not know.
    return [pattern.replace(/\\[a-zA-Z]|[\\^$.*+?()[\]{}|]/g, '')];
  }
}

/** Runs in the thread; twice where it is slow, as a collection of garbage may have been in the way. */
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

/** Answers how the expression can be made to take long, or undefined if no text was found that does. */
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
