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
const longestComment = 256;
/** Bytes of an interface's name: the kernel's IFNAMSIZ less the terminating zero. */
const longestInterface = 15;
/** The longest values that together stay below it. */
const longest = { cluster: 32, node: 47, network: 40, containerId: 64 };

/**
 * Writes the mark of an attachment: one line, the same for the same attachment at all times, at most 256 characters.
 * Values that are too long are cut and made unique again by a hash, so what `parseMark` reads back is not always what
 * went in: compare marks, not what they say.
 */
export function attachmentMark(origin: Origin, attachment: Attachment): string {
  const { network, containerId, ifName } = attachment;
  return `${networkPrefix(origin, network)}container=${shorten(containerId, longest.containerId)} interface=${ifName}`;
}

/** Writes what the marks of all attachments of one host begin with. */
export function hostPrefix(origin: Origin): string {
  return `infoblox-cni cluster=${shorten(origin.cluster, longest.cluster)} node=${shorten(origin.node, longest.node)} `;
}

/** Writes what the marks of all attachments of one host to one network begin with. */
export function networkPrefix(origin: Origin, network: string): string {
  return `${hostPrefix(origin)}network=${shorten(network, longest.network)} `;
}

/**
 * Writes a regular expression for the marks of all attachments of a cluster to one network, on whatever host, for the search
 * modifier `~` (WAPI documentation, object pages). Of what names may hold, only the dot means something there.
 */
export function clusterPattern({ cluster }: Origin, network: string): string {
  const literal = (text: string) => text.replaceAll('.', '\\.');
  const [ofCluster, ofNetwork] = [shorten(cluster, longest.cluster), shorten(network, longest.network)].map(literal);
  return `^infoblox-cni cluster=${ofCluster} node=[^ ]* network=${ofNetwork} container=`;
}

/** Writes the comment of a network that was created for a network name: the same on all hosts, which share the network. */
export function networkMark(name: string): string {
  return `infoblox-cni network=${shorten(name, longest.network)}`;
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
  return `infoblox-cni gateway of network=${shorten(name, longest.network)}`;
}

const hostMarkStart = 'infoblox-cni address of host ';

/** Writes the comment of a reservation that keeps an address of the host itself from being given to a container. */
export function hostMark({ cluster, node }: Origin): string {
  return `${hostMarkStart}cluster=${shorten(cluster, longest.cluster)} node=${shorten(node, longest.node)}`;
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
const markPattern =
  /^infoblox-cni cluster=(\S+) node=(\S+) network=(\S+) container=(\S+) interface=([^/:\p{White_Space}]+)$/u;

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
  if (comment.length > longestComment) return undefined;
  const [, cluster, node, network, containerId, ifName] = markPattern.exec(comment) ?? [];
  if (!cluster || !node || !network || !containerId || !ifName) return undefined;
  if (Buffer.byteLength(ifName) > longestInterface) return undefined;
  const mark = { origin: { cluster, node }, attachment: { network, containerId, ifName } };
  return attachmentMark(mark.origin, mark.attachment) === comment ? mark : undefined;
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
  return comment.startsWith('infoblox-cni cluster=');
}

/** Writes a network's name as it stands in comments. */
export function shortNetworkName(name: string): string {
  return shorten(name, longest.network);
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
