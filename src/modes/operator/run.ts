/** Runs a command line of the operator: `infoblox-cni COMMAND`. */
import { messageOf } from '../../errno.ts';
import { GridError } from '../../infoblox/errors.ts';
import { commandNames, versionLine } from '../about.ts';
import { nearest, UsageError } from '../daemon/config/command-line.ts';
import { StartError } from '../daemon/start-error.ts';
import { foldedLines, printable, printableLines } from '../terminal-text.ts';
import { calledName } from './command.ts';
import { CommandError, type ExitStatus, exitStatus } from './command-error.ts';
import { commandHelp, commandList, commands } from './commands.ts';
import { whatToDo } from './output/terminal.ts';

/** Runs a command line, and writes to stderr what kept it from being carried out. @returns the exit status */
export async function runCommand(args: readonly string[]): Promise<ExitStatus> {
  try {
    return await run(args);
  } catch (error) {
    return report(args[0], error);
  }
}

/** @throws what kept the command from being carried out */
async function run([word = 'help', ...args]: readonly string[]): Promise<ExitStatus> {
  if (word === 'help' && args.length > 0) return run([...args.slice(0, 1), '--help']);
  if (word === 'help' || word === 'version') {
    process.stdout.write(word === 'help' ? foldedLines(commandList()) : `${versionLine}\n`);
    return exitStatus.ok;
  }
  const name = commandNames.find((known) => known === word);
  if (name === undefined) {
    const meant = word === 'history' ? 'leases --history=ADDRESS' : commandMeant(word);
    throw new UsageError(`unknown command "${word}"${meant === undefined ? '' : `; did you mean ${meant}?`}`);
  }
  const status = await commands[name].start(args);
  if (status === undefined) process.stdout.write(foldedLines(commandHelp(name)));
  return status ?? exitStatus.ok;
}

/** Returns the command whose name is nearest, or the only one that begins with the word: `support`. */
function commandMeant(word: string): string | undefined {
  const [one, ...more] = commandNames.filter((name) => name.startsWith(word));
  return nearest(word, commandNames) ?? (more.length === 0 ? one : undefined);
}

/** Says what kept a command from being carried out. @returns the exit status */
function report(word: string | undefined, error: unknown): ExitStatus {
  const isCommand = commandNames.some((name) => name === word);
  const program = isCommand ? `${calledName} ${word}` : calledName;
  if (error instanceof UsageError) {
    process.stderr.write(`${program}: ${printable(error.message)}\nTry ${program} ${isCommand ? '--help' : 'help'}.\n`);
    return exitStatus.usage;
  }
  const hint = error instanceof CommandError || error instanceof GridError ? error.hint : undefined;
  const isKnown = error instanceof CommandError || error instanceof GridError || error instanceof StartError;
  const text = isKnown
    ? whatToDo(error.message, hint)
    : printableLines(`internal error: ${error instanceof Error ? error.stack : messageOf(error)}`);
  process.stderr.write(`${program}: ${text}\n`);
  return error instanceof CommandError ? error.status : exitStatus.failed;
}
