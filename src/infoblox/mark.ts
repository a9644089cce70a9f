/**
 * The mark of an object on the grid: whose it is. It is the object's `comment`: readable to a DDI administrator, found
 * by an exact search, and available on every grid without an attribute definition or licence. Its format is a contract.
 */
import { createHash } from 'node:crypto';

/** The owner of an address. Not identified by its MAC address, which in most runtimes is unknown, wrong or shared. */
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

/** The host that allocated it. */
export interface Origin {
  readonly cluster: string;
  readonly node: string;
}

/** Maximum characters of a comment (NIOS refuses longer ones). */
const maxCommentLength = 256;
/** Maximum bytes of an interface's name: the kernel's IFNAMSIZ less the terminating zero. */
const maxInterfaceLength = 15;
/** Maximum lengths of the values, so that the mark fits. */
const maxLengths = { cluster: 32, node: 47, network: 40, containerId: 64 };
/** The same for a container ID with a set: ` set=15`. */
const maxIdLengthInSet = 57;
/** Characters of a container ID that every mark contains, however it is shortened. */
const maxBeginning = maxIdLengthInSet - 17;

/**
 * Makes the mark of an attachment: one line of at most 256 characters, always the same for the same attachment. Values
 * that are too long are cut and made unique by a hash, so `parseMark` may return other values: compare marks, not
 * values.
 */
export function attachmentMark(origin: Origin, attachment: Attachment): string {
  const { network, containerId, ifName } = attachment;
  const [shortNetwork, shortId] = [shorten(network, maxLengths.network), shorten(containerId, maxLengths.containerId)];
  return `${hostPrefix(origin)}network=${shortNetwork} container=${shortId} interface=${ifName}`;
}

/**
 * Makes the marks of all addresses of an attachment. The first is the attachment's; each other one names the set of the
 * configuration.
 * @param mark of `attachmentMark`
 */
export function marksOfSets(mark: string, { containerId, ifName }: Attachment, sets: number): [string, ...string[]] {
  const start = mark.slice(0, mark.indexOf(' container='));
  const ofSet = `${start} container=${shortIdInSet(containerId)} interface=${ifName}`;
  return [mark, ...Array.from({ length: sets - 1 }, (_, index) => `${ofSet} set=${index + 1}`)];
}

/** Returns a key that is the same for the marks of all addresses of an attachment. */
export function attachmentKey(mark: string): string {
  const [, start, containerId = '', end] = /^(.* container=)(\S+)( interface=\S+)/.exec(mark) ?? [];
  return start === undefined ? mark : `${start}${shortIdInSet(containerId)}${end}`;
}

/** Shortens a container ID. A shortened one keeps the hash of the whole ID. */
function shortIdInSet(containerId: string): string {
  const [start = '', hash] = containerId.split('~');
  return hash === undefined ? shorten(containerId, maxIdLengthInSet) : `${start.slice(0, maxBeginning)}~${hash}`;
}

/** Returns the prefix of the marks of all attachments of a host. */
export function hostPrefix(origin: Origin): string {
  return `infoblox-cni cluster=${shorten(origin.cluster, maxLengths.cluster)} node=${shortNodeName(origin.node)} `;
}

/** Selects marks of attachments or blocks by their values; a field that is left out matches any value. */
export interface MarkFilter extends Partial<Origin> {
  readonly network?: string;
  /** Default: attachments. */
  readonly of?: 'attachments' | 'blocks';
  /** A prefix of the container ID. */
  readonly container?: string;
}

/**
 * Returns the first words of such marks. A word that ends with `=` matches any value of its key; the last word is a
 * prefix.
 */
export function firstWords({ of = 'attachments', container = '', ...filter }: MarkFilter): string[] {
  const words = (['cluster', 'node', 'network'] as const).map(
    (key) => `${key}=${shorten(filter[key] ?? '', maxLengths[key])}`,
  );
  return ['infoblox-cni', ...words, of === 'blocks' ? 'block=' : `container=${container.slice(0, maxBeginning)}`];
}

/** Tells whether a comment starts like such marks. */
export function beginsAs(comment: string, filter: MarkFilter): boolean {
  const words = comment.split(' ');
  return firstWords(filter).every((word, index, all) => {
    const isBeginning = word.endsWith('=') || index === all.length - 1;
    return isBeginning ? words[index]?.startsWith(word) : words[index] === word;
  });
}

/** Returns the host and the network of a comment that starts like such a mark, long values shortened. */
export function startOf(comment: string): { node: string; network: string } {
  const [, , node = '', network = ''] = comment.split(' ').map((word) => word.slice(word.indexOf('=') + 1));
  return { node, network };
}

/** The owner of a block, a range of addresses that a host keeps for its containers. */
interface BlockMark {
  readonly origin: Origin;
  /** `name` of the network configuration. */
  readonly network: string;
  /** First 8 hex digits of the hash of the machine that took it: another machine may have the same host name. */
  readonly machine: string;
  /** 16 unique hex digits. */
  readonly id: string;
}

