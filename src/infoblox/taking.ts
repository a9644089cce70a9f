/**
 * Takes an address from the grid for an attachment that has none there. The grid may hand out what somebody still lives
 * on: a reservation can be deleted by hand, or be lost when a Grid Master Candidate is promoted. Such an address is
 * reserved for its holder again, and the next one is taken.
 */
import { asOpen, GridError, hasReason } from './errors.ts';
import type { Exhaustion } from './network/exhaustion.ts';
import { gatewayName } from './wapi/client.ts';
import { type Attachment, attachmentIn, gatewayComment } from './mark.ts';
import type { Cidr } from './address.ts';
import { asGridText, type Labels } from './attributes.ts';
import type { Networks, ReadyNetwork } from './network/networks.ts';
import type { NetworkPolicy } from './network/spec.ts';
import type { Releases } from './releases.ts';
import { misfit, refuseOutside } from './network/fit.ts';
import { type Heir, type Reservation, type Reservations, takenError } from './reservations.ts';
import { warnOfLoss } from './restoration.ts';
import type { Row, Store } from './store.ts';
import { movedError } from './trace.ts';
import type { Turns } from './turns.ts';

export interface AddressRequest {
  readonly attachment: Attachment;
  readonly policy: NetworkPolicy;
  /** This address and no other. */
  readonly requested?: string;
  /** What people call the container: a label. */
  readonly workload: string;
}

export interface TakingParts {
  readonly networks: Networks;
  readonly reservations: Reservations;
  readonly exhaustion: Exhaustion;
  readonly labels: Labels;
  readonly store: Store;
  readonly turns: Turns;
  readonly releases: Releases;
  /** Told when something has become due. */
  readonly onDue: () => void;
  readonly log: { warn(message: string, details?: Record<string, unknown>): void };
}

export interface Want {
  /** The attachment's intent, which stands in the state. */
  readonly row: Row;
  readonly network: ReadyNetwork;
  readonly request: AddressRequest;
  /** What the attachment held before the grid lost it: it may live on it. */
  readonly former: string | undefined;
  /** What an earlier ADD of the attachment has taken, and nobody was told. */
  readonly there: Reservation | undefined;
  /** Addresses that are not to be taken for the answer, though they carry the identity. */
  readonly doomed: readonly string[];
  /** To be told what taking an address is waiting for. */
  readonly delayedBy: (why: GridError) => void;
}

/**
 * What is there; else the requested address, or the former one if it is free, or the next free one. An answer of the
 * grid that makes no sense ends it: what was reserved goes back.
 * @throws GridError; its outcome is not `none` if the grid may hold something of this attachment
 */
export async function takeAddress(parts: TakingParts, want: Want, signal: AbortSignal): Promise<Reservation> {
  const { requested } = want.request;
  if (requested !== undefined && want.there === undefined) await refuseTaken(parts, want, requested, signal);
  const handedBack = new Set<string>();
  let suspect = false;
  let taken = want.there;
  try {
    for (;;) {
      taken ??= await reserve(parts, want, requested ?? want.former ?? want.network.cidr, signal);
      suspect ||= taken.suspect;
      const wrong = handedBack.has(taken.address) ? 'for the second time' : misfit(taken, want.network.view);
      if (wrong !== undefined) throw await refuseAnswer(parts, want, { taken, wrong }, signal);
      if (!(await handBack(parts, want, taken, signal))) return { ...taken, suspect };
      handedBack.add(taken.address);
      taken = undefined;
    }
  } catch (error) {
    throw suspect || taken !== undefined ? asOpen(error) : error;
  }
}

/** Removes what the grid has reserved under the attachment's mark, wherever that is. @returns what to say */
async function refuseAnswer(
  { releases }: TakingParts,
  { row }: Want,
  { taken, wrong }: { readonly taken: Reservation; readonly wrong: string },
  signal: AbortSignal,
): Promise<GridError> {
  const { address, view } = taken;
  await releases.clear({ ...row, view, address }, signal);
  return new GridError('bad-answer', `the grid reserved ${address}, ${wrong}`, {
    cure: 'something other than a grid may be answering: check --grid-host, --ssl-verify and any proxy between',
  });
}

