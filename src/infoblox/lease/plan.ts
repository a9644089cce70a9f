/**
 * What to do about a lease: the one place where it is decided. Whoever writes to the grid for a lease looks at it, asks
 * `plan`, and carries out the step; CHECK and the import only look and ask. They differ in who asks and how long they may
 * take. The table is in docs/architecture.md, too, written from here.
 */
import type { GridError } from '../errors.ts';
import type { Sighting } from '../grid.ts';
import { type Doubt, doubtOf, type Moment, nextRecheck } from './doubt.ts';
import type { Lease } from './lease.ts';

/** An object on the grid that carries the mark of the lease. */
export interface Found {
  readonly address: string;
  readonly view: string;
  /** The look that has shown it; absent if only the answer to a create has told it: it is looked at before it is written to. */
  readonly seen?: Sighting;
  /** Made by the ADD under way: no delete that is in doubt was sent for it. */
  readonly fresh?: boolean;
  /** The mark of another attachment of this host, of the gateway, or of the host, if the address is not for this attachment. */
  readonly owner?: string | undefined;
}

/** Tells whether two are one: an address has one reservation in its view. */
export function isSame(one: Pick<Found, 'address' | 'view'>, other: Pick<Found, 'address' | 'view'>): boolean {
  return one.address === other.address && one.view === other.view;
}

/** An object at the address of another attachment, of the gateway, or of this host. */
export type Another = Found & { readonly owner: string };

/** A look at the grid. */
export interface Look {
  /** All objects that carry the mark, in the view of the lease or, if there is none, in any. */
  readonly found: readonly Found[];
  /** When the grid was asked, milliseconds since 1970. The answer may be much later. */
  readonly askedAt: number;
  /**
   * Set if no host that is known to accept writes could be asked: why. Another one, a Grid Master Candidate, may lag behind
   * the master, so what it shows is no proof of anything.
   */
  readonly unconfirmed?: GridError;
  /** Set if the grid was not asked: nothing of the lease was ever sent. */
  readonly unsent?: true;
  /** Set if nothing carries the mark, but the object at the address of the lease did: what it is now, in words. */
  readonly altered?: string;
  /** For a pending lease: whether an address is what the ADD asks for. */
  readonly fits?: (address: string) => boolean;
}

/** The phase, or `none` for an object whose lease this state does not have. */
export type PhaseOrNone = Lease['phase'] | 'none';

/**
 * What the grid shows of a lease. `wanted` is the object that should be there: for a bound lease the one at its address,
 * for a pending one an address that fits and that no delete in doubt can remove, for a releasing one none. `surplus` is
 * all else that carries the mark. `altered`: nothing carries it, but an object that did was changed by somebody.
 * `shown, unconfirmed`: a host that may lag shows what a bound lease wants, or what a releasing one has. All else that is
 * unconfirmed is not told apart. `unsent`: nothing was looked at, for nothing was sent.
 */
export type Seen =
  | 'unsent'
  | 'nothing'
  | 'wanted'
  | 'wanted and surplus'
  | 'surplus'
  | 'the address of another'
  | 'in another view'
  | 'altered'
  | 'shown, unconfirmed'
  | 'unconfirmed';

export type DoubtKind = 'none' | 'create' | 'delete' | 'both';

export type Step =
  | { readonly kind: 'nothing' | 'create' | 'recreate' | 'forget' }
  | { readonly kind: 'adopt'; readonly object: Found; readonly surplus: readonly Found[] }
  /** One: each needs a look of its own. */
  | { readonly kind: 'remove'; readonly object: Found }
  /**
   * There is nothing to do before `at`, milliseconds since 1970: a bound lease is as it should be until then. `impossible`: set if this
   * cannot be, an error of this program: why.
   */
  | { readonly kind: 'look again'; readonly at: number; readonly impossible?: string }
  /** To be given the mark of its owner. */
  | { readonly kind: 'reassign'; readonly object: Another }
  /** Somebody has moved or altered it: a person has to decide. */
  | { readonly kind: 'refuse'; readonly moved?: Found | undefined; readonly altered?: string | undefined };

/** A set of combinations of phase, sight and doubt. */
interface Row {
  readonly phase: PhaseOrNone;
  readonly seen: readonly Seen[];
  /** Any, if it is left out. */
  readonly doubt?: readonly DoubtKind[];
  readonly because: string;
}

/** One rule of the table. Every combination meets exactly one, or one impossibility. */
export interface Rule extends Row {
  readonly step: Step['kind'];
}

