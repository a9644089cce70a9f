/**
 * What the operator's commands ask of the daemon, over the socket that plugins use (protocol.ts): the same frames, methods of
 * their own. Daemon and command come from one executable; an answer is checked all the same, since the daemon that runs may be
 * of another release.
 */
import * as v from 'valibot';

/** Milliseconds since 1970. */
export const time = v.number();
const text = v.string();
const maybeText = v.nullable(v.string());
/** `resting`: it is released, and its reservation is kept until the cool-down is over. */
const phase = v.picklist(['pending', 'bound', 'resting', 'releasing']);

const Condition = v.object({ kind: text, subject: text, message: text, hint: maybeText, since: time });

/** A block of this host, or one that it gives back for another that is gone. */
const BlockRecord = v.object({
  mark: text,
  network: text,
  view: text,
  /** CIDR of its network. */
  cidr: text,
  first: text,
  last: text,
  /** The host that is gone; null: it is this host's. */
  host: maybeText,
  /** `waiting`: for the grid to confirm it. `stopped`: by what a condition names. */
  state: v.picklist(['taking', 'serving', 'waiting', 'stopped', 'draining']),
  /** Addresses that can be given now, that containers have, and that rest or are being released. */
  free: v.number(),
  held: v.number(),
  resting: v.number(),
  confirmedAt: v.nullable(time),
  /** Until when it serves if the grid does not confirm it again; null: it does not serve. */
  expiresAt: v.nullable(time),
  /** Until when it is left alone, since its host may live; null: it is not. */
  returnAt: v.nullable(time),
});

const Status = v.object({
  version: text,
  commit: text,
  startedAt: time,
  cluster: text,
  node: text,
  driver: text,
  stateDir: text,
  grid: v.object({
    hosts: v.array(text),
    /** The host that answered last; null before the first answer. */
    inUse: maybeText,
    /** Milliseconds since 1970 of the last good answer; null before the first. */
    answeredAt: v.nullable(time),
    port: v.number(),
    wapiVersion: text,
    user: text,
    /** How the grid is known to be the grid: `verified`, `pinned` or `unverified`. */
    trust: text,
    /** Whether the host in use has let this host in. */
    isLoggedIn: v.boolean(),
    /** When the certificate that the host in use has shown ends; null if it has shown none. */
    certificateEndsAt: v.nullable(time),
    /** When the client certificate of this host ends; null without one. */
    clientCertificateEndsAt: v.nullable(time),
  }),
  /** Earlier names of this host under which it still has leases. */
  formerNames: v.array(text),
  conditions: v.array(Condition),
  /** Networks that this host's leases or calls name. */
  networks: v.array(
    v.object({
      name: text,
      view: text,
      /** CIDR; null if no ADD since the start has asked for it. */
      cidr: maybeText,
      /** Addresses of this host. */
      bound: v.number(),
      /** Host addresses of the network in the grid, and those of them in use by anybody; null if not known. */
      total: v.nullable(v.number()),
      used: v.nullable(v.number()),
    }),
  ),
  blocks: v.array(BlockRecord),
  /** Whether the blocks of this host go back when they are empty, and no more are taken. */
  blocksReleased: v.boolean(),
  /** By phase; `owed`: bound ones whose reservation the grid has not got yet. */
  leases: v.object({
    pending: v.number(),
    bound: v.number(),
    owed: v.number(),
    resting: v.number(),
    releasing: v.number(),
  }),
  /** Since when the oldest release waits that could be carried out; null if there is none. */
  oldestRelease: v.nullable(time),
  /** What the log had as errors lately, the newest last. */
  errors: v.array(v.object({ at: time, message: text, error: maybeText, hint: maybeText })),
});

/** What keeps every ADD from being served; null if nothing is known to. */
const probe = v.object({ notReady: v.nullable(v.object({ message: text, hint: maybeText })) });

