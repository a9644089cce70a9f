/** `gc`: releases what is proven dead, without the reaper's period of grace. */
import { daemonPlace, defineCommand, json } from '../command.ts';
import { exitStatus } from '../command-error.ts';
import { askDaemon } from '../daemon-connection.ts';
import { writeReleased } from '../output/released.ts';
import { writeJson } from '../output/write-json.ts';

const own = {
  'dry-run': { type: 'boolean', description: 'Only say what would be released' },
} as const;

export const gc = defineCommand({
  examples: [
    ['gc --dry-run', 'Show which addresses belong to containers that are proven dead'],
    ['gc', 'Release them now'],
  ],
  groups: { Release: own, Output: json, Daemon: daemonPlace },
  flags: { ...own, ...json, ...daemonPlace },
  async run({ flags, socket }) {
    const dryRun = flags['dry-run'] === true;
    const result = await askDaemon({ socket, method: 'operator/gc', params: { dryRun } });
    if (flags.json) writeJson(result);
    else writeReleased(result, dryRun ? 'would release' : 'releasing');
    return exitStatus.ok;
  },
});
