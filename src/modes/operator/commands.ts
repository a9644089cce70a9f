/** The commands by name. */
import type { CommandName } from '../commands.ts';
import type { Command } from './command.ts';
import { checkConfig } from './commands/check-config.ts';
import { doctor } from './commands/doctor.ts';
import { eaDefs } from './commands/ea-defs.ts';
import { gc } from './commands/gc.ts';
import { installPlugin } from './commands/install-plugin.ts';
import { leases } from './commands/leases.ts';
import { release } from './commands/release.ts';
import { status } from './commands/status.ts';
import { supportBundle } from './commands/support-bundle.ts';

export const commands: Readonly<Record<CommandName, Command>> = {
  status,
  leases,
  doctor,
  'check-config': checkConfig,
  gc,
  release,
  'ea-defs': eaDefs,
  'support-bundle': supportBundle,
  'install-plugin': installPlugin,
};