const LeaseRecord = v.object({
  mark: text,
  network: text,
  containerId: text,
  ifName: text,
  view: text,
  address: maybeText,
  phase,
  /** Null for an imported one. */
  createdAt: v.nullable(time),
  /** When the reconciler acts on it next; until then a resting one rests. */
  dueAt: v.nullable(time),
  attempts: v.number(),
  /** Whether a write for it was sent whose answer was lost. */
  inDoubt: v.boolean(),
  /** Whether its address is one of a block of this host, and whether the grid has to get its reservation yet. */
  inBlock: v.boolean(),
  isOwed: v.boolean(),
  /** Path of the network namespace. */
  netns: maybeText,
  sandbox: v.picklist(['alive', 'gone', 'unknown']),
  /** What runs there, by the orchestrator's names, `namespace/pod`; the container ID where it gave none. */
  workload: text,
});

/** Who held an address for a while. Times as ISO 8601 writes them, in UTC, as the host's clock was then. */
const Holding = v.object({
  address: text,
  view: text,
  network: text,
  container: text,
  interface: text,
  namespace: v.exactOptional(text),
  pod: v.exactOptional(text),
  job: v.exactOptional(text),
  taskGroup: v.exactOptional(text),
  region: v.exactOptional(text),
  uid: v.exactOptional(text),
  /** When the address was given; null if that is not known: the state was lost since, and this imported from the grid. */
  from: maybeText,
  /** When it was written down: the address was held then. Of interest where `from` is null. */
  recorded: text,
  /** When nobody needed it any more; null while it is held. */
  until: maybeText,
  releasedBy: maybeText,
  /** When the grid had it back, or the same attachment asked anew; null if neither has happened. */
  returned: maybeText,
  /**
   * Its times contradict themselves, or those of another holding in the same view. An address is never given twice: the clock of
   * the host was set back, or the history could not be written for a while.
   */
  overlaps: v.boolean(),
});

const HoldersAt = v.object({
  at: text,
  /** `perhaps`: its beginning is not known, or the clock was set back. `released`: it was still reserved on the grid. */
  holders: v.array(v.object({ ...Holding.entries, state: v.picklist(['held', 'perhaps', 'released']) })),
  before: v.exactOptional(Holding),
  after: v.exactOptional(Holding),
});

const History = v.object({
  /** Since when the history is kept; null if it is not. */
  since: maybeText,
  /** All that is known of the address, the latest first. */
  holdings: v.array(Holding),
  /** The answer for one time, if one was asked for. */
  atTime: v.nullable(HoldersAt),
});

const leaseFilter = v.object({
  network: v.optional(text),
  /** The first characters of a container ID. */
  container: v.optional(text),
  /** An address, a pod or another workload by its name, a container by its ID or the first characters of it: the first that is met. */
  who: v.optional(text),
  address: v.optional(text),
  phase: v.optional(phase),
});

const releasedLeases = v.object({
  /** What is being released, or would be. */
  leases: v.array(LeaseRecord),
  /** What was left alone, and why. */
  kept: v.array(v.object({ lease: LeaseRecord, why: text })),
  /** Leases of all containers that may be meant, if there are several: nothing is released then. */
  ambiguous: v.array(LeaseRecord),
});

/** An address that the grid keeps. */
const Holder = v.object({
  address: text,
  view: text,
  comment: text,
  /** Of the workload, as the grid has it. */
  name: text,
  /** The attachment that has it, and its host; null if no container of this driver has, or somebody has altered its reservation. */
  attachment: v.nullable(v.object({ cluster: text, node: text, network: text, containerId: text, ifName: text })),
  /** What it is instead of a reservation; null if it is one. */
  altered: maybeText,
  /** Null if the grid does not say. */
  reservedAt: v.nullable(time),
});

const Whois = v.object({
  /** Of this host. */
  leases: v.array(LeaseRecord),
  /** On whichever host. */
  holders: v.array(Holder),
  /** What the grid says, in its words, of an address that is reserved for nobody. */
  uses: v.array(v.object({ view: text, network: text, status: text, types: v.array(text), names: v.array(text) })),
  /** Who had each address on this host last, and has it no more. */
  last: v.array(Holding),
  /** What could not be found out, and why. */
  notes: v.array(text),
});

