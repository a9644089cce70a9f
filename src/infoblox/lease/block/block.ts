/**
 * A host block is a reserved range of the grid under a mark of this host: the grid arbitrates blocks, the host the addresses in its
 * own. It is the one durable thing beside a lease, and changes by the named transitions below and by nothing else; what to do about
 * one is decided in block-plan.ts. What this process has seen of it on the grid is kept in memory alone: until then it gives nothing.
 *
 *   (none) --take--> taking --hold--> held --drain--> draining --> (none)
 *                       \_______________drain____________/
 */
import { addressBeside, type Cidr, type Interval, isInside, isPartOf, isWithin, parseCidr } from '../../address.ts';
import type { Boot } from '../../host.ts';
import { shortNetworkName } from '../../mark.ts';
import { isGatewayOf } from '../../network/notation.ts';
import { blockSizeOf, type NetworkSpec } from '../../network/spec.ts';
import type { Doubtful, Moment } from '../doubt.ts';

/** `taking`: a create was sent. `held`: it was alone on the grid after the time of doubt. `draining`: to go back when it is empty. */
export const blockPhases = ['taking', 'held', 'draining'] as const;
export type BlockPhase = (typeof blockPhases)[number];

/** Where a block lies. */
export interface BlockPlace {
  readonly view: string;
  /** Of its network, as text. */
  readonly cidr: string;
  /** Its first address. */
  readonly first: string;
  /** Addresses. */
  readonly size: number;
}

export interface BlockIdentity extends BlockPlace {
  /** The comment of the range on the grid. */
  readonly mark: string;
  /** Network name as it stands in marks. */
  readonly network: string;
}

export interface Block extends BlockIdentity, Doubtful {
  readonly phase: BlockPhase;
  /** When this state began to take it, as the clock's `now`; null: it did not, so that it never gives an address. */
  readonly takenAt: number | null;
  /** When an address of it was given last, or it was taken, milliseconds since 1970. */
  readonly usedAt: number;
  /** The address that was given last. */
  readonly lastGiven: string | null;
  /** Milliseconds for which this daemon has still to run before it goes back: its host may be alive without a line to the grid. */
  readonly waitMs: number;
  /**
   * The boot of this host, and how many seconds it has lasted at least, in which containers may have addresses of it that only a state
   * knew that is lost; null: there is none.
   */
  readonly bootId: string | null;
  readonly uptime: number | null;
}

/** A block is about to be created. */
export function take(identity: BlockIdentity, moment: Moment): Block {
  const { now, wall, window } = moment;
  return { ...newBlock(identity), phase: 'taking', takenAt: now, usedAt: wall, createInDoubtUntil: now + window.end };
}

/** A block of a host that is gone, or of a state of this one that was lost: to go back when it is empty. */
export function foreign(identity: BlockIdentity, over: Partial<Pick<Block, 'waitMs' | 'bootId' | 'uptime'>>): Block {
  return { ...newBlock(identity), phase: 'draining', ...over };
}

/** The state is a copy, so that not all that was given of it is known. */
export function disowned(block: Block, { bootId, uptime }: Pick<Block, 'bootId' | 'uptime'>): Block {
  return { ...block, phase: 'draining', takenAt: null, bootId, uptime };
}

/** A create may still be carried out. */
export function blockCreateInDoubt(block: Block, { now, window }: Moment): Block {
  return { ...block, createInDoubtUntil: now + window.end };
}

/** It was alone on the grid after the time in which another host may have taken it as well. */
export function hold(block: Block): Block {
  return block.phase === 'taking' ? { ...block, phase: 'held', createInDoubtUntil: null } : block;
}

/** An address of it is given. */
export function given(block: Block, address: string, { wall }: Pick<Moment, 'wall'>): Block {
  return { ...block, lastGiven: address, usedAt: wall };
}

/** Nothing of it is given any more. */
export function drain(block: Block): Block {
  return { ...block, phase: 'draining' };
}

/** So many milliseconds of its wait are over, and the boot has lasted longer. */
export function waited(block: Block, milliseconds: number, { bootId, uptime }: Boot): Block {
  const isOfThisBoot = block.bootId !== null && block.bootId === bootId;
  if (block.waitMs === 0 && !isOfThisBoot) return block;
  return { ...block, waitMs: Math.max(block.waitMs - milliseconds, 0), uptime: isOfThisBoot ? uptime : block.uptime };
}

/** A delete is about to be sent, or got no answer. */
export function blockDeleteInDoubt(block: Block, { now, window }: Moment): Block {
  return { ...block, deleteInDoubtUntil: now + window.end };
}

/** The delete was refused, or certainly never sent: only what was in doubt before it still is. */
export function blockDeleteRefused(block: Block, before: Block): Block {
  return { ...block, deleteInDoubtUntil: before.deleteInDoubtUntil };
}

/** As an earlier run of the daemon has left it: what was in doubt is in doubt for all its time from now on. */
export function resumedBlock(block: Block, { now, window }: Pick<Moment, 'now' | 'window'>): Block {
  const from = (until: number | null) => (until === null ? null : now + window.end);
  const { createInDoubtUntil, deleteInDoubtUntil } = block;
  return {
    ...block,
    createInDoubtUntil: from(createInDoubtUntil),
    deleteInDoubtUntil: from(deleteInDoubtUntil),
  };
}

/** Its network. */
export function networkOfBlock({ cidr }: BlockPlace): Cidr {
  const parsed = parseCidr(cidr);
  if (parsed === undefined) throw new Error(`${cidr} is no network`);
  return parsed;
}

/** Its addresses. */
export function intervalOf(place: BlockPlace): Interval {
  return { first: place.first, last: addressBeside(place.first, place.size - 1) };
}

/** All its addresses, in order. */
export function addressesOf(place: BlockPlace): string[] {
  return Array.from({ length: place.size }, (_, index) => addressBeside(place.first, index));
}

/** Tells whether it is such a block as a spec asks for. */
export function isOfSpec(block: Block, spec: NetworkSpec): boolean {
  const { place, view, name, part, gateway } = spec;
  if (block.view !== view || block.size !== blockSizeOf(spec) || block.network !== shortNetworkName(name)) return false;
  const its = intervalOf(block);
  if (part.intervals.length > 0 && !part.intervals.some((interval) => isPartOf(its, interval))) return false;
  if (part.excluded.some((address) => isWithin(address, its))) return false;
  if (place.kind === 'subnet') return place.cidr.text === block.cidr;
  const network = networkOfBlock(block);
  const isThere = place.containers.some((container) => isInside(network, container));
  // The name may have moved to another network since.
  return isThere && (gateway === undefined || isGatewayOf(gateway, network));
}

function newBlock(identity: BlockIdentity): Block {
  const { mark, network, view, cidr, first, size } = identity;
  return {
    ...{
      mark,
      network,
      view,
      cidr,
      first,
      size,
      phase: 'taking',
      takenAt: null,
      usedAt: 0,
      lastGiven: null,
      waitMs: 0,
    },
    bootId: null,
    uptime: null,
    createInDoubtUntil: null,
    deleteInDoubtUntil: null,
  };
}
