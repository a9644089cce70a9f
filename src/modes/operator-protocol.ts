/**
 * Requests of the operator's commands to the daemon, over the plugins' socket and in the same frames (protocol.ts),
 * with their own methods. Answers are checked, although one executable holds both sides: the running daemon may be of
 * another release.
 */
import * as v from 'valibot';

/** Milliseconds since 1970. */
export const time = v.number();
const text = v.string();
const maybeText = v.nullable(v.string());
/** `resting`: released, with its reservation kept until the cool-down ends. */
const phase = v.picklist(['pending', 'bound', 'resting', 'releasing']);

const Condition = v.object({ kind: text, subject: text, message: text, hint: maybeText, since: time });

/** A block of this host, or of a former host for which this one returns it. */
const BlockRecord = v.object({
  mark: text,
  network: text,
  view: text,
  cidr: text,
  first: text,
  last: text,
  /** The former host; null for a block of this host. */
  host: maybeText,
  /** `waiting`: the grid has to confirm it. `stopped`: a condition names the reason. */
  state: v.picklist(['taking', 'serving', 'waiting', 'stopped', 'draining']),
  /** Addresses that are free, that containers hold, and that rest or are being released. */
  free: v.number(),
  held: v.number(),
  resting: v.number(),
  confirmedAt: v.nullable(time),
  /** When it stops serving unless the grid confirms it again; null if it does not serve. */
  expiresAt: v.nullable(time),
  /** When it will be returned, in case its host still lives; null if it is not a former host's. */
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
    /** How the grid's certificate is checked: `verified`, `pinned` or `unverified`. */
    trust: text,
    /** Whether this host is logged in at the grid host in use. */
    isLoggedIn: v.boolean(),
    /** Expiry of the certificate of the grid host in use; null before the first connection. */
    certificateEndsAt: v.nullable(time),
    /** Expiry of this host's client certificate; null without one. */
    clientCertificateEndsAt: v.nullable(time),
  }),
  /** Earlier names of this host that still own leases. */
  formerNames: v.array(text),
  conditions: v.array(Condition),
  /** Networks of this host's leases and calls. */
  networks: v.array(
    v.object({
      name: text,
      view: text,
      /** CIDR; null if no ADD has looked it up since the start. */
      cidr: maybeText,
      /** Addresses of this host. */
      bound: v.number(),
      /** Host addresses of the network on the grid, and how many are in use; null if unknown. */
      total: v.nullable(v.number()),
      used: v.nullable(v.number()),
    }),
  ),
  blocks: v.array(BlockRecord),
  /** Whether this host returns its blocks once they are empty, and takes no more. */
  blocksReleased: v.boolean(),
  /** By phase. `owed`: bound leases whose reservation is still to be made on the grid. */
  leases: v.object({
    pending: v.number(),
    bound: v.number(),
    owed: v.number(),
    resting: v.number(),
    releasing: v.number(),
  }),
  /** When the oldest release that can be carried out was due; null if there is none. */
  oldestRelease: v.nullable(time),
  /** The last errors of the log, newest last. */
  errors: v.array(v.object({ at: time, message: text, error: maybeText, hint: maybeText })),
});

/** Why every ADD would fail; null if no reason is known. */
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
  /** When the reconciler acts on it next; a resting lease rests until then. */
  dueAt: v.nullable(time),
  attempts: v.number(),
  /** Whether the answer to a write for it was lost. */
  inDoubt: v.boolean(),
  /** Whether its address is from a block of this host, and whether its reservation is still to be made on the grid. */
  inBlock: v.boolean(),
  isOwed: v.boolean(),
  /** Path of the network namespace. */
  netns: maybeText,
  sandbox: v.picklist(['alive', 'gone', 'unknown']),
  /** The workload by its orchestrator's names, `namespace/pod`; otherwise the container ID. */
  workload: text,
});

/** One holder of an address. Times are ISO 8601, UTC, by the host's clock at the time. */
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
  /** When the address was allocated; null if the lease was imported from the grid after the state was lost. */
  from: maybeText,
  /** When it was recorded: the address was held then. Useful if `from` is null. */
  recorded: text,
  /** When the container stopped using it; null while it is held. */
  until: maybeText,
  releasedBy: maybeText,
  /** When it was returned to the grid, or the same attachment took it again; null before that. */
  returned: maybeText,
  /**
   * Its times contradict each other or another holding in the same view. That does not mean a double allocation: the
   * host's clock was set back, or the history could not be written for a while.
   */
  overlaps: v.boolean(),
});

const HoldersAt = v.object({
  at: text,
  /** `perhaps`: its start is unknown, or the clock was set back. `released`: its reservation was still on the grid. */
  holders: v.array(v.object({ ...Holding.entries, state: v.picklist(['held', 'perhaps', 'released']) })),
  before: v.exactOptional(Holding),
  after: v.exactOptional(Holding),
});

const History = v.object({
  /** Start of the history; null if none is kept. */
  since: maybeText,
  /** The known holdings of the address, latest first. */
  holdings: v.array(Holding),
  /** The holders at the requested time, if there is one. */
  atTime: v.nullable(HoldersAt),
});

const leaseFilter = v.object({
  network: v.optional(text),
  /** A prefix of a container ID. */
  container: v.optional(text),
  /** An address, the name of a pod or another workload, or a prefix of a container ID; the first kind that matches. */
  who: v.optional(text),
  address: v.optional(text),
  phase: v.optional(phase),
});

