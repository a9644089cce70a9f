/**
 * Decides what to do about a lease. All code that writes to the grid for a lease looks at it, asks `plan`, and executes the step; CHECK and
 * the import only look and ask. docs/architecture.md has the table, written from here.
 */
import type { GridError } from '../errors.ts';
import type { Sighting } from '../grid.ts';
import {
  aCreate,
  aDelete,
  type Doubt,
  type DoubtKind,
  doubtOf,
  kindOf,
  type Moment,
  nextRecheck,
  noCreate,
  noDelete,
} from './doubt.ts';
import type { Lease } from './lease.ts';

/** An object on the grid with the mark of the lease. */
export interface Found {
  readonly address: string;
  readonly view: string;
  /** The look that showed it; absent if only the answer to a create did: a write to it needs a look first. */
  readonly seen?: Sighting;
  /** Whether the present ADD made it: no delete in doubt was sent for it. */
  readonly fresh?: boolean;
  /** The mark of the rightful owner of its address if that is another attachment of this host, the gateway, or the host itself. */
  readonly owner?: string | undefined;
}

/** Tells whether two objects are the same: an address has one reservation per view. */
export function isSame(one: Pick<Found, 'address' | 'view'>, other: Pick<Found, 'address' | 'view'>): boolean {
  return one.address === other.address && one.view === other.view;
}

/** An object at the address of another attachment, of the gateway, or of this host. */
export type Another = Found & { readonly owner: string };

/** A look at the grid. */
export interface Look {
  /** All objects with the mark in the view of the lease; if there are none, in any view. */
  readonly found: readonly Found[];
  /** When the grid was asked, as the clock's `now`. The answer may be much later. */
  readonly askedAt: number;
  /**
   * Set, with the reason, if no host known to accept writes could be asked. Another one, a Grid Master Candidate, may lag behind the
   * master, so its answer proves nothing.
   */
  readonly unconfirmed?: GridError;
  /** Set if the grid was not asked, because no write of the lease was ever sent. */
  readonly unsent?: true;
  /** Set, with a description, if no object has the mark, but the one at the address of the lease had it before. */
  readonly altered?: string;
  /** For a pending lease: tells whether an address fits the ADD. */
  readonly fits?: (address: string) => boolean;
}

/** The phase, or `none` for an object without a lease in this state. */
export type PhaseOrNone = Lease['phase'] | 'none';

/**
 * What a look shows of a lease. `wanted` is the object that should exist: for a bound lease the one at its address, for a pending one an
 * object that fits and that no delete in doubt can remove, for a releasing one none. `surplus` are all other objects with the mark.
 * `altered`: none has the mark, but one that had it was changed. `shown, unconfirmed`: a host that may lag shows the object of a bound or
 * releasing lease; `unconfirmed`: any other answer of such a host. `unsent`: no look, because nothing was sent.
 */
const sights = [
  'unsent',
  'nothing',
  'wanted',
  'wanted and surplus',
  'surplus',
  'the address of another',
  'in another view',
  'altered',
  'shown, unconfirmed',
  'unconfirmed',
] as const;
export type Seen = (typeof sights)[number];

export type Step =
  | { readonly kind: 'nothing' | 'create' | 'recreate' | 'forget' }
  | { readonly kind: 'adopt'; readonly object: Found; readonly surplus: readonly Found[] }
  /** Removes one object: each removal needs its own look. */
  | { readonly kind: 'remove'; readonly object: Found }
  /**
   * Nothing to do before `at`, as the clock's `now`: a bound lease is fine until then. `impossible`: set, with the reason, for an
   * impossible combination, which is a bug.
   */
  | { readonly kind: 'look again'; readonly at: number; readonly impossible?: string }
  /** Gives an object the mark of its owner. */
  | { readonly kind: 'reassign'; readonly object: Another }
  /** The reservation was moved or altered: a person must decide. */
  | { readonly kind: 'refuse'; readonly moved?: Found | undefined; readonly altered?: string | undefined };

