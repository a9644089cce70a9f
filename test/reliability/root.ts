/** Tests that only root can run; they run beside each other. In CI there is no excuse; elsewhere what is left out is said aloud. */
import { test } from 'vitest';

const isRoot = process.getuid?.() === 0;
const isCi = process.env.CI === 'true';

/** @param why what root is needed for */
export function rootTest(name: string, why: string, run: () => Promise<void>): void {
  if (isRoot || isCi) {
    test.concurrent(name, run);
    return;
  }
  process.stderr.write(`NOT TESTED: ${name} - needs root for ${why}\n`);
  test.skip(name, () => {});
}
