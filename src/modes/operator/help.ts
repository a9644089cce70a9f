/** The texts of `--help`. */
import { type CommandName, commandLines, commandSummaries } from '../commands.ts';
import { flagHelp } from '../daemon/config/flags.ts';
import type { Command } from './command.ts';

const program = 'infoblox-cni-daemon';

/** Makes the list of all commands. */
export function commandList(): string {
  return `Usage: ${program} COMMAND [flags]

Commands:
${commandLines}
${program} COMMAND --help describes one; ${program} --help the daemon itself.
`;
}

/** Makes the help of one command: what it does, examples, flags by group. */
export function commandHelp(name: CommandName, command: Command): string {
  const examples = command.examples.map(([line, text]) => `  ${program} ${line}\n        ${text}\n`);
  const operands = command.operands === undefined ? '' : ` ${command.operands}`;
  return `${commandSummaries[name]}

Usage: ${program} ${name}${operands} [flags]

Examples:
${examples.join('')}
${flagHelp(command.groups)}
Exit status: 0 all is well, 1 something is wrong or failed, 2 wrong command line, 3 the daemon does not answer
`;
}
