/** Gives addresses to attachments: one ADD, from the first write to the state to the answer. */

import { abortable } from '../../concurrency/abortable.ts';
import type { SharedWork } from '../../concurrency/single-flight.ts';
import { GridError } from '../../errors.ts';
import { gridTrouble } from '../../grid-state.ts';
import { shortNetworkName, whoOf } from '../../mark.ts';
import { fits, mayFit, refuseHopeless } from '../../network/fit.ts';
import { specKey } from '../../network/spec.ts';
import { apply } from '../act.ts';
import { deletedError, leftError, refusal } from '../address-errors.ts';
import type { LeaseDeps } from '../deps.ts';
import { endLease } from '../endings.ts';
import { answer, askAgain, begin, followView, imported, type Lease, type LeaseIdentity } from '../lease.ts';
import { type Look, plan } from '../plan.ts';
import { reconcileLocked } from '../release/reconcile.ts';
import { AddressTaking, type Taken } from './take-address.ts';
import type { AddRequest, Want } from './want.ts';

export interface Allocation extends Taken {
  /** The caller has the answer. */
  delivered(): void;
  /** The caller went away without the answer: if no other caller of the attachment has it, the address is released. */
  undelivered(): Promise<void>;
}

export class Allocator {
  readonly #deps: LeaseDeps;
  /** What an ADD under way is waiting for, by mark. */
  readonly #delays = new Map<string, GridError>();

  constructor(deps: LeaseDeps) {
    this.#deps = deps;
  }

  /**
   * Gives the attachment its address; the same one if it has one already. Callers that ask for the same at once share the
   * work; when the last of them has left, what it took is released.
   * @param signal fires when the caller is gone or out of time
   * @throws GridError
   */
  async add(request: AddRequest, signal: AbortSignal): Promise<Allocation> {
    refuseHopeless(request.requested, request.spec);
    const mark = this.#deps.names.markToGive(request.attachment);
    const { callId: caller } = request;
    // Another sandbox is another start of the container: the lease has to know the one that lives.
    const variant = JSON.stringify([specKey(request.spec), request.requested, request.netns]);
    const share = this.#deps.adds.join(mark, { variant, caller }, (work) =>
      this.#deps.locks.run(mark, () => this.#give(mark, request, work)).finally(() => this.#delays.delete(mark)),
    );
    const { deliveries } = this.#deps;
    const delivered = () => deliveries.delivered(mark, caller);
    const undelivered = () => deliveries.undelivered(mark, caller);
    try {
      const taken = await abortable(share.result, signal, () => this.#outOfTime(mark, signal));
      return { ...taken, delivered, undelivered };
    } catch (error) {
      share.leave();
      // The work may end well all the same.
      share.result.then(undelivered, undelivered);
      throw error;
    }
  }

  #outOfTime(mark: string, { reason }: AbortSignal): GridError {
    if (!(reason instanceof Error && reason.name === 'TimeoutError')) {
      return new GridError('timeout', 'the caller left before it had its answer');
    }
    const what = 'no address came from the grid in the time for one ADD';
    const trouble = gridTrouble(this.#deps.conditions)?.error;
    const hint = 'see the log of the daemon for what the grid does; --add-timeout sets the time';
    const late =
      trouble === undefined
        ? new GridError('timeout', what, { hint })
        : new GridError(trouble.reason, `${what}: ${trouble.message}`, { hint: trouble.hint ?? hint });
    return this.#delays.get(mark) ?? late;
  }

  async #give(mark: string, request: AddRequest, work: SharedWork): Promise<Taken> {
    const { signal } = work;
    if (signal.aborted) throw signal.reason instanceof GridError ? signal.reason : leftError();
    const { store, host } = this.#deps;
    const first =
      store.get(mark) === undefined && !store.isWhole ? await this.#recall(mark, request, signal) : undefined;
    const known = store.get(mark);
    const want = {
      ...{ ...request, mark, work, sandbox: host.identify(request.netns) },
      // Of an attachment that is new the grid can hold nothing: one request is enough.
      mayBeOnGrid: known !== undefined,
      first,
      delayedBy: (why: GridError) => this.#delays.set(mark, why),
    };
    const taken = await (known?.phase === 'bound' ? this.#giveAgain(known, want) : this.#giveAnew(known, want));
    this.#deps.deliveries.answering(mark);
    return taken;
  }

