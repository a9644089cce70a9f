/** Handler of `whois`: looks up an address, a pod or a container in the state, and on the grid for all hosts. */
import { families, parseAddress } from '../../../infoblox/address.ts';
import { ofPod, podAttribute, reservedAtIn } from '../../../infoblox/attributes.ts';
import { deadline } from '../../../infoblox/concurrency/clock.ts';
import { GridError, hasReason } from '../../../infoblox/errors.ts';
import type { DescribedReservation } from '../../../infoblox/grid.ts';
import { holdings } from '../../../infoblox/lease/history.ts';
import { describe, isExactlyOurs } from '../../../infoblox/lease/observe.ts';
import { parseMark } from '../../../infoblox/mark.ts';
import type { Holder, OperatorResult } from '../../operator-protocol.ts';
import type { Parts } from '../daemon.ts';
import type { OperatorHandler } from '../rpc/request.ts';
import { meant } from './leases.ts';

const timeoutMs = 60_000;
/** Addresses whose history is read. */
const maxHistories = 10;

type Whois = OperatorResult<'operator/whois'>;
type OnGrid = Pick<Whois, 'holders' | 'uses' | 'notes' | 'hasGridAnswered'>;

/** Makes the handler of `whois`. Errors of the grid become notes. */
export function whoisHandler(parts: Parts): OperatorHandler<'operator/whois'> {
  const {
    core: { leases },
    store,
  } = parts;
  return {
    timeoutMs,
    async run({ who }, { gone }) {
      const signal = AbortSignal.any([gone, deadline(leases.clock, timeoutMs)]);
      const [here, grid] = await Promise.all([meant(leases, { who }), onGrid(parts, who, signal).catch(asNote)]);
      const addresses = new Set([parseAddress(who), ...here.map(({ address }) => address)]);
      const last = [...addresses].slice(0, maxHistories).flatMap((address) => {
        const ended = address ? holdings(store.history(address).entries).filter(({ until }) => until !== null) : [];
        return ended.slice(0, 1);
      });
      return { result: { leases: here, last, ...grid } };
    },
  };
}

/** Turns a GridError into a note. @throws any other error */
function asNote(error: unknown): OnGrid {
  if (!(error instanceof GridError)) throw error;
  const notes = [`the contents of the grid are unknown: ${error.message}`];
  return { holders: [], uses: [], notes, hasGridAnswered: false };
}

/** Asks the grid, in all views. Users with restricted rights may not see what uses an address. @throws GridError */
async function onGrid({ access: { grid, inspection } }: Parts, who: string, signal: AbortSignal): Promise<OnGrid> {
  const address = parseAddress(who);
  const byName = [
    { attributes: ofPod(who), families },
    { marks: { container: who }, families },
  ];
  const lists = (address === undefined ? byName : [{ address }]).map((filter) =>
    Array.fromAsync(grid.listDescribed(filter, signal)),
  );
  const found = (await Promise.all(lists)).flat().map(holderOf);
  const holders = [...new Map(found.map((one) => [`${one.view} ${one.address}`, one])).values()];
  if (holders.length > 0) return { holders, uses: [], notes: [], hasGridAnswered: true };
  if (address === undefined) {
    const defined = await Array.fromAsync(inspection.attributes(signal));
    const why = `pods of other hosts are not found: the grid does not define the attribute ${podAttribute}`;
    const notes = defined.some(({ name }) => name === podAttribute) ? [] : [why];
    return { holders, uses: [], notes, hasGridAnswered: true };
  }
  try {
    const uses = await inspection.usesOf(address, signal);
    const notes = uses.length === 0 ? [`the grid has no network with ${address}`] : [];
    return { holders, uses, notes, hasGridAnswered: true };
  } catch (error) {
    if (!hasReason(error, 'permission', 'rejected')) throw error;
    const why = `not reserved; other uses are not known: ${error.message}`;
    return { holders, uses: [], notes: [why], hasGridAnswered: true };
  }
}

function holderOf(one: DescribedReservation): Holder {
  const { address, view, comment, name, attributes, isReserved } = one;
  const { origin, attachment } = (isExactlyOurs(one) ? parseMark(comment) : undefined) ?? {};
  return {
    address,
    view,
    comment,
    name,
    attachment: origin && attachment ? { ...origin, ...attachment } : null,
    altered: isReserved ? null : describe(one),
    reservedAt: reservedAtIn(attributes),
  };
}
