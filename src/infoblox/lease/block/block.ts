/**
 * A host block is a reserved range of the grid under a mark of this host: the grid assigns blocks to hosts, and the host assigns addresses
 * from its own. Like a lease it is durable and changes only by the named transitions below; block-plan.ts decides what to do about it.
 * Looks at it are kept only in memory: after a restart it assigns no addresses until the first look.
 *
 *   (none) --take--> taking --hold--> held --drain--> draining --> (none)
 *                       \_______________drain____________/
 */
import { addressBeside, type Cidr, type Interval, isPartOf, isWithin, parseCidr } from '../../address.ts';
import type { Boot } from '../../host.ts';
import { shortNetworkName } from '../../mark.ts';
import { isGatewayOf } from '../../network/notation.ts';
import { blockSizeOf, type NetworkSpec } from '../../network/spec.ts';
import type { Doubtful, Moment } from '../doubt.ts';

/** `taking`: a create was sent. `held`: no other range overlapped it after the doubt had ended. `draining`: released when empty. */
export const blockPhases = ['taking', 'held', 'draining'] as const;
export type BlockPhase = (typeof blockPhases)[number];

/** The place of a block. */
export interface BlockPlace {
  readonly view: string;
  /** CIDR of its network. */
  readonly cidr: string;
  readonly first: string;
  /** Number of addresses. */
  readonly size: number;
}

export interface BlockIdentity extends BlockPlace {
  /** The comment of the range on the grid. */
  readonly mark: string;
  /** Network name as in marks. */
  readonly network: string;
}

export interface Block extends BlockIdentity, Doubtful {
  readonly phase: BlockPhase;
  /** When this state began to take it, as the clock's `now`; null: it was not taken by this state, so it never assigns an address. */
  readonly takenAt: number | null;
  /** When it was taken or last assigned an address, milliseconds since 1970. */
  readonly usedAt: number;
  /** The address assigned last. */
  readonly lastGiven: string | null;
  /** Milliseconds that this daemon must still run before it releases the block: its host may be alive without a connection to the grid. */
  readonly waitMs: number;
  /**
   * The boot of this host, and its minimum uptime in seconds, in which containers may have addresses that only a lost state knew; null:
   * none.
   */
  readonly bootId: string | null;
  readonly uptime: number | null;
}

const unused = {
  takenAt: null,
  usedAt: 0,
  lastGiven: null,
  waitMs: 0,
  bootId: null,
  uptime: null,
  createInDoubtUntil: null,
  deleteInDoubtUntil: null,
};

/** Makes a block that is about to be created. */
export function take(identity: BlockIdentity, moment: Moment): Block {
  const { now, wall, window } = moment;
  const createInDoubtUntil = now + window.end;
  return { ...identity, ...unused, phase: 'taking', takenAt: now, usedAt: wall, createInDoubtUntil };
}

/** Makes a block of a lost host, or of a lost state of this one, to be released when empty. */
export function foreign(identity: BlockIdentity, over: Partial<Pick<Block, 'waitMs' | 'bootId' | 'uptime'>>): Block {
  return { ...identity, ...unused, phase: 'draining', ...over };
}

/** Drains a block of a copied state, which may not know all its assigned addresses. */
export function disowned(block: Block, { bootId, uptime }: Pick<Block, 'bootId' | 'uptime'>): Block {
  return { ...block, phase: 'draining', takenAt: null, bootId, uptime };
}

/** Records that its create may still be carried out. */
export function blockCreateInDoubt(block: Block, { now, window }: Moment): Block {
  return { ...block, createInDoubtUntil: now + window.end };
}

/** Records that no other range overlapped it after the doubt had ended. */
export function hold(block: Block): Block {
  return block.phase === 'taking' ? { ...block, phase: 'held', createInDoubtUntil: null } : block;
}

/** Records that an address is assigned. */
export function assigned(block: Block, address: string, { wall }: Pick<Moment, 'wall'>): Block {
  return { ...block, lastGiven: address, usedAt: wall };
}

/** Stops assigning addresses; the block is released when empty. */
export function drain(block: Block): Block {
  return { ...block, phase: 'draining' };
}

/** Records elapsed milliseconds of its wait, and the longer uptime. */
export function waited(block: Block, milliseconds: number, { bootId, uptime }: Boot): Block {
  const isOfThisBoot = block.bootId !== null && block.bootId === bootId;
  if (block.waitMs === 0 && !isOfThisBoot) return block;
  return { ...block, waitMs: Math.max(block.waitMs - milliseconds, 0), uptime: isOfThisBoot ? uptime : block.uptime };
}

/** Parses the CIDR of its network. */
export function networkOfBlock({ cidr }: BlockPlace): Cidr {
  const parsed = parseCidr(cidr);
  if (parsed === undefined) throw new Error(`${cidr} is not a network`);
  return parsed;
}

/** Returns its first and last address. */
export function intervalOf(place: BlockPlace): Interval {
  return { first: place.first, last: addressBeside(place.first, place.size - 1) };
}

/** Lists all its addresses in order. */
export function addressesOf(place: BlockPlace): string[] {
  return Array.from({ length: place.size }, (_, index) => addressBeside(place.first, index));
}

/** Tells whether a spec asks for such a block. */
export function isOfSpec(block: Block, spec: NetworkSpec): boolean {
  const { place, view, name, part, gateway } = spec;
  if (block.view !== view || block.size !== blockSizeOf(spec) || block.network !== shortNetworkName(name)) return false;
  const its = intervalOf(block);
  if (part.intervals.length > 0 && !part.intervals.some((interval) => isPartOf(its, interval))) return false;
  if (part.excluded.some((address) => isWithin(address, its))) return false;
  if (place.kind === 'subnet') return place.cidr.text === block.cidr;
  const network = networkOfBlock(block);
  const isThere = place.containers.some((container) => isPartOf(network, container));
  return isThere && (gateway === undefined || isGatewayOf(gateway, network));
}