/**
 * One rule of the table: a set of combinations of phase, look and doubt. Every combination meets exactly one. `impossible`: if it occurs,
 * nothing is written, and the daemon looks again later.
 */
export interface Rule {
  readonly phase: PhaseOrNone;
  readonly seen: readonly Seen[];
  /** Omitted: any. */
  readonly doubt?: readonly DoubtKind[];
  readonly step: Step['kind'] | 'impossible';
  readonly because: string;
}

const unconfirmed: readonly Seen[] = ['shown, unconfirmed', 'unconfirmed'];

// biome-ignore format: a table reads as a table
export const table: readonly Rule[] = [
  { phase: 'none', seen: ['nothing'], doubt: ['none'], step: 'nothing', because: 'there is nothing to import' },
  { phase: 'none', seen: ['wanted', 'wanted and surplus'], doubt: ['none'], step: 'adopt', because: 'a container may have been told this address' },
  { phase: 'none', seen: ['the address of another'], doubt: ['none'], step: 'nothing', because: 'a live attachment has the address: the mark of its reservation was changed' },
  { phase: 'none', seen: ['unconfirmed'], doubt: ['none'], step: 'nothing', because: 'a host may lag behind: the address may have another owner by now' },

  { phase: 'pending', seen: ['nothing'], step: 'create', because: 'there is no object to use; an object of a create in doubt is looked for after the ADD' },
  { phase: 'pending', seen: ['unconfirmed'], doubt: noCreate, step: 'create', because: 'only a host that accepts writes carries out the create; duplicates are looked for after the ADD' },
  { phase: 'pending', seen: ['unconfirmed'], doubt: aCreate, step: 'look again', because: 'only a host that accepts writes can tell whether the create was carried out' },
  { phase: 'pending', seen: ['wanted', 'wanted and surplus'], step: 'adopt', because: 'this attempt or an earlier one reserved it, and no caller was told' },
  { phase: 'pending', seen: ['surplus'], doubt: noDelete, step: 'remove', because: 'it does not fit the ADD' },
  { phase: 'pending', seen: ['surplus'], doubt: aDelete, step: 'create', because: 'the delete may still remove it, so its address is not used, and no second delete is sent' },
  { phase: 'pending', seen: ['the address of another'], step: 'reassign', because: 'the grid assigned it wrongly: the reservation of a live attachment or of the gateway was lost, or the host itself has the address' },
  { phase: 'pending', seen: ['in another view'], step: 'refuse', because: 'the view was renamed or the object moved; a second reservation would be surplus' },

  { phase: 'bound', seen: ['unsent'], doubt: ['none'], step: 'recreate', because: 'its address is from a block of this host, and the create is owed' },
  { phase: 'bound', seen: ['nothing'], step: 'recreate', because: 'a live attachment has lost its reservation' },
  { phase: 'bound', seen: ['wanted'], doubt: noCreate, step: 'nothing', because: 'the reservation is as it should be' },
  { phase: 'bound', seen: ['wanted'], doubt: aCreate, step: 'look again', because: 'the create may still leave a surplus object' },
  { phase: 'bound', seen: ['wanted and surplus', 'surplus'], doubt: noDelete, step: 'remove', because: 'the answer to a create was lost, and its object has turned up' },
  { phase: 'bound', seen: ['wanted and surplus'], doubt: aDelete, step: 'look again', because: 'the delete may still remove the surplus; a second one could hit a later owner of that address' },
  { phase: 'bound', seen: ['surplus'], doubt: aDelete, step: 'recreate', because: 'a live attachment has lost its reservation; the delete may still remove the surplus' },
  { phase: 'bound', seen: ['the address of another'], step: 'reassign', because: 'the answer to a create was lost, and it reserved the address of another attachment' },
  { phase: 'bound', seen: ['in another view'], step: 'refuse', because: 'the view was renamed or the object moved; the address is still reserved' },
  { phase: 'bound', seen: ['altered'], step: 'refuse', because: 'it was changed on purpose; the address is still taken' },
  { phase: 'bound', seen: ['shown, unconfirmed'], step: 'look again', because: 'a host may lag behind; a repeated ADD gets the address' },
  { phase: 'bound', seen: ['unconfirmed'], step: 'recreate', because: 'a create is refused if the object exists, and the host that accepts it is the one to ask from now on' },

  { phase: 'releasing', seen: ['unsent'], doubt: ['none'], step: 'forget', because: 'nothing was sent to the grid for it' },
  { phase: 'releasing', seen: ['nothing'], doubt: noCreate, step: 'forget', because: 'no object has its mark, and none can appear' },
  { phase: 'releasing', seen: ['altered'], doubt: noCreate, step: 'refuse', because: 'it was changed on purpose; the address stays reserved until a person undoes that or deletes it' },
  { phase: 'releasing', seen: ['nothing', 'altered'], doubt: aCreate, step: 'look again', because: 'the create may still be carried out' },
  { phase: 'releasing', seen: ['surplus'], doubt: noDelete, step: 'remove', because: 'it is no longer needed' },
  { phase: 'releasing', seen: ['surplus'], doubt: aDelete, step: 'look again', because: 'one delete may still be carried out; a second one could hit a later owner of the address' },
  { phase: 'releasing', seen: ['the address of another'], step: 'reassign', because: 'removing it would take the address from the attachment that uses it' },
  { phase: 'releasing', seen: ['shown, unconfirmed'], doubt: noDelete, step: 'remove', because: 'the delete goes only to the host that showed it: a lagging host refuses it, and on one that accepts it the object exists' },
  { phase: 'releasing', seen: ['unconfirmed'], doubt: noDelete, step: 'recreate', because: 'as for a bound lease; a host that accepts writes then removes the new object' },
  { phase: 'releasing', seen: unconfirmed, doubt: aDelete, step: 'look again', because: 'the delete may still be carried out; another host may lag behind' },

  { phase: 'none', seen: ['unsent', 'surplus', 'in another view', 'altered', 'shown, unconfirmed'], doubt: ['none'], step: 'impossible', because: 'without a lease, each object with the mark is wanted, in any view' },
  { phase: 'none', seen: sights, doubt: ['create', 'delete', 'both'], step: 'impossible', because: 'only a lease can be in doubt' },
  { phase: 'pending', seen: ['unsent', 'altered', 'shown, unconfirmed'], step: 'impossible', because: 'it has no address at which to look' },
  { phase: 'bound', seen: ['unsent'], doubt: ['create', 'delete', 'both'], step: 'impossible', because: 'a write in doubt was sent' },
  { phase: 'releasing', seen: ['unsent'], doubt: ['create', 'delete', 'both'], step: 'impossible', because: 'a write in doubt was sent' },
  { phase: 'releasing', seen: ['wanted', 'wanted and surplus', 'in another view'], step: 'impossible', because: 'none of its objects is wanted, in any view' },
];

