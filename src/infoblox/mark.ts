/**
 * The mark that says whose an object on the grid is. It is the object's `comment`: readable to a DDI administrator, found by
 * an exact search, and there on every grid without attribute definition or licence. Its format is a contract.
 */
import { createHash } from 'node:crypto';

/** Whom an address is given to. Never the hardware address: in most runtimes it is unknown, wrong or shared. */
export interface Attachment {
  /** `name` of the network configuration. */
  readonly network: string;
  readonly containerId: string;
  readonly ifName: string;
}

/** Names an attachment in messages. */
export function whoOf({ containerId, ifName }: Attachment): string {
  return `${containerId}/${ifName}`;
}

/** Which host gave it. */
export interface Origin {
  readonly cluster: string;
  readonly node: string;
}

/** Characters that a comment holds (NIOS; longer ones are refused). */
const maxCommentLength = 256;
/** Bytes of an interface's name: the kernel's IFNAMSIZ less the terminating zero. */
const maxInterfaceLength = 15;
/** The longest values that together stay below it. */
const maxLengths = { cluster: 32, node: 47, network: 40, containerId: 64 };
/** The same of a container ID where the word of a set follows: ` set=15`. */
const maxIdLengthInSet = 57;
/** Characters of a container ID that stand in each of its marks, however it is shortened. */
const maxBeginning = maxIdLengthInSet - 17;

/**
 * Writes the mark of an attachment: one line, the same for the same attachment at all times, at most 256 characters.
 * Values that are too long are cut and made unique again by a hash, so what `parseMark` reads back is not always what
 * went in: compare marks, not what they say.
 */
export function attachmentMark(origin: Origin, attachment: Attachment): string {
  const { network, containerId, ifName } = attachment;
  const [shortNetwork, shortId] = [shorten(network, maxLengths.network), shorten(containerId, maxLengths.containerId)];
  return `${hostPrefix(origin)}network=${shortNetwork} container=${shortId} interface=${ifName}`;
}

/**
 * Writes the marks of all addresses of an attachment: the first is that of the attachment, each further one says of which set of its
 * configuration its address is.
 * @param mark as `attachmentMark` writes it
 */
export function marksOfSets(mark: string, { containerId, ifName }: Attachment, sets: number): [string, ...string[]] {
  const start = mark.slice(0, mark.indexOf(' container='));
  const ofSet = `${start} container=${shortIdInSet(containerId)} interface=${ifName}`;
  return [mark, ...Array.from({ length: sets - 1 }, (_, index) => `${ofSet} set=${index + 1}`)];
}

/** Tells of which set of its configuration the address with this mark is, counted from 0. */
export function setIn(mark: string): number {
  return Number(/ set=(\d+)$/.exec(mark)?.[1] ?? 0);
}

/** Names the attachment whose mark this is, by a text that is the same for the marks of all its addresses. */
export function attachmentKey(mark: string): string {
  const [, start, containerId = '', end] = /^(.* container=)(\S+)( interface=\S+)/.exec(mark) ?? [];
  return start === undefined ? mark : `${start}${shortIdInSet(containerId)}${end}`;
}

/** Shortens a container ID, also one that has been shortened less: its hash stays that of the whole. */
function shortIdInSet(containerId: string): string {
  const [start = '', hash] = containerId.split('~');
  return hash === undefined ? shorten(containerId, maxIdLengthInSet) : `${start.slice(0, maxBeginning)}~${hash}`;
}

/** Writes what the marks of all attachments of one host begin with. */
export function hostPrefix(origin: Origin): string {
  return `infoblox-cni cluster=${shorten(origin.cluster, maxLengths.cluster)} node=${shorten(origin.node, maxLengths.node)} `;
}

/** Marks of attachments, or of blocks: those with these values, and with any where one is left out. */
export interface MarkFilter extends Partial<Origin> {
  readonly network?: string;
  /** Attachments if absent. */
  readonly of?: 'attachments' | 'blocks';
  /** What the container ID of an attachment begins with. */
  readonly container?: string;
}

/** Writes the words that such marks begin with; one that ends with `=` stands for any with that key, the last for all that begin so. */
export function firstWords({ of = 'attachments', container = '', ...filter }: MarkFilter): string[] {
  const words = (['cluster', 'node', 'network'] as const).map(
    (key) => `${key}=${shorten(filter[key] ?? '', maxLengths[key])}`,
  );
  return ['infoblox-cni', ...words, of === 'blocks' ? 'block=' : `container=${container.slice(0, maxBeginning)}`];
}

/** Tells whether a comment begins as such marks do. */
export function beginsAs(comment: string, filter: MarkFilter): boolean {
  const words = comment.split(' ');
  return firstWords(filter).every((word, index, all) => {
    const isBeginning = word.endsWith('=') || index === all.length - 1;
    return isBeginning ? words[index]?.startsWith(word) : words[index] === word;
  });
}

/** Whose a block is: a range of addresses that a host keeps for its containers. */
export interface BlockMark {
  readonly origin: Origin;
  /** `name` of the network configuration. */
  readonly network: string;
  /** First 8 hex digits of the hash of the machine that took it, which a host of the same name may not be. */
  readonly machine: string;
  /** 16 hex digits that no other block has. */
  readonly id: string;
}

