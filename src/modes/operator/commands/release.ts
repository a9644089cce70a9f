/**
 * `release` releases the addresses of a container as a DEL does; `release --blocks` releases the blocks of addresses that this host keeps.
 */
import { UsageError } from '../../daemon/config/command-line.ts';
import { calledName, daemonPlace, defineCommand, flag, json, type Outcome, text } from '../command.ts';
import { CommandError } from '../command-error.ts';
import { askDaemon } from '../daemon-connection.ts';
import { ambiguousText, printedLines, releasedText } from '../output/results.ts';
import { readWho, refuseMistyped } from './leases.ts';

const own = {
  network: text('', 'Only in this network, by its "name" in the configuration'),
  force: flag('Release even the addresses of a live container'),
};
const ofHost = {
  blocks: flag('Give the blocks of addresses of this host back, each when it is empty, and take no more'),
  undo: flag('Undo --blocks: blocks serve again'),
};

/** Characters of an ID. */
const minIdLength = 4;

export const release = defineCommand({
  operands: 'ADDRESS|POD|CONTAINER',
  examples: [
    ['release 3f2b9c', 'Release the addresses of the container whose ID begins like this, unless it is alive'],
    ['release shop/web-1 --network=net-1', 'Release the addresses of a pod in one network'],
    ['release 172.18.1.7', 'Release this address, and the others of that interface'],
    ['release --blocks', 'Give the blocks of this host back, before it leaves'],
  ],
  groups: { Release: own, 'Blocks of addresses': ofHost, Output: json, Daemon: daemonPlace },
  async run({ flags: { network, force, blocks, undo }, operands, socket }) {
    const who = readWho(operands);
    if (blocks === true && who === undefined) return releaseBlocks(socket, undo === true);
    if (blocks === true || undo === true)
      throw new UsageError('--blocks takes no container, and --undo needs --blocks');
    if (who === undefined) throw new UsageError('name the container, the pod or the address that is to be released');
    const isWhole = who.length < minIdLength;
    const params = { who, isWhole, evenIfAlive: force === true, network: network || undefined };
    const value = await askDaemon({ socket, method: 'operator/release', params });
    if (value.ambiguous.length > 0) return { value, text: () => ambiguousText(who, value.ambiguous), failed: true };
    if (value.leases.length + value.kept.length === 0) {
      refuseMistyped(who);
      if (isWhole && network === '')
        throw new UsageError(`no container or pod is called ${who}: name at least ${minIdLength} characters of an ID`);
      const where = network === '' ? '' : ` in network ${network}`;
      throw new CommandError(`this host has no lease of ${who}${where}`, `see ${calledName} leases`);
    }
    return { value, text: () => releasedText(value, 'releasing'), failed: value.leases.length === 0 };
  },
});

async function releaseBlocks(socket: string, undo: boolean): Promise<Outcome> {
  const value = await askDaemon({ socket, method: 'operator/release-blocks', params: { undo } });
  const held = value.blocks.map(({ first, size, view }) => `block of ${size} from ${first} in view ${view}`);
  const what = undo
    ? 'blocks of addresses serve again'
    : 'blocks assign no more addresses; each is released when it is empty';
  return { value, text: () => printedLines([...held, what]) };
}
