/** Runs programs from start to exit, as a container runtime runs a plugin. */
import { type SpawnSyncReturns, spawn, spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Program {
  readonly file: string;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: string;
}

export interface Ended {
  readonly milliseconds: number;
  readonly status: number | null;
  readonly stdout: string;
}

/**
 * Runs a program while this process does nothing else. stdin and stdout are files: the `input` of spawnSync is a
 * socket, which no runtime passes and which is slower for Node to read.
 * @throws Error if it does not end with 0
 */
export function run(program: Program): Ended {
  const files = openFiles(program);
  try {
    const begin = process.hrtime.bigint();
    const { status, error } = spawnSync(program.file, program.args ?? [], {
      env: { ...program.env },
      stdio: [files.stdin, files.stdout, 'inherit'],
      timeout: 60_000,
    }) as SpawnSyncReturns<Buffer>;
    const milliseconds = Number(process.hrtime.bigint() - begin) / 1e6;
    if (error !== undefined) throw error;
    return mustSucceed(program, { milliseconds, status, stdout: files.written() });
  } finally {
    files.remove();
  }
}

/** Runs many programs at once; returns the status of each. */
export function runAtOnce(programs: readonly Program[]): Promise<Ended[]> {
  return Promise.all(programs.map(runBeside));
}

async function runBeside(program: Program): Promise<Ended> {
  const files = openFiles(program);
  try {
    const begin = process.hrtime.bigint();
    const child = spawn(program.file, program.args ?? [], {
      env: { ...program.env },
      stdio: [files.stdin, files.stdout, 'inherit'],
    });
    const status = await new Promise<number | null>((resolve, reject) => {
      child.on('error', reject);
      child.on('exit', resolve);
    });
    return { milliseconds: Number(process.hrtime.bigint() - begin) / 1e6, status, stdout: files.written() };
  } finally {
    files.remove();
  }
}

function mustSucceed(program: Program, ended: Ended): Ended {
  if (ended.status === 0) return ended;
  throw new Error(`${program.file} ended with ${ended.status}: ${ended.stdout}`);
}

function openFiles(program: Program) {
  const directory = mkdtempSync(join(tmpdir(), 'infoblox-cni-bench-'));
  const [input, output] = [join(directory, 'stdin'), join(directory, 'stdout')];
  writeFileSync(input, program.stdin ?? '');
  const [stdin, stdout] = [openSync(input, 'r'), openSync(output, 'w')];
  return {
    stdin,
    stdout,
    written: () => readFileSync(output, 'utf8'),
    remove() {
      closeSync(stdin);
      closeSync(stdout);
      rmSync(directory, { recursive: true });
    },
  };
}
