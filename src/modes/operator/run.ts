/** Runs a command line of the operator: `infoblox-cni COMMAND`. Has the commands by name, and the texts of `--help`. */
import { messageOf } from '../../errno.ts';
import { GridError } from '../../infoblox/errors.ts';
import { type CommandName, commandLines, commandNames, commandSummaries, versionLine } from '../about.ts';
import { nearest, UsageError } from '../daemon/config/command-line.ts';
import { flagHelp } from '../daemon/config/flags.ts';
import { StartError } from '../daemon/start-error.ts';
import { foldedLines, printable, printableLines } from '../terminal-text.ts';
import { type Command, calledName } from './command.ts';
import { CommandError, type ExitStatus, exitStatus } from './command-error.ts';
import { audit } from './commands/audit.ts';
import { checkConfig } from './commands/check-config.ts';
import { doctor } from './commands/doctor.ts';
import { eaDefs } from './commands/ea-defs.ts';
import { gc } from './commands/gc.ts';
import { installPlugin } from './commands/install-plugin.ts';
import { leases } from './commands/leases.ts';
import { release } from './commands/release.ts';
import { status } from './commands/status.ts';
import { supportBundle } from './commands/support-bundle.ts';
import { whois } from './commands/whois.ts';
import { whatToDo } from './output/terminal.ts';

export const commands: Readonly<Record<CommandName, Command>> = {
  status,
  leases,
  whois,
  audit,
  doctor,
  'check-config': checkConfig,
  gc,
  release,
  'ea-defs': eaDefs,
  'support-bundle': supportBundle,
  'install-plugin': installPlugin,
};

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

/** Makes the list of all commands. */
function commandList(): string {
  return `Usage: ${calledName} COMMAND [flags]

Commands:
${commandLines()}
${calledName} COMMAND --help describes one; infoblox-cni-daemon --help the daemon itself.
`;
}

/** Makes the help of one command: what it does, examples, flags by group. */
function commandHelp(name: CommandName): string {
  const { examples, operands, groups } = commands[name];
  const shown = examples.map(([line, text]) => `  ${calledName} ${line}\n        ${text}\n`);
  return `${commandSummaries[name]}

Usage: ${calledName} ${name}${operands === undefined ? '' : ` ${operands}`} [flags]

Examples:
${shown.join('')}
${flagHelp(groups)}
Exit status: 0 all is well, 1 something is wrong or failed, 2 wrong command line, 3 the daemon does not answer
`;
}
