/** The commands by name, and the texts of `--help`. */
import { type CommandName, commandLines, commandSummaries } from '../about.ts';
import { flagHelp } from '../daemon/config/flags.ts';
import { type Command, calledName } from './command.ts';
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

/** Makes the list of all commands. */
export function commandList(): string {
  return `Usage: ${calledName} COMMAND [flags]

Commands:
${commandLines()}
${calledName} COMMAND --help describes one; infoblox-cni-daemon --help the daemon itself.
`;
}

/** Makes the help of one command: what it does, examples, flags by group. */
export function commandHelp(name: CommandName): string {
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
