/** Questions to whoever sits at the terminal. */
import { createInterface } from 'node:readline';

/** Tells whether somebody can be asked. */
export function canAsk(): boolean {
  return process.stdin.isTTY === true && process.stderr.isTTY === true;
}

/** Asks. @returns the answer without space around it; empty if there is none: Ctrl-C, Ctrl-D */
export function ask(question: string): Promise<string> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  return new Promise<string>((resolve) => {
    terminal.question(question, (answer) => resolve(answer.trim()));
    terminal.once('close', () => resolve(''));
  }).finally(() => terminal.close());
}