/**
 * Decides what to do about a lease.
 * @param lease as in the state now; undefined for objects without a lease
 * @returns one step; after `remove`, look again
 */
export function plan(lease: Lease | undefined, look: Look, moment: Moment): Step {
  const doubt = doubtOf(lease, { ...moment, askedAt: look.askedAt });
  const sight = sightOf(lease, look, doubt);
  const verdict = ruleFor(lease?.phase ?? 'none', sight.seen, kindOf(doubt));
  if (verdict.step === 'impossible') {
    return { kind: 'look again', at: nextLook(sight, doubt, moment), impossible: verdict.because };
  }
  // Without an address there is nothing to re-create.
  const step = verdict.step === 'recreate' && lease?.address == null ? 'look again' : verdict.step;
  switch (step) {
    case 'adopt': {
      const [object, ...surplus] = [...sight.wanted, ...sight.surplus];
      if (object === undefined) throw new Error('nothing to adopt');
      return { kind: step, object, surplus };
    }
    case 'refuse':
      return { kind: step, moved: sight.surplus[0], altered: look.altered };
    case 'reassign':
      if (sight.another === undefined) throw new Error('nothing to reassign');
      return { kind: step, object: sight.another };
    case 'remove': {
      const [object] = sight.surplus;
      if (object === undefined) throw new Error('nothing to remove');
      return { kind: step, object };
    }
    case 'look again':
      return { kind: step, at: nextLook(sight, doubt, moment) };
    default:
      return { kind: step };
  }
}

