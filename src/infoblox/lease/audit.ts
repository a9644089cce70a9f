/** Compares what this host has bound with what the grid keeps under its marks. Nothing is changed: a person decides. */
import type { Reservation } from '../grid.ts';
import { type Attachment, attachmentIn, networkOf, parseMark, whoOf } from '../mark.ts';
import type { Block } from './block/block.ts';
import type { Lease } from './lease.ts';
import { describe, isExactlyOurs } from './observe.ts';

/** How a lease and the grid can differ. */
export type Difference =
  | 'missing'
  | 'altered'
  | 'in another view'
  | 'address of another'
  | 'without a lease'
  | 'block missing'
  | 'block without a state';

/** One difference. */
export interface AuditFinding {
  readonly kind: Difference;
  /** First address of a block. */
  readonly address: string;
  readonly view: string;
  readonly network: string;
  /** What is wrong, a clause. */
  readonly message: string;
  readonly fix: string;
}

/** What the grid shows. */
export type Shown = Pick<Reservation, 'address' | 'view' | 'comment' | 'isReserved' | 'matchedBy' | 'mac'>;

const restart = 'restart this container, or delete what has its address; the daemon reserves it again then';
const fixes: Readonly<Record<Exclude<Difference, 'altered'>, string>> = {
  missing:
    'the daemon reserves it again at the next ADD, CHECK by the runtime says so before; who deletes reservations?',
  'in another view': 'rename the view back, or let the configuration follow ("Renaming a network view")',
  'address of another': restart,
  'without a lease': 'GC of the runtime releases it; else be sure that no container has it, and delete it on the grid',
  'block missing': 'put it back as it was, or run release --blocks: none of its addresses is given until then',
  'block without a state': 'be sure that no other machine has the name of this host, then delete the range on the grid',
};

/**
 * Compares bound leases with the reservations that begin with a mark of this host.
 * @param bound those that were as they are before and after the grid was asked, and of which nothing is under way
 * @param isKnown whether a mark has a lease, or had one when the grid was asked
 * @param holders what is at the address of a lease that has no reservation, by its mark
 */
export function auditLeases(
  bound: readonly Lease[],
  shown: readonly Shown[],
  { isKnown, holders }: { readonly isKnown: (mark: string) => boolean; readonly holders: ReadonlyMap<string, Shown> },
): AuditFinding[] {
  const byMark = Map.groupBy(shown.filter(isOurs), ({ comment }) => comment);
  const ofLeases = bound.flatMap((lease): AuditFinding[] => {
    const { mark, view, address } = lease;
    const own = byMark.get(mark) ?? [];
    if (own.some((one) => one.address === address && one.view === view)) return [];
    const who = whoOf(attachmentIn(mark));
    const moved = own.find((one) => one.address === address);
    if (moved !== undefined)
      return [finding('in another view', lease, `${who} has it in view ${moved.view} on the grid`)];
    const altered = shown.find((one) => one.address === address && one.comment.startsWith(mark) && !isOurs(one));
    if (altered !== undefined) return [alteredFinding(lease, altered, `the reservation of ${who}`)];
    const holder = holders.get(mark);
    if (holder === undefined) return [finding('missing', lease, `the reservation of ${who} is not on the grid`)];
    return [finding('address of another', lease, `${who} uses it, and the grid keeps it for "${holder.comment}"`)];
  });
  const isOfLease = (one: Shown) =>
    bound.some(({ mark, address }) => one.address === address && one.comment.startsWith(mark));
  const strays = shown.flatMap((one): AuditFinding[] => {
    const place = { address: one.address, view: one.view, network: networkOf(one.comment) };
    if (!isOurs(one)) return isOfLease(one) ? [] : [alteredFinding(place, one, 'an object with a mark of this host')];
    if (isKnown(one.comment)) return [];
    const of: Attachment = attachmentIn(one.comment);
    return [finding('without a lease', place, `the state of this host knows nothing of ${whoOf(of)}`)];
  });
  return [...ofLeases, ...strays];
}

/** Compares blocks of this host, of which nothing is under way, with the ranges under its marks. */
export function auditBlocks(
  blocks: readonly Block[],
  ranges: readonly { readonly comment: string; readonly first: string; readonly view: string }[],
  isKnown: (mark: string) => boolean,
): AuditFinding[] {
  const isShown = (mark: string) => ranges.some(({ comment }) => comment === mark);
  return [
    ...blocks
      .filter(({ phase, mark }) => phase === 'held' && !isShown(mark))
      .map((block) =>
        finding(
          'block missing',
          { ...block, address: block.first },
          `a block of ${block.size} addresses is not on the grid`,
        ),
      ),
    ...ranges
      .filter(({ comment }) => !isKnown(comment))
      .map(({ comment, first, view }) =>
        finding(
          'block without a state',
          { address: first, view, network: networkOf(comment) },
          `the state of this host knows no block "${comment}"`,
        ),
      ),
  ];
}

function isOurs(one: Shown): boolean {
  return isExactlyOurs(one as Reservation) && parseMark(one.comment) !== undefined;
}

type Place = { readonly address: string | null; readonly view: string; readonly network: string };

function finding(
  kind: Exclude<Difference, 'altered'>,
  { address, view, network }: Place,
  message: string,
): AuditFinding {
  return { kind, address: address ?? '', view, network, message, fix: fixes[kind] };
}

function alteredFinding({ address, view, network }: Place, one: Shown, what: string): AuditFinding {
  const fix =
    'let its comment be the mark alone again, with the match RESERVED, or delete it when its container is gone';
  return {
    kind: 'altered',
    address: address ?? '',
    view,
    network,
    message: `${what} ${describe(one as Reservation)}`,
    fix,
  };
}