  /**
   * Imports what the grid has of an attachment, before anything is written for it: in a state that has lost its past, an earlier ADD
   * may have been answered with it, so that a failure of this one must not release it.
   * @returns the look, if no host that is known to accept writes could be asked: what it shows may be another's by now
   */
  async #recall(mark: string, { attachment, spec }: AddRequest, signal: AbortSignal): Promise<Look | undefined> {
    const { observer, store } = this.#deps;
    const identity = { mark, network: shortNetworkName(attachment.network), view: spec.view };
    const look = await observer.look({ ...imported(identity, ''), address: null }, signal);
    if (look.unconfirmed !== undefined) return look;
    const [object] = look.found;
    if (object === undefined) return undefined;
    store.apply(mark, (lease) => lease ?? imported({ ...identity, view: object.view }, object.address));
    return undefined;
  }

  async #giveAnew(known: Lease | undefined, want: Want): Promise<Taken> {
    const { store, moment, networks } = this.#deps;
    const { mark, attachment, spec, sandbox, workload, work, mayBeOnGrid } = want;
    const { signal, callers } = work;
    // Another view than the one in which something may still be reserved: that has to be released first.
    if (known !== undefined && known.view !== spec.view) await this.#leaveView(known, signal);
    const network = shortNetworkName(attachment.network);
    const beginning = { mark, network, view: spec.view, sandbox, workload, callers };
    store.apply(mark, (lease) => begin(lease, beginning, moment()));
    let taking: AddressTaking | undefined;
    try {
      await store.durable();
      taking = new AddressTaking(this.#deps, want, await networks.ensure(spec, signal));
      return await this.#durable(mark, await taking.run(signal, want.first));
    } catch (error) {
      this.#giveUp(beginning, taking ?? { mayBeOnGrid, isDoubtful: false });
      // A request that was cut short by a DEL says that it got no answer.
      throw signal.reason instanceof GridError ? signal.reason : error;
    }
  }

  /** What an ADD is answered with is durable, and no DEL has come meanwhile. */
  async #durable(mark: string, taken: Taken): Promise<Taken> {
    const { store } = this.#deps;
    await store.durable();
    if (store.get(mark)?.phase !== 'bound') throw deletedError();
    return taken;
  }

  /**
   * A failed ADD leaves nothing: what it may have on the grid is released. If the state cannot be written, the reconciler releases it
   * when the lease is due.
   */
  #giveUp(
    identity: LeaseIdentity,
    { mayBeOnGrid, isDoubtful }: Pick<AddressTaking, 'mayBeOnGrid' | 'isDoubtful'>,
  ): void {
    endLease(this.#deps, identity, { cause: 'failed ADD', mayBeOnGrid, isDoubtful });
  }

  /** ADD for an attachment that has an address: the same one, reserved again if the grid has lost it. */
  async #giveAgain(lease: Lease, want: Want): Promise<Taken> {
    const { store, networks, observer, deliveries } = this.#deps;
    const { mark, spec, requested, sandbox, workload, work } = want;
    const { signal } = work;
    // Before the first wait: the lease must not be released because a caller leaves who is not the last one any more.
    apply(store, mark, (current) => answer(current, work.callers, deliveries.told(mark)));
    // Looked at before the network is made sure of: a view that was renamed must not be made again.
    const look = await observer.look(lease, signal);
    const { view, address } = this.#whereItIs(lease, look, want);
    if (address === null || view !== spec.view || !mayFit(address, spec, requested)) throw held(lease, want);
    const network = await networks.ensure(spec, signal);
    if (!fits(address, network, requested)) throw held(lease, want);
    const taken = await new AddressTaking(this.#deps, want, network).run(signal, look);
    apply(store, mark, (current) => askAgain(current, sandbox, workload));
    return this.#durable(mark, taken);
  }

  /** The lease; in the view that the configuration names, if its reservation has moved there with a renamed view. */
  #whereItIs(lease: Lease, look: Look, { attachment, spec }: AddRequest): Lease {
    const { store, moment } = this.#deps;
    const step = plan(lease, look, moment());
    if (step.kind !== 'refuse') return lease;
    if (step.moved?.view !== spec.view) throw refusal(lease, step, attachment);
    return apply(store, lease.mark, (current) => followView(current, spec.view)) ?? lease;
  }

  async #leaveView(known: Lease, signal: AbortSignal): Promise<void> {
    await reconcileLocked(this.#deps, known.mark, signal);
    if (this.#deps.store.get(known.mark) === undefined) return;
    throw new GridError('busy', `an earlier release in view ${known.view} is not settled yet`, {
      hint: 'try again in a minute',
    });
  }
}

function held({ address, view }: Lease, { attachment, spec }: AddRequest): GridError {
  return new GridError(
    'address-unavailable',
    `${whoOf(attachment)} already holds ${address} in network ${attachment.network}`,
    {
      hint:
        view === spec.view
          ? 'delete the attachment before adding it with another address or subnet'
          : `it is in network view ${view}: name that one, or delete the attachment before adding it in another`,
    },
  );
}
