/** The plugin's baseline: an executable made the same way from the same Node, with an empty script. */
import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

type MakeExecutable = (entry: string, options: Record<string, unknown>) => Promise<void>;

export interface EmptyExecutable {
  readonly file: string;
  /** The empty script, to be run by a plain Node. */
  readonly script: string;
  remove(): void;
}

/** Strips and injects as build.mjs does. */
export async function makeEmptyExecutable(): Promise<EmptyExecutable> {
  const directory = mkdtempSync(join(tmpdir(), 'infoblox-cni-bench-'));
  const remove = () => rmSync(directory, { recursive: true });
  try {
    const [node, script, file] = ['node', 'empty.cjs', 'empty'].map((name) => join(directory, name)) as [
      string,
      string,
      string,
    ];
    copyFileSync(process.execPath, node);
    chmodSync(node, 0o755);
    execFileSync('strip', [node]);
    writeFileSync(script, '');
    await quietly(() =>
      pkg(script, {
        nodePath: node,
        useLocalNode: true,
        targets: [{ platform: 'linux', arch: process.arch, nodeRange: `node${process.versions.node}`, output: file }],
        seaConfig: {
          main: script,
          execArgvExtension: 'none',
          disableExperimentalSEAWarning: true,
          useCodeCache: false,
          useSnapshot: false,
        },
      }),
    );
    chmodSync(file, 0o755);
    return { file, script, remove };
  } catch (error) {
    remove();
    throw error;
  }
}

function pkg(entry: string, options: Record<string, unknown>): Promise<void> {
  const make: MakeExecutable = createRequire(import.meta.url)('@yao-pkg/pkg/lib-es5/sea.js').default;
  return make(entry, options);
}

/** Keeps pkg's output off stdout, which belongs to the table. */
async function quietly(work: () => Promise<void>): Promise<void> {
  const { log } = console;
  console.log = () => {};
  try {
    await work();
  } finally {
    console.log = log;
  }
}