const noDelete: readonly DoubtKind[] = ['none', 'create'];
const noCreate: readonly DoubtKind[] = ['none', 'delete'];
const aDelete: readonly DoubtKind[] = ['delete', 'both'];
const aCreate: readonly DoubtKind[] = ['create', 'both'];
const unconfirmed: readonly Seen[] = ['shown, unconfirmed', 'unconfirmed'];

// biome-ignore format: a table reads as a table
export const table: readonly Rule[] = [
  { phase: 'none', seen: ['nothing'], doubt: ['none'], step: 'nothing', because: 'there is nothing to answer for' },
  { phase: 'none', seen: ['wanted', 'wanted and surplus'], doubt: ['none'], step: 'adopt', because: 'whoever was told this address may use it' },
  { phase: 'none', seen: ['the address of another'], doubt: ['none'], step: 'nothing', because: 'it is a live attachment that uses it: somebody has changed its mark' },
  { phase: 'none', seen: ['unconfirmed'], doubt: ['none'], step: 'nothing', because: 'what only a host shows that may lag behind may be another\'s by now' },

  { phase: 'pending', seen: ['nothing'], step: 'create', because: 'nothing is there to use; what a create in doubt may still leave is looked for after the ADD' },
  { phase: 'pending', seen: ['unconfirmed'], doubt: noCreate, step: 'create', because: 'the create goes to a host that accepts writes; what it duplicates is looked for after the ADD' },
  { phase: 'pending', seen: ['unconfirmed'], doubt: aCreate, step: 'look again', because: 'whether the create was carried out only a host that accepts writes can tell' },
  { phase: 'pending', seen: ['wanted', 'wanted and surplus'], step: 'adopt', because: 'this attempt or an earlier one took it, and nobody was told' },
  { phase: 'pending', seen: ['surplus'], doubt: noDelete, step: 'remove', because: 'it is not what the ADD asks for' },
  { phase: 'pending', seen: ['surplus'], doubt: aDelete, step: 'create', because: 'the delete may still remove it, so nobody is told its address, and no second delete is sent' },
  { phase: 'pending', seen: ['the address of another'], step: 'reassign', because: 'the grid gave it away: the reservation of a live attachment or of the gateway was lost, or the host itself has the address' },
  { phase: 'pending', seen: ['in another view'], step: 'refuse', because: 'the view was renamed or the object moved; a second reservation would be one too many' },

  { phase: 'bound', seen: ['unsent'], doubt: ['none'], step: 'recreate', because: 'its address is of a block of this host, and the create is owed' },
  { phase: 'bound', seen: ['nothing'], step: 'recreate', because: 'a live attachment has lost its reservation' },
  { phase: 'bound', seen: ['wanted'], doubt: noCreate, step: 'nothing', because: 'the grid shows what it should' },
  { phase: 'bound', seen: ['wanted'], doubt: aCreate, step: 'look again', because: 'the create may still leave a surplus object' },
  { phase: 'bound', seen: ['wanted and surplus', 'surplus'], doubt: noDelete, step: 'remove', because: 'the answer to a create was lost, and its object has turned up' },
  { phase: 'bound', seen: ['wanted and surplus'], doubt: aDelete, step: 'look again', because: 'the delete may still remove the surplus; a second one could hit a later owner of that address' },
  { phase: 'bound', seen: ['surplus'], doubt: aDelete, step: 'recreate', because: 'a live attachment has lost its reservation; the delete may still remove the surplus' },
  { phase: 'bound', seen: ['the address of another'], step: 'reassign', because: 'the answer to a create was lost, and what it took is the address of another attachment' },
  { phase: 'bound', seen: ['in another view'], step: 'refuse', because: 'the view was renamed or the object moved; the address is still reserved' },
  { phase: 'bound', seen: ['altered'], step: 'refuse', because: 'somebody has changed it on purpose; the address is still taken' },
  { phase: 'bound', seen: ['shown, unconfirmed'], step: 'look again', because: 'a host that does not accept writes may lag behind; the attachment may be told the address once more' },
  { phase: 'bound', seen: ['unconfirmed'], step: 'recreate', because: 'a create tells what no look can: the grid refuses it if the object is there, and a host that takes it is the one to ask from now on' },

  { phase: 'releasing', seen: ['unsent'], doubt: ['none'], step: 'forget', because: 'the grid has never been asked for its address' },
  { phase: 'releasing', seen: ['nothing'], doubt: noCreate, step: 'forget', because: 'nothing is left that carries the mark, and nothing can come any more' },
  { phase: 'releasing', seen: ['altered'], doubt: noCreate, step: 'refuse', because: 'somebody has changed it on purpose; the address is reserved until a person undoes that or deletes it' },
  { phase: 'releasing', seen: ['nothing', 'altered'], doubt: aCreate, step: 'look again', because: 'the create may still be carried out' },
  { phase: 'releasing', seen: ['surplus'], doubt: noDelete, step: 'remove', because: 'nobody needs it any more' },
  { phase: 'releasing', seen: ['surplus'], doubt: aDelete, step: 'look again', because: 'one delete is on its way; a second one could hit a later owner of the address' },
  { phase: 'releasing', seen: ['the address of another'], step: 'reassign', because: 'removing it would take the address from the attachment that uses it' },
  { phase: 'releasing', seen: ['shown, unconfirmed'], doubt: noDelete, step: 'remove', because: 'the delete goes to the host that shows it alone: one that lags does not accept it, and for one that does it is there' },
  { phase: 'releasing', seen: ['unconfirmed'], doubt: noDelete, step: 'recreate', because: 'as for a bound lease; what it makes is removed next, by a host that accepts writes' },
  { phase: 'releasing', seen: unconfirmed, doubt: aDelete, step: 'look again', because: 'the delete may still be carried out; another host may lag behind' },
];

