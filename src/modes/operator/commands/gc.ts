/** `gc`: releases what is proven dead, without the reaper's period of grace; `gc --host`: what another host has left for good. */
import { UsageError } from '../../daemon/config/command-line.ts';
import { daemonPlace, defineCommand, json } from '../command.ts';
import { exitStatus } from '../command-error.ts';
import { askDaemon } from '../daemon-connection.ts';
import { gcHost } from '../gc-host.ts';
import { writeJson, writeReleased } from '../output/results.ts';

const own = {
  'dry-run': { type: 'boolean', description: 'Only say what would be released' },
} as const;
const lostHost = {
  host: {
    type: 'string',
    description:
      'Release all that another host of this cluster has reserved, which is gone for good; its name as in the marks',
  },
  yes: { type: 'boolean', description: 'Do not ask whether to release them' },
  confirm: {
    type: 'string',
    default: '',
    description:
      "Answers every question: the host's name once more. Needed, where nobody can be asked, if it may be alive",
  },
} as const;

export const gc = defineCommand({
  examples: [
    ['gc --dry-run', 'Show which addresses belong to containers that are proven dead'],
    ['gc', 'Release them now'],
    ['gc --host=host-9', 'Show what host-9 has reserved, ask, and release it'],
    ['gc --host=host-9 --confirm=host-9', 'The same in a script, for a host that is certain to be gone'],
  ],
  groups: { Release: own, 'A lost host': lostHost, Output: json, Daemon: daemonPlace },
  async run({ flags, socket }) {
    const { host, confirm } = flags;
    const given = { dryRun: flags['dry-run'] === true, yes: flags.yes === true, json: flags.json === true };
    if (host !== undefined) return gcHost({ socket, host, confirm, ...given });
    if (given.yes || confirm !== '') throw new UsageError('--yes and --confirm go with --host');
    const { dryRun } = given;
    const result = await askDaemon({ socket, method: 'operator/gc', params: { dryRun } });
    if (flags.json) writeJson(result);
    else writeReleased(result, dryRun ? 'would release' : 'releasing');
    return exitStatus.ok;
  },
});
