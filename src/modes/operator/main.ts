/**
 * Entry point of the operator's commands: a script of its own inside the executable, compiled only in this role. The commands ask the running
 * daemon over its socket where they can, and the grid where they must.
 */
import { exitStatus } from './command-error.ts';
import { runCommand } from './run.ts';

// The reader of a pipe has ended, such as `head`.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => process.exit(exitStatus.failed));
// Does not wait for work that is still in progress, such as a name lookup without answer.
void runCommand(process.argv.slice(2)).then((status) => process.stdout.write('', () => process.exit(status)));
