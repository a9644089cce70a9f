/**
 * Takes an address from the grid for one ADD: what an earlier attempt has left; else the requested address, or the next
 * free one. Looks, asks `plan`, carries out the step, as everybody does; its own are only the creates.
 */

import { GridError } from '../../errors.ts';
import { pauseBeforeLook } from '../../grid.ts';
import { isHostMark } from '../../mark.ts';
import { fits } from '../../network/fit.ts';
import type { ReadyNetwork } from '../../network/networks.ts';
import { apply, recreate, remove, warnOfLoss, without } from '../act.ts';
import { deletedError, leftError, ownAddressesError, refusal } from '../address-errors.ts';
import type { LeaseDeps } from '../deps.ts';
import { answer, begin, bind, createInDoubt, deleteAnswered, type Lease } from '../lease.ts';
import { type Another, isSame, type Look, plan, type Step } from '../plan.ts';
import { reassign } from '../reassign.ts';
import { AddressCreation } from './create-address.ts';
import { keeperOf } from './keeper.ts';
import type { Want } from './want.ts';

/** Addresses of the host that one ADD reserves for it. With more, the whole network routes to the host itself, say. */
const mostOwn = 8;

export interface Taken {
  readonly address: string;
  readonly network: ReadyNetwork;
}

export class AddressTaking {
  readonly #deps: LeaseDeps;
  readonly #want: Want;
  readonly #creation: AddressCreation;
  #mayBeOnGrid: boolean;
  /** Whether a look could not be confirmed, so that the grid may hold more than was seen. */
  #isUnconfirmed = false;
  /** How many addresses of the host the grid has given out. */
  #own = 0;

  constructor(deps: LeaseDeps, want: Want, network: ReadyNetwork) {
    this.#deps = deps;
    this.#want = want;
    this.#creation = new AddressCreation(deps, want, network);
    this.#mayBeOnGrid = want.mayBeOnGrid;
  }

  /** Whether the grid may hold something of the attachment. */
  get mayBeOnGrid(): boolean {
    return this.#mayBeOnGrid || this.#creation.isDoubtful || this.#creation.made !== undefined;
  }

  /** Whether a create may still be carried out, though the lease may not say so. */
  get isDoubtful(): boolean {
    return this.#creation.isDoubtful;
  }

  /**
   * Takes the address and binds the lease to it.
   * @param first what the grid has shown already
   * @throws GridError; the lease is pending or bound still, with what is in doubt: the caller gives a pending one up
   */
  async run(signal: AbortSignal, first?: Look): Promise<Taken> {
    const { observer, host, moment, clock } = this.#deps;
    let look = first ?? (this.#mayBeOnGrid ? undefined : { found: [], askedAt: moment().now });
    let failures = 0;
    for (;;) {
      if (signal.aborted) throw signal.reason instanceof GridError ? signal.reason : leftError();
      look ??= await observer.look(this.#lease(), signal);
      this.#isUnconfirmed ||= look.unconfirmed !== undefined;
      const judged = await this.#judged(look);
      const lease = this.#lease();
      const step = plan(lease, judged, moment());
      const taken = this.#conclude(lease, look, step);
      if (taken !== undefined) return taken;
      try {
        look = await this.#act(step, { lease, look }, signal);
      } catch (error) {
        failures = await pauseBeforeLook(error, { clock, random: host.random, failures }, signal);
        look = undefined;
      }
    }
  }

  /** The lease, unless a DEL has come. */
  #lease(): Lease {
    const lease = this.#deps.store.get(this.#want.mark);
    if (lease === undefined || lease.phase === 'releasing') throw deletedError();
    return lease;
  }

  /** The look, with what only this ADD knows. */
  async #judged(look: Look): Promise<Look> {
    const { requested, spec } = this.#want;
    const { host, names } = this.#deps;
    const { network, made } = this.#creation;
    const found = look.found.map(async (object) => {
      const isOwn = await host.isOwnAddress(object.address);
      const owner = keeperOf(object, { network, name: spec.name, host: names.present, isOwn });
      return { ...object, fresh: made !== undefined && isSame(object, made), owner };
    });
    return { ...look, found: await Promise.all(found), fits: (address) => fits(address, network, requested) };
  }