/** Makes the mark of a block. */
export function blockMark({ origin, network, machine, id }: BlockMark): string {
  return `${hostPrefix(origin)}network=${shorten(network, maxLengths.network)} block=${machine}.${id}`;
}

const blockGrammar = /^infoblox-cni cluster=(\S+) node=(\S+) network=(\S+) block=([0-9a-f]{8})\.([0-9a-f]{16})$/;

/** Parses the mark of a block of any host, long values shortened; undefined for other comments. */
export function parseBlockMark(comment: string): BlockMark | undefined {
  if (comment.length > maxCommentLength) return undefined;
  const [, cluster, node, network, machine, id] = blockGrammar.exec(comment) ?? [];
  if (!cluster || !node || !network || !machine || !id) return undefined;
  const block = { origin: { cluster, node }, network, machine, id };
  return blockMark(block) === comment ? block : undefined;
}

/**
 * Makes the comment of a network that was created for a network name: the same on all hosts, which share the network.
 */
export function networkMark(name: string): string {
  return `infoblox-cni network=${shorten(name, maxLengths.network)}`;
}

/**
 * Makes the comment of such a network while it is pending: until its creator knows that it is the only one of the name.
 */
export function pendingNetworkMark(name: string): string {
  return `${networkMark(name)} (being set up)`;
}

/** Makes the comment of such a network before its delete is sent. */
export function yieldedNetworkMark(name: string): string {
  return `${networkMark(name)} (given up)`;
}

/** Makes the comment of the reservation of a gateway, or of another address that containers must not get. */
export function gatewayMark(name: string): string {
  return `infoblox-cni gateway of network=${shorten(name, maxLengths.network)}`;
}

/** Makes the comment of a reserved range from which sources of a network take addresses: the same on all hosts. */
export function rangeMark(name: string): string {
  return `infoblox-cni range of network=${shorten(name, maxLengths.network)}`;
}

const hostMarkStart = 'infoblox-cni address of host ';

/** Makes the comment of the reservation of a host's own address. */
export function hostMark({ cluster, node }: Origin): string {
  return `${hostMarkStart}cluster=${shorten(cluster, maxLengths.cluster)} node=${shortNodeName(node)}`;
}

/** Tells whether a comment is from `hostMark`, on any host. */
export function isHostMark(comment: string): boolean {
  return comment.startsWith(hostMarkStart);
}

/**
 * Parses the network's name in a comment of `networkMark`; undefined for other comments. People may add to it (" -
 * Paris"): nothing is ever deleted for this mark alone.
 */
export function namedInComment(comment: string): string | undefined {
  return /^infoblox-cni network=([a-zA-Z0-9_.~-]+)(?: |$)/.exec(comment)?.[1];
}

/** The grammar of an attachment's whole mark. */
const markGrammar =
  /^infoblox-cni cluster=(\S+) node=(\S+) network=(\S+) container=(\S+) interface=([^/:\p{White_Space}]+)(?: set=([1-9]\d?))?$/u;

/** The values in an attachment's mark, long ones shortened. */
interface Mark {
  readonly origin: Origin;
  readonly attachment: Attachment;
}

/** Parses the mark of an attachment of any host. A comment with additional text is not a mark. */
export function parseMark(comment: string): Mark | undefined {
  if (comment.length > maxCommentLength) return undefined;
  const [, cluster, node, network, containerId, ifName, set = '0'] = markGrammar.exec(comment) ?? [];
  if (!cluster || !node || !network || !containerId || !ifName) return undefined;
  if (Buffer.byteLength(ifName) > maxInterfaceLength) return undefined;
  const mark = { origin: { cluster, node }, attachment: { network, containerId, ifName } };
  const first = attachmentMark(mark.origin, mark.attachment);
  return marksOfSets(first, mark.attachment, Number(set) + 1).at(-1) === comment ? mark : undefined;
}

/** Returns the network's name in an attachment's mark, as from `shortNetworkName`; empty for other comments. */
export function networkOf(comment: string): string {
  return attachmentIn(comment).network;
}

/** Returns the attachment in a mark, long values shortened; its parts are empty for other comments. */
export function attachmentIn(comment: string): Attachment {
  return parseMark(comment)?.attachment ?? { network: '', containerId: '', ifName: '' };
}

/** Tells whether a comment is from this driver, on any host. */
export function isOurs(comment: string): boolean {
  return comment.startsWith('infoblox-cni ');
}

/** Tells whether a comment starts like the mark of an attachment, of any host. */
export function isAttachmentMark(comment: string): boolean {
  return beginsAs(comment, {});
}

/** Returns a network's name as in comments. */
export function shortNetworkName(name: string): string {
  return shorten(name, maxLengths.network);
}

/** Returns a host's name as in comments. */
export function shortNodeName(node: string): string {
  return shorten(node, maxLengths.node);
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