/** What cannot be. If it is all the same, nothing is written: the grid is looked at again later. */
export const impossibilities: readonly Row[] = [
  {
    phase: 'none',
    seen: ['unsent', 'surplus', 'in another view', 'altered', 'shown, unconfirmed'],
    doubt: ['none'],
    because: 'all that carries the mark is wanted, wherever it is',
  },
  {
    phase: 'none',
    seen: [
      'unsent',
      'nothing',
      'wanted',
      'wanted and surplus',
      'surplus',
      'the address of another',
      'in another view',
      'altered',
      ...unconfirmed,
    ],
    doubt: ['create', 'delete', 'both'],
    because: 'it is a lease that is in doubt',
  },
  {
    phase: 'pending',
    seen: ['unsent', 'altered', 'shown, unconfirmed'],
    because: 'nobody was told an address at which to look',
  },
  ...(['bound', 'releasing'] as const).map((phase): Row => {
    return { phase, seen: ['unsent'], doubt: ['create', 'delete', 'both'], because: 'what is in doubt was sent' };
  }),
  {
    phase: 'releasing',
    seen: ['wanted', 'wanted and surplus', 'in another view'],
    because: 'nothing of it is wanted, in whatever view',
  },
];

/**
 * Decides what to do about a lease.
 * @param lease as the state has it now; undefined for objects whose lease this state does not have
 * @returns one step. After `remove` the grid is looked at again
 */
export function plan(lease: Lease | undefined, look: Look, moment: Moment): Step {
  const doubt = doubtOf(lease, { ...moment, askedAt: look.askedAt });
  const sight = sightOf(lease, look, doubt);
  const verdict = ruleFor(lease?.phase ?? 'none', sight.seen, kindOf(doubt));
  if (verdict.step === 'impossible') {
    return { kind: 'look again', at: nextLook(sight, doubt, moment), impossible: verdict.because };
  }
  // Where nobody was told an address there is none to ask for.
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

/** The one rule for a combination, or the one impossibility. */
export function ruleFor(
  phase: PhaseOrNone,
  seen: Seen,
  doubt: DoubtKind,
): { step: Rule['step'] | 'impossible'; because: string } {
  const isMet = (row: Row) => row.phase === phase && row.seen.includes(seen) && row.doubt?.includes(doubt) !== false;
  const rule = table.find(isMet);
  if (rule !== undefined) return rule;
  const impossible = impossibilities.find(isMet);
  if (impossible === undefined) throw new Error(`no rule for ${phase}, ${seen}, doubt ${doubt}`);
  return { step: 'impossible', because: impossible.because };
}

interface Sight {
  readonly seen: Seen;
  readonly wanted: readonly Found[];
  readonly surplus: readonly Found[];
  /** Of the surplus, what can be reassigned now. */
  readonly another?: Another;
}

/** Sorts what was found into what should be there and what should not. */
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
  // Where it is not known who was told what, as after an import, each object may be what somebody was told.
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

function kindOf(doubt: Doubt): DoubtKind {
  if (doubt.create !== null && doubt.delete !== null) return 'both';
  if (doubt.create !== null) return 'create';
  return doubt.delete === null ? 'none' : 'delete';
}

/** A delete in doubt is waited for to its end; a create in doubt, and a host that lags, are looked at before that. */
function nextLook({ seen, surplus }: Sight, doubt: Doubt, moment: Moment): number {
  if (seen.endsWith('unconfirmed')) return moment.now + moment.window.recheck;
  if (surplus.length > 0 && doubt.delete !== null) return doubt.delete;
  return doubt.create === null ? moment.now + moment.window.recheck : nextRecheck(doubt.create, moment);
}
