/** Commands that an operator interrupts with Ctrl-C. */
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { atTerminal } from './terminal.ts';

/** Accepts connections without an answer. */
let grid: Server;
let directory: string;

beforeEach(async () => {
  grid = createServer(() => undefined).listen(0, '127.0.0.1');
  await once(grid, 'listening');
  directory = mkdtempSync(join(tmpdir(), 'infoblox-cni-interrupted-'));
});
afterEach(() => {
  grid.close();
  rmSync(directory, { recursive: true });
});

test.each([
  ['ea-defs', /asking the grid, for \d+s/],
  ['doctor', /checking \d+ of \d+ \[.*\]/],
  ['support-bundle', /examining.* \d+/],
])('%s ends at once, reports it, and leaves neither a bar nor half a file', async (command, when) => {
  const file = join(directory, 'bundle.tar.gz');
  const flags = [
    `--wapi-port=${(grid.address() as AddressInfo).port}`,
    ...['--grid-host=127.0.0.1', '--wapi-username=cni', '--wapi-password=x'],
    ...(command === 'support-bundle' ? [`--output=${file}`] : []),
  ];
  const began = performance.now();
  const { screen } = await atTerminal([command, ...flags], [{ when, type: '\u0003' }]);
  // The bar's line is cleared before the last one is written.
  expect(screen.split('\r\u001b[K').at(-1)).toBe(`infoblox-cni-daemon ${command}: interrupted\r\n`);
  expect(existsSync(file)).toBe(false);
  expect(performance.now() - began).toBeLessThan(4_000);
});