const releasedLeases = v.object({
  /** Leases that are being released, or would be in a dry run. */
  leases: v.array(LeaseRecord),
  /** Leases that are kept, with the reason. */
  kept: v.array(v.object({ lease: LeaseRecord, why: text })),
  /** Leases of all matching containers if several match: then nothing is released. */
  ambiguous: v.array(LeaseRecord),
});

/** A reserved address on the grid. */
const Holder = v.object({
  address: text,
  view: text,
  comment: text,
  /** The workload's name on the grid. */
  name: text,
  /** The attachment that holds it; null if it is not a container's of this driver, or its reservation was altered. */
  attachment: v.nullable(v.object({ cluster: text, node: text, network: text, containerId: text, ifName: text })),
  /** The altered object in place of a reservation; null for a reservation. */
  altered: maybeText,
  /** Null if the grid does not say. */
  reservedAt: v.nullable(time),
});

const Whois = v.object({
  /** Leases of this host. */
  leases: v.array(LeaseRecord),
  /** Reservations on the grid, of any host. */
  holders: v.array(Holder),
  /** The grid's own description of an address without a reservation. */
  uses: v.array(v.object({ view: text, network: text, status: text, types: v.array(text), names: v.array(text) })),
  /** Whether the grid has answered; otherwise `holders` and `uses` are empty, and mean nothing. */
  hasGridAnswered: v.boolean(),
  /** The last holder on this host of each address that is free now. */
  last: v.array(Holding),
  /** Unanswered questions, with the reason. */
  notes: v.array(text),
});

/** How this host and the grid differ; each with what to do. */
const Audit = v.object({
  /** Leases that were compared. */
  leases: v.number(),
  findings: v.array(v.object({ kind: text, address: text, view: text, network: text, message: text, fix: text })),
});

/** The objects of one host on the grid in one network. */
const ClusterRow = v.object({
  host: text,
  network: text,
  view: text,
  addresses: v.number(),
  /** Altered objects with its marks. */
  altered: v.number(),
  blocks: v.number(),
  /** Null if the grid does not say. */
  lastReservedAt: v.nullable(time),
});

const ClusterAudit = v.object({
  cluster: text,
  /** The node name of the host that was asked, as marks have it. */
  node: text,
  rows: v.array(ClusterRow),
  /** Networks, and views where that is null, that the driver has made and in which no container has an address. */
  unused: v.array(v.object({ view: text, network: maybeText, name: maybeText })),
});

const blocks = v.array(v.object({ first: text, size: v.number(), view: text, network: text }));

/** The reservations of another host of this cluster, in all views. */
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
  /** Similar reservations that are left alone, with the reason. */
  unclear: v.array(v.object({ view: text, address: text, why: text })),
});

/** The result of releasing one page of reservations. */
const hostRelease = v.object({
  /** Marks. */
  released: v.array(text),
  left: v.array(v.object({ mark: text, why: text })),
  /** Why the rest was not tried; null if all were tried or the caller disconnected. */
  stopped: v.nullable(v.object({ message: text, hint: maybeText })),
});

/** The methods with their parameters and results. */
export const operatorMethods = {
  'operator/status': { params: v.object({}), result: Status },
  /** The flags of the daemon, without passwords. */
  'operator/flags': { params: v.object({}), result: v.object({ flags: v.record(text, text) }) },
  'operator/probe': { params: v.object({}), result: probe },
  'operator/leases': { params: leaseFilter, result: v.object({ leases: v.array(LeaseRecord) }) },
  'operator/audit': { params: v.object({}), result: Audit },
  'operator/audit-cluster': { params: v.object({}), result: ClusterAudit },
  'operator/whois': { params: v.object({ who: text }), result: Whois },
  'operator/history': { params: v.object({ address: text, at: v.optional(time) }), result: History },
  'operator/gc': { params: v.object({ dryRun: v.boolean() }), result: releasedLeases },
  'operator/release': {
    /** `who`: as for `leases`. `isWhole`: `who` is a whole container ID, not a prefix. */
    params: v.object({ who: text, isWhole: v.boolean(), network: v.optional(text), evenIfAlive: v.boolean() }),
    result: releasedLeases,
  },
  'operator/host-reservations': { params: v.object({ host: text }), result: hostReservations },
  'operator/release-host': {
    params: v.object({ host: text, reservations: v.array(v.object({ mark: text, view: text })) }),
    result: hostRelease,
  },
  /** `isOff`: the host is known to be off, so its blocks are returned at once. */
  'operator/release-host-blocks': {
    params: v.object({ host: text, isOff: v.boolean() }),
    result: v.object({ blocks, waitMs: v.number() }),
  },
  /** `undo`: allocate from the blocks again. */
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
export type ClusterRow = v.InferOutput<typeof ClusterRow>;
export type Holder = v.InferOutput<typeof Holder>;
export type HostReservation = v.InferOutput<typeof hostReservations>['reservations'][number];

/** Progress of a long request. */
export const Progress = v.object({ done: v.number(), total: v.number() });
export type Progress = v.InferOutput<typeof Progress>;

/** Makes the message that reports the daemon's progress, ready to send. */
export function progressFrame(progress: Progress): string {
  return `${JSON.stringify({ jsonrpc: '2.0', method: 'progress', params: progress })}\n`;
}