/** Finds the rule for a combination. */
export function ruleFor(phase: PhaseOrNone, seen: Seen, doubt: DoubtKind): Rule {
  const isMet = (row: Rule) => row.phase === phase && row.seen.includes(seen) && row.doubt?.includes(doubt) !== false;
  const rule = table.find(isMet);
  if (rule === undefined) throw new Error(`no rule for ${phase}, ${seen}, doubt ${doubt}`);
  return rule;
}

interface Sight {
  readonly seen: Seen;
  readonly wanted: readonly Found[];
  readonly surplus: readonly Found[];
  /** A surplus object that can be reassigned now. */
  readonly another?: Another;
}

/** Sorts the found objects into wanted and surplus ones. */
function sightOf(lease: Lease | undefined, look: Look, doubt: Doubt): Sight {
  const { found, unconfirmed, altered, fits = () => true } = look;
  if (look.unsent) return { wanted: [], surplus: [], seen: 'unsent' };
  if (unconfirmed !== undefined) {
    const isWanted = lease?.phase === 'bound' && found.some(({ address }) => address === lease.address);
    const surplus = lease?.phase === 'releasing' && !found.some(isAnothers) ? found : [];
    return { wanted: [], surplus, seen: isWanted || surplus.length > 0 ? 'shown, unconfirmed' : 'unconfirmed' };
  }
  if (found.length === 0) return { wanted: [], surplus: [], seen: altered === undefined ? 'nothing' : 'altered' };
  const isSafe = ({ fresh }: Found) => fresh === true || doubt.delete === null;
  const isWanted = (object: Found) => {
    if (lease === undefined) return !isAnothers(object);
    if (lease.phase === 'bound') return object.address === lease.address;
    return lease.phase === 'pending' && !isAnothers(object) && isSafe(object) && fits(object.address);
  };
  const anywhere = lease === undefined || lease.phase === 'releasing';
  const here = found.filter(({ view }) => anywhere || view === lease.view);
  const wanted = here.filter(isWanted).slice(0, 1);
  // With unknown callers, as after an import, a container may have been told any of these addresses.
  const mayBeTold = lease?.phase === 'bound' && lease.callers === null;
  const surplus = here.filter((object) => !wanted.includes(object) && (!mayBeTold || isAnothers(object)));
  if (here.length === 0) return { seen: 'in another view', wanted, surplus: found };
  const another = surplus.filter(isAnothers).find(isSafe);
  if (another !== undefined && (lease !== undefined || wanted.length === 0))
    return { seen: 'the address of another', wanted, surplus, another };
  if (wanted.length === 0) return { seen: surplus.length > 0 ? 'surplus' : 'nothing', wanted, surplus };
  return { seen: surplus.length > 0 ? 'wanted and surplus' : 'wanted', wanted, surplus };
}

function isAnothers(object: Found): object is Another {
  return object.owner !== undefined;
}

/** Returns when to look again: after a delete in doubt has ended; earlier for a create in doubt or a host that may lag. */
function nextLook({ seen, surplus }: Sight, doubt: Doubt, moment: Moment): number {
  if (seen.endsWith('unconfirmed')) return moment.now + moment.window.recheck;
  if (surplus.length > 0 && doubt.delete !== null) return doubt.delete;
  return doubt.create === null ? moment.now + moment.window.recheck : nextRecheck(doubt.create, moment);
}
