/** `whois` says who has an address and who had it here last, or which addresses a pod or a container has, on any host. */
import { UsageError } from '../../daemon/config/command-line.ts';
import type { Holder, LeaseRecord, OperatorResult } from '../../operator-protocol.ts';
import { ago } from '../../quantity.ts';
import { daemonPlace, defineCommand, json } from '../command.ts';
import { askDaemon } from '../daemon-connection.ts';
import { printedLines, secondOf } from '../output/results.ts';
import { showingProgress } from '../output/terminal.ts';
import { described, isMistyped, readWho } from './leases.ts';

export const whois = defineCommand({
  operands: 'ADDRESS|POD|CONTAINER',
  examples: [
    ['whois 172.18.1.7', 'Who has this address, on whichever host, and who had it here last'],
    ['whois shop/web-1', 'Which addresses this pod has; on other hosts where the grid defines the attribute Pod'],
    ['whois 3f2b9c', 'Which addresses the containers have whose ID begins like this'],
  ],
  groups: { Output: json, Daemon: daemonPlace },
  async run({ operands, socket }) {
    const who = readWho(operands);
    if (who === undefined) throw new UsageError('name an address, a pod or a container');
    const value = await showingProgress('asking the grid', () =>
      askDaemon({ socket, method: 'operator/whois', params: { who } }),
    );
    const isFound = value.leases.length > 0 || value.holders.some(({ attachment }) => attachment !== null);
    return { value, text: () => whoisText(who, value, Date.now()), failed: !isFound };
  },
});

type Whois = OperatorResult<'operator/whois'>;

/** Writes it for people; texts from outside are made printable. @param now milliseconds since 1970 */
export function whoisText(who: string, whois: Whois, now: number): string {
  const { leases, holders, uses, hasGridAnswered, last, notes } = whois;
  const isOf = (holder: Holder) => (lease: LeaseRecord) =>
    lease.mark === holder.comment && lease.address === holder.address;
  // Without a reservation: it is lost, or this host still has to make it for its block.
  const unreserved = leases.filter((lease) => !holders.some((holder) => isOf(holder)(lease)));
  const lost = hasGridAnswered ? '; the grid shows no such reservation' : '';
  const lines = [
    ...holders.map((holder) => holderLine(holder, leases.find(isOf(holder)), now)),
    ...unreserved.map((lease) => `${heldLine(lease, hereText(lease), now)}${lost}`),
    ...uses.map(useLine),
  ];
  const knowers = hasGridAnswered ? 'neither this host nor the grid knows' : 'this host does not know';
  const wrong = isMistyped(who) ? ', which is not an IP address' : '';
  const nobody = lines.length === 0 ? [`${knowers} ${who}${wrong}`] : [];
  const before = last.map(
    (one) => `before, here: ${one.address} was held by ${described(one)}, released by ${one.releasedBy}`,
  );
  return printedLines([...lines, ...nobody, ...before, ...notes]);
}

function hereText({ phase, sandbox }: LeaseRecord): string {
  return `on this host, ${phase}, sandbox ${sandbox}`;
}

function holderLine(holder: Holder, lease: LeaseRecord | undefined, now: number): string {
  const { address, view, attachment, comment, name, reservedAt, altered } = holder;
  if (attachment === null) {
    const named = name === '' ? '' : `, called ${name}`;
    return `${address} in view ${view}: not a container's; ${altered ?? `the grid keeps it for "${comment}"`}${named}`;
  }
  const { cluster, node, ...rest } = attachment;
  const where = lease === undefined ? `on host ${node} of ${cluster}` : hereText(lease);
  const createdAt = reservedAt ?? lease?.createdAt ?? null;
  return heldLine({ address, view, workload: name || rest.containerId, createdAt, ...rest }, where, now);
}

type Held = Pick<LeaseRecord, 'address' | 'view' | 'network' | 'workload' | 'containerId' | 'ifName' | 'createdAt'>;

function heldLine(
  { address, view, network, workload, containerId, ifName, createdAt }: Held,
  where: string,
  now: number,
): string {
  const of = workload === containerId ? '' : `${workload}, `;
  const since = createdAt === null ? '' : `, since ${secondOf(createdAt)} (${ago(createdAt, now)})`;
  return `${address ?? 'no address'} in network ${network}, view ${view}: ${of}container ${containerId}, ${ifName}, ${where}${since}`;
}

function useLine({ network, view, status, types, names }: Whois['uses'][number]): string {
  const what = [types.join(', '), names.join(', ')].filter((text) => text !== '').join(': ');
  return `not reserved; in network ${network}, view ${view}, the grid calls it ${status}${what === '' ? '' : ` (${what})`}`;
}
