/** `leases`: who holds which address. */
import { isIPv4 } from 'node:net';
import { shownPhases } from '../../../infoblox/lease/lease.ts';
import { UsageError } from '../../daemon/config/command-line.ts';
import { daemonPlace, defineCommand, gridFlags, json } from '../command.ts';
import { exitStatus } from '../command-error.ts';
import { askDaemon } from '../daemon-connection.ts';
import { showHistory } from '../history.ts';
import { leaseTable, writeJson } from '../output/results.ts';

const filter = {
  network: { type: 'string', default: '', description: 'Only of this network, by its "name" in the configuration' },
  container: { type: 'string', default: '', description: 'Only of containers whose ID begins like this' },
  address: { type: 'string', default: '', description: 'Only of this address' },
  phase: { type: 'string', default: '', description: 'Only pending, bound, resting or releasing ones' },
} as const;

const history = {
  history: { type: 'string', default: '', description: 'Who has held this address, and from when to when' },
  at: { type: 'string', default: '', description: 'With --history: at this time, 2026-01-02T15:04 (local) or ...Z' },
} as const;

const original = {
  original: {
    type: 'string',
    default: '',
    description:
      "Ask the grid for what the original driver has made for containers, by its Tenant ID: 'cluster-1', 'CNIEngineID'",
  },
} as const;

export const leases = defineCommand({
  examples: [
    ['leases', 'Everything that this host holds'],
    ['leases --phase=releasing', 'What is to go back to the grid'],
    ['leases --address=172.18.1.7 --json', 'Who has this address, for a program'],
    ['leases --history=172.18.1.7', 'Who has held this address in the last weeks'],
    ['leases --original=cluster-1', 'What the original driver has left on the grid'],
    ['leases --history=172.18.1.7 --at=2026-01-02T15:04', 'Who held it at that time'],
  ],
  groups: {
    Filter: filter,
    History: history,
    'From the original driver': original,
    Output: json,
    Daemon: daemonPlace,
    'Infoblox grid, with --original': gridFlags,
  },
  async run({ flags, socket, ...settings }) {
    const { network, container, address, phase, json } = flags;
    refuseMixture(flags);
    for (const name of ['address', 'history'] as const) {
      if (flags[name] !== '' && !isIPv4(flags[name])) {
        throw new UsageError(`--${name} ${JSON.stringify(flags[name])} must be an IPv4 address`);
      }
    }
    if (flags.history !== '') return showHistory({ address: flags.history, time: flags.at, json, socket });
    if (flags.original !== '') {
      // With the client of the grid, which would make every command start later.
      const { showOriginals } = await import('../originals.ts');
      return showOriginals(settings, { tenant: flags.original, json });
    }
    const known = shownPhases.find((name) => name === phase);
    if (phase !== '' && known === undefined) {
      throw new UsageError(
        `--phase ${JSON.stringify(phase)} must be ${shownPhases.slice(0, -1).join(', ')} or ${shownPhases.at(-1)}`,
      );
    }
    const filter = { network: network || undefined, container: container || undefined, address: address || undefined };
    const { leases } = await askDaemon({ socket, method: 'operator/leases', params: { ...filter, phase: known } });
    if (json) writeJson(leases);
    else process.stdout.write(leases.length === 0 ? 'no leases\n' : leaseTable(leases));
    return exitStatus.ok;
  },
});

/** Refuses flags of which one would have no effect beside the other. @throws UsageError */
function refuseMixture(flags: Readonly<Record<keyof typeof filter | keyof typeof history | 'original', string>>): void {
  if (flags.at !== '' && flags.history === '') throw new UsageError('--at needs --history=ADDRESS');
  const [other] = (['history', 'original'] as const).filter((name) => flags[name] !== '');
  if (other === undefined) return;
  const names = Object.keys({ ...filter, ...original }) as (keyof typeof filter | 'original')[];
  const useless = names.find((name) => name !== other && flags[name] !== '');
  if (useless !== undefined) throw new UsageError(`--${useless} does not go with --${other}`);
}
