/** Runs a command on a terminal, and types answers to its questions. */
import { spawn } from 'node:child_process';
import { daemonFile, requireBuilt } from '../program.ts';

export interface Typed {
  readonly exitCode: number | null;
  /** stdout and stderr on the terminal. */
  readonly screen: string;
}

/** An input that is typed when the screen shows a text, after `run`. */
export interface Answer {
  readonly when: RegExp;
  readonly type: string;
  readonly run?: () => void;
}

/** Milliseconds until it is killed. */
const timeoutMs = 20_000;

/**
 * Runs the daemon's executable on a terminal of its own, with the answers in order.
 * @param columns of the terminal, by default unknown
 */
export async function atTerminal(
  args: readonly string[],
  answers: readonly Answer[],
  columns?: number,
): Promise<Typed> {
  requireBuilt();
  const command = [daemonFile, ...args].map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ');
  const line = columns === undefined ? command : `stty cols ${columns}; ${command}`;
  // `script` of util-linux gives the command a pseudo-terminal, and ends with its status.
  const child = spawn('script', ['--quiet', '--flush', '--return', '--command', line, '/dev/null'], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { PATH: process.env.PATH, TERM: 'xterm', SHELL: '/bin/sh' },
  });
  const left = [...answers];
  let screen = '';
  let answered = 0;
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    screen += text;
    const next = left[0];
    if (next === undefined || !next.when.test(screen.slice(answered))) return;
    answered = screen.length;
    left.shift();
    next.run?.();
    child.stdin.write(next.type);
  });
  const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs);
  const exitCode = await new Promise<number | null>((resolve, reject) =>
    child.once('error', reject).once('close', resolve),
  );
  clearTimeout(timer);
  if (left.length > 0) throw new Error(`the command never showed ${left[0]?.when}, but:\n${screen}`);
  return { exitCode, screen };
}
