/** ADD of an attachment that holds an address already: it lives on it, and gets it again. */
import { isDeepStrictEqual } from 'node:util';
import { joinedBy } from './callers.ts';
import { GridError, hasReason } from './errors.ts';
import type { Course } from './flights.ts';
import type { Namespaces } from './namespaces.ts';
import type { ReadyNetwork } from './networks.ts';
import type { FixedAddress } from './objects.ts';
import { fits, mayFit } from './requested.ts';
import { type RestorationParts, restore } from './restoration.ts';
import type { Row } from './store.ts';
import type { AddressRequest, TakingParts } from './taking.ts';
import { describeAltered, movedError, type Trace, trace } from './trace.ts';

export interface AddRequest extends AddressRequest {
  /** Path of the container's network namespace. */
  readonly netns: string;
  /** Names this call, so that its caller can say later that it got no answer. */
  readonly callId?: string | undefined;
}

/** An ADD under way. */
export interface AddUnderWay extends AddRequest {
  readonly course: Course;
}

export interface Given {
  readonly address: string;
  readonly network: ReadyNetwork;
}

export interface RepeatedAdd {
  /** What the attachment holds, as far as is known. */
  readonly before: Row;
  readonly request: AddUnderWay;
}

export interface RepeatedAddParts extends TakingParts {
  readonly namespaces: Namespaces;
  readonly log: RestorationParts['log'];
}

/**
 * ADD for an attachment that holds an address: the same one, if the grid still has it or takes it again.
 * @returns undefined if the attachment has to be given another one
 * @throws GridError `address-unavailable` if it holds one that is not what is asked for
 */
export async function giveAgain(
  parts: RepeatedAddParts,
  add: RepeatedAdd,
  signal: AbortSignal,
): Promise<Given | undefined> {
  const { before, request } = add;
  const { store, networks, reservations, releases, namespaces } = parts;
  const { policy, requested, attachment } = request;
  let inView: FixedAddress[];
  let became: Exclude<Trace, { kind: 'altered' }> | undefined;
  try {
    inView = await reservations.find(before.identity, before.view, signal);
    became = inView.length > 0 ? undefined : await traceOf(parts, add, signal);
  } catch (error) {
    if (!hasReason(error, 'unconfirmed')) throw error;
    // A create tells what no look can: if it is there after all, the grid refuses it.
    const given = await restoreFor(parts, add, signal);
    if (given === undefined) throw error;
    return given;
  }
  if (became?.kind === 'gone') return restoreFor(parts, add, signal);
  const found = became?.found ?? inView;
  const row = became === undefined ? before : { ...before, view: became.view };
  const others = releases.isDoomed(row) ? [] : found.map(({ ipv4addr }) => ipv4addr);
  const address = found.some(({ ipv4addr }) => ipv4addr === row.address)
    ? row.address
    : others.find((other) => store.holder(row.view, other, row.identity) === undefined);
  if (address === undefined || address === null) return undefined;
  // Judged before the network is made sure of: a refusal makes nothing.
  const network =
    row.view === policy.view && mayFit(address, policy, requested) ? await networks.ensure(policy, signal) : undefined;
  if (network === undefined || !fits(address, network, requested)) {
    throw new GridError(
      'address-unavailable',
      `${attachment.containerId}/${attachment.ifName} already holds ${address} in network ${attachment.network}`,
      {
        cure:
          row.view === policy.view
            ? 'delete the attachment before adding it with another address or subnet'
            : `it is in network view ${row.view}: name that one, or delete the attachment before adding it in another`,
      },
    );
  }
  const callers = joinedBy(row.callers, request.course.callers, request.course.told);
  const next: Row = { ...row, address, callers, ...namespaces.witness(request.netns) };
  if (!isDeepStrictEqual(next, before)) store.put(next);
  request.course.land(false);
  return { address, network };
}

/**
 * What became of a reservation that is not in its view. One that moved to the view which the configuration names by now
 * is as good as found.
 * @throws GridError `network-conflict` if it is in another view, `address-unavailable` if somebody has altered it
 */
async function traceOf(
  { reservations }: Pick<RepeatedAddParts, 'reservations'>,
  { before: { identity, view, address }, request: { attachment, policy } }: RepeatedAdd,
  signal: AbortSignal,
): Promise<Exclude<Trace, { kind: 'altered' }>> {
  const lost = { mark: identity, view, address };
  const became = await trace(reservations, lost, signal);
  const who = `${attachment.containerId}/${attachment.ifName}`;
  if (became.kind === 'moved' && ![view, policy.view].includes(became.view)) throw movedError(who, lost, became.view);
  if (became.kind !== 'altered') return became;
  throw new GridError(
    'address-unavailable',
    `${who} holds ${address} in network ${attachment.network}, and that ${describeAltered(became.object)}`,
    { cure: `make it a reservation with the comment "${identity}" again, or delete the attachment before adding it` },
  );
}

/**
 * Reserves what the attachment lives on and the grid has lost. Its row stays, so that nobody else is given it meanwhile.
 * @returns undefined if the grid does not take it again, or if it is not what is asked for
 */
async function restoreFor(
  parts: RepeatedAddParts,
  { before: row, request }: RepeatedAdd,
  signal: AbortSignal,
): Promise<Given | undefined> {
  const { policy, requested, netns, course } = request;
  const { store, networks, namespaces, onDue } = parts;
  const { address } = row;
  if (address === null || row.view !== policy.view || !mayFit(address, policy, requested)) return undefined;
  for (let tries = 0; ; tries += 1) {
    const network = await networks.ensure(policy, signal);
    if (!fits(address, network, requested)) return undefined;
    const refusal = await restore(parts, row, address, signal).finally(onDue);
    if (refusal === undefined) {
      const callers = joinedBy(row.callers, course.callers, course.told);
      store.put({ ...(store.get(row.identity) ?? row), callers, ...namespaces.witness(netns) });
      course.land(false);
      return { address, network };
    }
    if (refusal.reason !== 'missing' || tries > 0) return undefined;
    networks.forget(policy);
  }
}