/** Blocks of addresses. */
const blocks = v.array(v.object({ first: text, size: v.number(), view: text, network: text }));

/** What another host of this cluster has reserved, in all views. */
const hostReservations = v.object({
  cluster: text,
  reservations: v.array(
    v.object({
      mark: text,
      view: text,
      address: text,
      network: text,
      containerId: text,
      ifName: text,
      /** Null if the grid does not say. */
      reservedAt: v.nullable(time),
    }),
  ),
  blocks,
  /** What looks like it, and why it is left alone. */
  unclear: v.array(v.object({ view: text, address: text, why: text })),
});

/** What has become of a page of them. */
const hostRelease = v.object({
  /** Marks. */
  released: v.array(text),
  left: v.array(v.object({ mark: text, why: text })),
  /** Why the rest was not begun; null if all was, or the caller has left. */
  stopped: v.nullable(v.object({ message: text, hint: maybeText })),
});

/** The methods: what goes in and what comes out. */
export const operatorMethods = {
  'operator/status': { params: v.object({}), result: Status },
  'operator/probe': { params: v.object({}), result: probe },
  'operator/leases': { params: leaseFilter, result: v.object({ leases: v.array(LeaseRecord) }) },
  'operator/whois': { params: v.object({ who: text }), result: Whois },
  'operator/history': { params: v.object({ address: text, at: v.optional(time) }), result: History },
  'operator/gc': { params: v.object({ dryRun: v.boolean() }), result: releasedLeases },
  'operator/release': {
    /** `who`: as for `leases`; `isWhole`: not the first characters of an ID. */
    params: v.object({ who: text, isWhole: v.boolean(), network: v.optional(text), evenIfAlive: v.boolean() }),
    result: releasedLeases,
  },
  'operator/host-reservations': { params: v.object({ host: text }), result: hostReservations },
  'operator/release-host': {
    params: v.object({ host: text, reservations: v.array(v.object({ mark: text, view: text })) }),
    result: hostRelease,
  },
  /** `isOff`: it is known to give no address any more, so that its blocks go back at once. */
  'operator/release-host-blocks': {
    params: v.object({ host: text, isOff: v.boolean() }),
    result: v.object({ blocks, waitMs: v.number() }),
  },
  /** `undo`: they serve again. */
  'operator/release-blocks': { params: v.object({ undo: v.boolean() }), result: v.object({ blocks }) },
} as const;

export type OperatorMethod = keyof typeof operatorMethods;
export type OperatorParams<M extends OperatorMethod> = v.InferOutput<(typeof operatorMethods)[M]['params']>;
export type OperatorResult<M extends OperatorMethod> = v.InferOutput<(typeof operatorMethods)[M]['result']>;
export type Status = v.InferOutput<typeof Status>;
export type History = v.InferOutput<typeof History>;
export type Holding = v.InferOutput<typeof Holding>;
export type BlockRecord = v.InferOutput<typeof BlockRecord>;
export type LeaseRecord = v.InferOutput<typeof LeaseRecord>;
export type Holder = v.InferOutput<typeof Holder>;
export type HostReservation = v.InferOutput<typeof hostReservations>['reservations'][number];

/** How far a long work has come. */
export const Progress = v.object({ done: v.number(), total: v.number() });
export type Progress = v.InferOutput<typeof Progress>;

/** Tells whether a method is one of the operator's. */
export function isOperatorMethod(method: string): method is OperatorMethod {
  return Object.hasOwn(operatorMethods, method);
}

/** Makes the message that tells how far the daemon has come, ready to send. */
export function progressFrame(progress: Progress): string {
  return `${JSON.stringify({ jsonrpc: '2.0', method: 'progress', params: progress })}\n`;
}