  /** Binds the lease, or joins its callers if it is bound. @returns the address; undefined if there is more to do */
  #conclude(lease: Lease, { found, askedAt }: Look, step: Step): Taken | undefined {
    const { mark, work } = this.#want;
    const { store, deliveries } = this.#deps;
    const { network } = this.#creation;
    if (step.kind === 'adopt') return this.#bind(step, askedAt);
    const { address, phase } = lease;
    if (step.kind !== 'nothing' && step.kind !== 'look again') return undefined;
    if (phase !== 'bound' || address === null || !found.some((object) => object.address === address)) return undefined;
    work.close();
    apply(store, mark, (current) => answer(current, work.callers, deliveries.told(mark)));
    return { address, network };
  }

  #bind({ object, surplus }: Extract<Step, { readonly kind: 'adopt' }>, askedAt: number): Taken {
    const { store, moment } = this.#deps;
    const { mark, work } = this.#want;
    const { address } = object;
    const isDoubtful = surplus.length > 0 || this.#isUnconfirmed || this.#creation.isDoubtful;
    work.close();
    const bound = apply(store, mark, (current) => {
      const answered = answer(current, work.callers);
      const now = { ...moment(), askedAt };
      return bind(isDoubtful ? createInDoubt(answered, now) : answered, address, now);
    });
    if (bound?.phase !== 'bound') throw deletedError();
    return { address, network: this.#creation.network };
  }

  /** @returns what the grid shows then; undefined if it has to be looked at */
  async #act(
    step: Step,
    { lease, look }: { lease: Lease; look: Look },
    signal: AbortSignal,
  ): Promise<Look | undefined> {
    switch (step.kind) {
      case 'create':
        return this.#create(lease, look, signal);
      case 'recreate':
        return this.#recreate(lease, look, signal);
      case 'reassign':
        return this.#reassign({ lease, object: step.object, look }, signal);
      case 'remove':
        await remove(this.#deps, { lease, object: step.object }, signal);
        apply(this.#deps.store, lease.mark, (current) => deleteAnswered(current, lease));
        return without(look, step.object);
      case 'refuse':
        throw refusal(lease, step, this.#want.attachment);
      default: {
        // No host could say whether a create was carried out: a moment later one may.
        const unsettled = new GridError('bad-answer', `the grid shows something else at each look for ${lease.mark}`);
        await this.#creation.waitAfterLoss(look.unconfirmed ?? unsettled, signal);
        return undefined;
      }
    }
  }

  async #reassign(
    { lease, object, look }: { lease: Lease; object: Another; look: Look },
    signal: AbortSignal,
  ): Promise<Look | undefined> {
    if (isHostMark(object.owner)) this.#own += 1;
    if (this.#own > mostOwn) throw ownAddressesError(this.#creation.network, mostOwn);
    const after = await reassign(this.#deps, { lease, object, look }, signal);
    if (after.isReassigned) this.#creation.reassigned(object.address);
    return after.look;
  }

  async #create(lease: Lease, look: Look, signal: AbortSignal): Promise<Look | undefined> {
    const request = await this.#creation.prepare(lease, look, signal);
    const { grid, networks } = this.#deps;
    const [made, isInPlace] = await Promise.all([
      grid.reserve(request, signal).catch(asGridError),
      networks.isInPlace(this.#want.spec, this.#creation.network, signal),
    ]);
    const isFailure = made instanceof GridError;
    let after: Look | undefined = look;
    if (!isFailure) after = await this.#creation.afterAnswer(made, look, signal);
    // What a network refuses that is not the one that was meant says nothing.
    else if (isInPlace || made.outcome !== 'none') after = await this.#creation.afterFailure(made, look, signal);
    if (isInPlace) return after;
    await this.#creation.findNetworkAgain(signal);
    return isFailure ? after : undefined;
  }

  /** The grid has lost what a live attachment was told: it gets that again, or another one if somebody else has it. */
  async #recreate(lease: Lease, { unconfirmed }: Look, signal: AbortSignal): Promise<undefined> {
    const { store, moment } = this.#deps;
    const { mark, sandbox, workload, work } = this.#want;
    const { address, network, view } = lease;
    if (address === null) throw new Error(`a bound lease without an address: ${mark}`);
    let why: GridError | undefined;
    try {
      why = await recreate(this.#deps, { ...lease, address }, signal);
    } catch (error) {
      if (!(error instanceof GridError) || error.outcome === 'none') throw error;
      return void (await this.#creation.waitAfterLoss(error, signal));
    }
    if (why === undefined) return void warnOfLoss(this.#deps, mark, address);
    // It is there, or somebody else's: the host that says so accepts writes, and can be asked what it is.
    if (unconfirmed !== undefined && why.reason === 'conflict') return;
    if (why.reason === 'missing' && (await this.#creation.makeNetworkAgain(signal))) return;
    this.#mayBeOnGrid = true;
    const beginning = { mark, network, view, sandbox, workload, callers: work.callers };
    store.apply(mark, (current) => (current?.phase === 'bound' ? begin(current, beginning, moment()) : current));
    await store.durable();
  }
}

/** @throws `error` if it is none of the grid's */
function asGridError(error: unknown): GridError {
  if (error instanceof GridError) return error;
  throw error;
}