async function refuseTaken(parts: TakingParts, want: Want, requested: string, signal: AbortSignal): Promise<void> {
  const { row, network, doomed } = want;
  if (doomed.includes(requested)) {
    throw new GridError('busy', `an earlier release of ${requested} is not settled yet`, {
      cure: 'try again in a minute',
    });
  }
  refuseOutside(requested, network);
  const holder = parts.store.holder(network.view, requested, row.identity);
  if (holder !== undefined) throw takenError(requested, network, holder);
  await parts.reservations.refuseUsed(requested, network, signal);
}

async function reserve(
  parts: TakingParts,
  want: Want,
  wanted: string | Cidr,
  signal: AbortSignal,
): Promise<Reservation> {
  const { networks, reservations, labels, exhaustion } = parts;
  const { attachment, policy, requested, workload } = want.request;
  const name = asGridText(workload) || asGridText(attachment.containerId);
  const ask = (network: ReadyNetwork) => ({
    identity: want.row.identity,
    view: network.view,
    wanted: typeof wanted === 'string' ? wanted : network.cidr,
    name,
    doomed: want.doomed,
    onCollision: want.delayedBy,
    labels: () => labels.forAttachment(attachment, name),
  });
  try {
    return await reservations.reserve(ask(want.network), signal);
  } catch (error) {
    if (hasReason(error, 'conflict') && error.outcome === 'none') {
      if (requested !== undefined) throw await reservations.takenBy(requested, want.network, signal);
      if (typeof wanted === 'string') return reserve(parts, want, want.network.cidr, signal);
    }
    if (hasReason(error, 'no-free-address')) throw await exhaustion.found(want.network, error, signal);
    if (!hasReason(error, 'missing') || error.outcome !== 'none') throw error;
    // The network, remembered from an earlier container, has been removed: make sure of it once more.
    networks.forget(policy);
    return reservations.reserve(ask(await networks.ensure(policy, signal)), signal);
  }
}

/** @returns whether what was taken was somebody's, and is again */
async function handBack(parts: TakingParts, want: Want, taken: Reservation, signal: AbortSignal): Promise<boolean> {
  const { store, turns, releases, reservations, labels, log } = parts;
  const { row, network, request } = want;
  const { address } = taken;
  const passOn = async (heir: Heir) => {
    // Only what is there, whatever the answer was: an object elsewhere must not be made the gateway's or another's.
    const found = await reservations.find(row.identity, network.view, signal);
    const object = found.find(({ ipv4addr }) => ipv4addr === address);
    if (object === undefined) throw await refuseAnswer(parts, want, { taken, wrong: 'and does not have it' }, signal);
    await releases.passOn(row, object._ref, heir, signal);
    warnOfLoss(log, address, heir.comment);
    return true;
  };
  if (address === network.kept) {
    const comment = gatewayComment(request.policy.name);
    return passOn({ comment, name: gatewayName, labels: () => labels.forNetwork(request.policy.name) });
  }
  const holder = store.holder(network.view, address, row.identity);
  if (holder === undefined) return false;
  // With the holder's turn: a DEL that is under way leaves nothing to pass on to. No two can wait for each other's turn:
  // whoever waits has an intent since before, and who is waited for held an address when the wait began.
  return turns.run(holder, async () => {
    const heir = store.get(holder);
    if (heir === undefined || store.holder(network.view, address, row.identity) !== holder) return false;
    const attachment = attachmentIn(holder);
    const who = `${attachment.containerId}/${attachment.ifName}`;
    const held = await reservations.find(holder, undefined, signal);
    const moved = held.find((object) => object.network_view !== network.view);
    if (moved !== undefined) {
      throw movedError(who, { mark: holder, view: network.view, address }, moved.network_view);
    }
    // A change that comes late must not outlive a DEL that comes meanwhile.
    const suspectUntil = releases.certainFrom();
    store.put({ ...heir, suspectUntil, dueAt: releases.nextLook(suspectUntil) });
    parts.onDue();
    const name = attachment.containerId;
    return passOn({ comment: holder, name, labels: () => labels.forAttachment(attachment, name) });
  });
}
