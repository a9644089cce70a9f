/** Runs the built executable like a container runtime, with an environment and stdin, and collects its output. */
import { execFileSync, type StdioOptions, spawn } from 'node:child_process';
import { closeSync, existsSync, mkdtempSync, openSync, rmSync, statSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Directory of the built executable and its links, for CNI_PATH, too. */
export const dist = join(import.meta.dirname, '../../dist');
export const pluginFile = join(dist, 'infoblox');
export const commandFile = join(dist, 'infoblox-cni');
export const daemonFile = join(dist, 'infoblox-cni-daemon');

/**
 * Stdin of a program: a text from a pipe (`pipe`, like from runtimes) or a socket (`socket`, like from Node), a pipe that
 * never ends (`open`), the null device, or a closed descriptor (`closed`).
 */
export type Stdin =
  | { readonly pipe: string | Buffer }
  | { readonly socket: string }
  | { readonly open: string }
  | 'null'
  | 'closed';

export interface Run {
  /** Undefined if a signal ended it. */
  readonly exitCode: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
  readonly milliseconds: number;
}

/** Checks that the executable exists. @throws Error that says how to build it */
export function requireBuilt(): void {
  if (existsSync(join(dist, 'infoblox-cni'))) return;
  throw new Error('dist/infoblox-cni is missing: these tests run the built executable, run "make build" first');
}

/** Checks that an image holds the built executable, not an earlier one. @throws Error that says how to make the image */
export function requireCurrent(image: string): void {
  requireBuilt();
  if (statSync(image).mtimeMs >= statSync(commandFile).mtimeMs) return;
  throw new Error(`${image} is older than the executable in it: run "make image aci" first`);
}

/**
 * Runs a program to its end.
 * @param env its whole environment
 * @param patience milliseconds until it is killed
 */
export async function run(
  file: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  stdin: Stdin = 'null',
  patience = 20_000,
): Promise<Run> {
  requireBuilt();
  const source = openSource(stdin);
  const begin = performance.now();
  try {
    const [command, commandArgs] = source.wrap(file, args);
    const stdio = [source.stdio, 'pipe', 'pipe'] satisfies StdioOptions;
    const child = spawn(command, commandArgs, { env: { ...env }, stdio, detached: true });
    if (typeof stdin === 'object' && 'socket' in stdin) {
      // A program may end without reading its stdin.
      child.stdin?.on('error', () => {});
      child.stdin?.end(stdin.socket);
    }
    const [stdout, stderr] = [collect(child.stdout), collect(child.stderr)];
    // The shell that writes its stdin is in the same process group.
    const timer = setTimeout(() => process.kill(-(child.pid ?? 0), 'SIGKILL'), patience);
    const exitCode = await new Promise<number | null>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', resolve);
    });
    clearTimeout(timer);
    const milliseconds = Math.round(performance.now() - begin);
    return { exitCode: exitCode ?? undefined, stdout: stdout(), stderr: stderr(), milliseconds };
  } finally {
    source.close();
  }
}

interface Source {
  readonly stdio: 'pipe' | 'ignore' | number;
  /** Makes the command that runs the program with this stdin. */
  readonly wrap: (file: string, args: readonly string[]) => [string, string[]];
  readonly close: () => void;
}

function openSource(stdin: Stdin): Source {
  const plain = (file: string, args: readonly string[]): [string, string[]] => [file, [...args]];
  if (stdin === 'null') return { stdio: 'ignore', wrap: plain, close: () => {} };
  if (stdin === 'closed') {
    const wrap = (file: string, args: readonly string[]): [string, string[]] => [
      '/bin/sh',
      ['-c', 'exec "$0" "$@" <&-', file, ...args],
    ];
    return { stdio: 'ignore', wrap, close: () => {} };
  }
  if ('socket' in stdin) return { stdio: 'pipe', wrap: plain, close: () => {} };
  const directory = mkdtempSync(join(tmpdir(), 'infoblox-cni-stdin-'));
  const remove = () => rmSync(directory, { recursive: true });
  const file = join(directory, 'stdin');
  if ('open' in stdin) {
    execFileSync('mkfifo', [file]);
    // It is open for writing, too, so that it never ends.
    const pipe = openSync(file, 'r+');
    writeSync(pipe, stdin.open);
    const close = () => {
      closeSync(pipe);
      remove();
    };
    return { stdio: pipe, wrap: plain, close };
  }
  writeFileSync(file, stdin.pipe);
  const wrap = (program: string, args: readonly string[]): [string, string[]] => [
    '/bin/sh',
    ['-c', '/bin/cat "$0" 2>/dev/null | "$@"', file, program, ...args],
  ];
  return { stdio: 'ignore', wrap, close: remove };
}

function collect(stream: NodeJS.ReadableStream | null): () => string {
  const chunks: Buffer[] = [];
  stream?.on('data', (chunk: Buffer) => chunks.push(chunk));
  return () => Buffer.concat(chunks).toString('utf8');
}
