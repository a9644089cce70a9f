/** The demo leaves nothing behind. docs/commands.test.ts runs all of it, as README.md shows it. */
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'infoblox-cni-demo-'));
});
afterEach(() => {
  rmSync(directory, { recursive: true });
});

interface Demo {
  readonly exitCode: number | null;
  readonly output: string;
}

/** Runs the demo with its files below `directory`, and interrupts it at the step `interruptAt`. */
function runDemo(interruptAt: string): Promise<Demo> {
  const env = { ...process.env, TMPDIR: directory };
  const child = spawn(process.execPath, [join(import.meta.dirname, '../../demo/main.ts')], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  const collect = (text: string) => {
    output += text;
    if (output.includes(interruptAt)) child.kill('SIGINT');
  };
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', collect);
  return new Promise((resolve) => child.once('close', (exitCode) => resolve({ exitCode, output })));
}

function expectNothingLeft({ output }: Demo): void {
  expect(readdirSync(directory)).toEqual([]);
  const namespaces = spawnSync('ip', ['netns'], { encoding: 'utf8' }).stdout ?? '';
  for (const [name] of output.matchAll(/infoblox-cni-(?:host|container)-\w+/g)) expect(namespaces).not.toContain(name);
}

test.each(['The daemon', 'On the grid, where'])(
  'the demo, interrupted at "%s", stops with status 130, has written plain text, and leaves nothing behind',
  async (stepTitle) => {
    const demo = await runDemo(stepTitle);
    expect(demo.exitCode, demo.output).toBe(130);
    expect(demo.output).not.toContain('\nDone.');
    expect(demo.output).not.toContain('\u001b');
    expectNothingLeft(demo);
  },
);
