/** Compares this host's leases and blocks with the objects under its marks on the grid. Changes nothing: a person decides. */
import type { Range, Reservation } from '../grid.ts';
import { attachmentIn, networkOf, parseBlockMark, whoOf } from '../mark.ts';
import type { Block } from './block/block.ts';
import type { Lease } from './lease.ts';
import { describe, isExactlyOurs } from './observe.ts';

/** The fix for each kind of difference. */
const fixes = {
  missing: 'restart this container, or repeat its ADD, to reserve its address again; find out who deletes reservations',
  altered: 'restore its comment to exactly the mark, with the match RESERVED, or delete it when its container is gone',
  'in another view':
    'rename the view back, or let the configuration follow (docs/operations.md, Renaming a network view)',
  'address of another':
    'restart this container, or delete the object at its address, so that the daemon re-creates the reservation',
  'without a lease':
    'GC of the runtime releases it; otherwise make sure that no container has it, and delete it on the grid',
  'block missing': 'restore it as it was, or run release --blocks: until then none of its addresses is assigned',
  'block without a state':
    'make sure that no other machine has the name of this host, then delete the range on the grid',
} as const;

/** A difference, with its place and fix. */
export type AuditFinding = ReturnType<typeof finding>;

type Place = Pick<Lease, 'address' | 'view' | 'network'>;

function finding(kind: keyof typeof fixes, { address, view, network }: Place, message: string) {
  return { kind, address: address ?? '', view, network, message, fix: fixes[kind] };
}

/** The compared leases and objects. */
export interface Audited {
  /** Leases that did not change while the grid was asked, with no write in doubt. */
  readonly bound: readonly Lease[];
  /** Reservations whose comment begins with a mark of this host. */
  readonly shown: readonly Reservation[];
  /** Reservations at the addresses of leases that lack theirs, by the lease's mark. */
  readonly holders: ReadonlyMap<string, Pick<Reservation, 'comment'>>;
  /** Tells whether a mark has a lease or block, or had one when the grid was asked. */
  readonly isKnown: (mark: string) => boolean;
}

/** Compares leases with reservations. */
export function auditLeases({ bound, shown, holders, isKnown }: Audited): AuditFinding[] {
  const byMark = Map.groupBy(shown.filter(isExactlyOurs), ({ comment }) => comment);
  const altered = shown.filter((one) => !isExactlyOurs(one));
  const isOf = ({ mark, address }: Lease, one: Reservation) => one.address === address && one.comment.startsWith(mark);
  const ofLeases = bound.flatMap((lease): AuditFinding[] => {
    const own = (byMark.get(lease.mark) ?? []).filter(({ address }) => address === lease.address);
    if (own.some(({ view }) => view === lease.view)) return [];
    const who = whoOf(attachmentIn(lease.mark));
    const [moved] = own;
    if (moved !== undefined) return [finding('in another view', lease, `${who} has it in view ${moved.view} there`)];
    const changed = altered.find((one) => isOf(lease, one));
    if (changed !== undefined) return [finding('altered', lease, `the reservation of ${who} ${describe(changed)}`)];
    const holder = holders.get(lease.mark);
    return holder === undefined
      ? [finding('missing', lease, `the reservation of ${who} is not on the grid`)]
      : [finding('address of another', lease, `${who} uses it, and the grid keeps it for "${holder.comment}"`)];
  });
  const at = (one: Reservation) => ({ ...one, network: networkOf(one.comment) });
  const stray = altered.filter((one) => !bound.some((lease) => isOf(lease, one)));
  const unknown = [...byMark].flatMap(([mark, objects]) => (isKnown(mark) ? [] : objects));
  return [
    ...ofLeases,
    ...stray.map((one) => finding('altered', at(one), `an object with a mark of this host ${describe(one)}`)),
    ...unknown.map((one) => {
      const who = whoOf(attachmentIn(one.comment));
      return finding('without a lease', at(one), `the state of this host knows nothing of ${who}`);
    }),
  ];
}

/** Compares unchanged blocks of this host with the ranges under its marks. */
export function auditBlocks(
  blocks: readonly Block[],
  ranges: readonly Pick<Range, 'comment' | 'first' | 'view'>[],
  { isKnown }: Pick<Audited, 'isKnown'>,
): AuditFinding[] {
  const lost = blocks.filter(({ phase, mark }) => phase === 'held' && !ranges.some(({ comment }) => comment === mark));
  const unknown = ranges.filter(({ comment }) => !isKnown(comment));
  const at = ({ first, view, comment }: (typeof ranges)[number]) => {
    return { address: first, view, network: parseBlockMark(comment)?.network ?? '' };
  };
  return [
    ...lost.map((one) =>
      finding('block missing', { ...one, address: one.first }, `a block of ${one.size} is not there`),
    ),
    ...unknown.map((one) => finding('block without a state', at(one), `this host knows no block "${one.comment}"`)),
  ];
}