/** Writes the mark of a block. */
export function blockMark({ origin, network, machine, id }: BlockMark): string {
  return `${hostPrefix(origin)}network=${shorten(network, maxLengths.network)} block=${machine}.${id}`;
}

const blockGrammar = /^infoblox-cni cluster=(\S+) node=(\S+) network=(\S+) block=([0-9a-f]{8})\.([0-9a-f]{16})$/;

/** Reads the mark of a block, of this host or another, values that are too long shortened; undefined for any other comment. */
export function parseBlockMark(comment: string): BlockMark | undefined {
  if (comment.length > maxCommentLength) return undefined;
  const [, cluster, node, network, machine, id] = blockGrammar.exec(comment) ?? [];
  if (!cluster || !node || !network || !machine || !id) return undefined;
  const block = { origin: { cluster, node }, network, machine, id };
  return blockMark(block) === comment ? block : undefined;
}

/** Writes the comment of a network that was created for a network name: the same on all hosts, which share the network. */
export function networkMark(name: string): string {
  return `infoblox-cni network=${shorten(name, maxLengths.network)}`;
}

/** Writes the comment of such a network while it is pending: until its creator knows that it is the only one of the name. */
export function pendingNetworkMark(name: string): string {
  return `${networkMark(name)} (being set up)`;
}

/** Writes the comment of such a network whose delete is about to be sent. */
export function yieldedNetworkMark(name: string): string {
  return `${networkMark(name)} (given up)`;
}

/** Writes the comment of a reservation that only keeps an address from being given to a container. */
export function gatewayMark(name: string): string {
  return `infoblox-cni gateway of network=${shorten(name, maxLengths.network)}`;
}

/** Writes the comment of a reserved range that sources of a network take addresses from: the same on all hosts. */
export function rangeMark(name: string): string {
  return `infoblox-cni range of network=${shorten(name, maxLengths.network)}`;
}

const hostMarkStart = 'infoblox-cni address of host ';

/** Writes the comment of a reservation that keeps an address of the host itself from being given to a container. */
export function hostMark({ cluster, node }: Origin): string {
  return `${hostMarkStart}cluster=${shorten(cluster, maxLengths.cluster)} node=${shorten(node, maxLengths.node)}`;
}

/** Tells whether a comment is one that `hostMark` writes, on whatever host. */
export function isHostMark(comment: string): boolean {
  return comment.startsWith(hostMarkStart);
}

/**
 * Reads the network's name from the comment of a network, as `networkMark` writes it; undefined for a comment that is not
 * ours. People may add to it (" - Paris"): nothing is ever deleted for this mark alone.
 */
export function namedInComment(comment: string): string | undefined {
  return /^infoblox-cni network=([a-zA-Z0-9_.~-]+)(?: |$)/.exec(comment)?.[1];
}

/** The grammar of an attachment's mark: a whole line, from its first character to its last. */
const markGrammar =
  /^infoblox-cni cluster=(\S+) node=(\S+) network=(\S+) container=(\S+) interface=([^/:\p{White_Space}]+)(?: set=([1-9]\d?))?$/u;

/** What the mark of an attachment says; values that were too long are as they stand there, shortened. */
interface Mark {
  readonly origin: Origin;
  readonly attachment: Attachment;
}

/**
 * Reads the mark of an attachment, of this host or another. A comment that only begins like one, and goes on with
 * something else, is none.
 */
export function parseMark(comment: string): Mark | undefined {
  if (comment.length > maxCommentLength) return undefined;
  const [, cluster, node, network, containerId, ifName, set = '0'] = markGrammar.exec(comment) ?? [];
  if (!cluster || !node || !network || !containerId || !ifName) return undefined;
  if (Buffer.byteLength(ifName) > maxInterfaceLength) return undefined;
  const mark = { origin: { cluster, node }, attachment: { network, containerId, ifName } };
  const first = attachmentMark(mark.origin, mark.attachment);
  return marksOfSets(first, mark.attachment, Number(set) + 1).at(-1) === comment ? mark : undefined;
}

/** Reads the network's name from the mark of an attachment, as `shortNetworkName` has it; empty for any other comment. */
export function networkOf(comment: string): string {
  return attachmentIn(comment).network;
}

/** Reads the attachment from its mark, values that are too long shortened; its parts are empty for any other comment. */
export function attachmentIn(comment: string): Attachment {
  return parseMark(comment)?.attachment ?? { network: '', containerId: '', ifName: '' };
}

/** Tells whether a comment is one of those that this driver writes, on whatever host. */
export function isOurs(comment: string): boolean {
  return comment.startsWith('infoblox-cni ');
}

/** Tells whether a comment is, or begins like, the mark of some attachment, of this host or another. */
export function isAttachmentMark(comment: string): boolean {
  return beginsAs(comment, {});
}

/** Writes a network's name as it stands in comments. */
export function shortNetworkName(name: string): string {
  return shorten(name, maxLengths.network);
}

/**
 * Shortens a name and makes it unique again by a hash. `~` cannot occur in names of the CNI specification, so a shortened name
 * equals none that was short enough.
 * @param maxLength in characters
 */
export function shorten(name: string, maxLength: number): string {
  if (name.length <= maxLength) return name;
  const hash = createHash('sha256').update(name).digest('hex').slice(0, 16);
  return `${name.slice(0, maxLength - 17)}~${hash}`;
}
