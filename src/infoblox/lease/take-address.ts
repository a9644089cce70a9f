/**
 * Takes an address from the grid for a pending lease: what an earlier attempt has left; else the requested address, or the
 * next free one. Looks, asks `plan`, carries out the step, like everybody; what is its own are the creates, and how often
 * they are tried.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { asGridText } from '../attributes.ts';
import { pauseBefore } from '../concurrency/backoff.ts';
import type { Flight } from '../concurrency/single-flight.ts';
import { GridError } from '../errors.ts';
import { type Attachment, gatewayMark } from '../mark.ts';
import type { Exhaustion } from '../network/exhaustion.ts';
import { fits, misfit, refuseOutside } from '../network/fit.ts';
import type { Networks, ReadyNetwork } from '../network/networks.ts';
import type { NetworkSpec } from '../network/spec.ts';
import type { FixedAddress } from '../wapi/schemas.ts';
import { apply, recreate, remove, warnOfLoss, without } from './act.ts';
import { collisionError, deletedError, nonsenseError, refusal, takenError } from './address-errors.ts';
import { answer, begin, bind, createInDoubt, deleteAnswered, type Lease, type SandboxIdentity } from './lease.ts';
import { type Found, type Look, plan } from './plan.ts';
import { type Another, afterReassign, reassign } from './reassign.ts';
import { type ReconcileDeps, reconcile } from './reconcile.ts';
import type { SqliteLeaseStore } from './store.ts';

/** Creates that are sent again after an answer was lost. */
const mostLosses = 4;
const lostPause = { first: 250, longest: 4_000 };
/** After another host took the same next address (WAPI: two clients that ask at once may get the same one). */
const collisionPause = { first: 5, longest: 4_000 };

export interface AddressRequest {
  readonly attachment: Attachment;
  readonly spec: NetworkSpec;
  /** This address and no other. */
  readonly requested?: string;
  /** What people call the container. */
  readonly workload: string;
}

export interface TakeDeps extends ReconcileDeps {
  readonly store: SqliteLeaseStore;
  readonly networks: Networks;
  readonly exhaustion: Exhaustion;
}

export interface Want extends AddressRequest {
  readonly mark: string;
  readonly sandbox: SandboxIdentity;
  readonly flight: Flight;
  /** IDs of the ADDs that are known to have been told its address. */
  readonly told: ReadonlySet<string>;
  /** False if the grid can hold nothing of the attachment yet: then one request is enough. */
  readonly mayBeOnGrid: boolean;
  /** Told what taking the address is waiting for. */
  readonly delayedBy: (why: GridError) => void;
}

export interface Taken {
  readonly address: string;
  readonly network: ReadyNetwork;
}

export class AddressTaking {
  readonly #deps: TakeDeps;
  readonly #want: Want;
  readonly #reassigned = new Set<string>();
  #network: ReadyNetwork;
  /** What a create of this attempt has made. */
  #made: Found | undefined;
  #losses = 0;
  #collisions = 0;
  #checkedRequest = false;
  #networkMadeAgain = false;
  #hasWaited = false;
  /** Whether the grid may hold something of the attachment. */
  mayBeOnGrid: boolean;

  constructor(deps: TakeDeps, want: Want, network: ReadyNetwork) {
    this.#deps = deps;
    this.#want = want;
    this.#network = network;
    this.mayBeOnGrid = want.mayBeOnGrid;
  }

  /**
   * Takes the address and binds the lease to it.
   * @param first what the grid has shown already
   * @throws GridError; the lease is as it was, with what is in doubt
   */
  async run(signal: AbortSignal, first?: Look): Promise<Taken> {
    const { store, observer, moment } = this.#deps;
    const { mark } = this.#want;
    let look: Look | undefined = this.mayBeOnGrid ? first : { found: [] };
    for (;;) {
      if (signal.aborted) throw asError(signal.reason);
      look ??= await observer.look(this.#lease(), signal);
      const lease = this.#lease();
      const step = plan(lease, this.#judged(look), moment());
      this.mayBeOnGrid ||= look.found.length > 0 || look.unconfirmed !== undefined;
      switch (step.kind) {
        case 'create':
          look = await this.#create(lease, look, signal);
          break;
        case 'adopt': {
          const doubtful = step.surplus.length > 0 || look.unconfirmed !== undefined || this.#losses > 0;
          this.#want.flight.seal();
          const bound = apply(store, mark, (current) => {
            const told = answer(current, this.#want.flight.callers);
            return bind(doubtful ? createInDoubt(told, moment()) : told, step.object.address, moment());
          });
          if (bound?.phase !== 'bound') throw deletedError();
          return { address: step.object.address, network: this.#network };
        }
        case 'recreate':
          look = await this.#recreate(lease, look, signal);
          break;
        case 'reassign':
          look = await this.#reassign(lease, step.object, look, signal);
          break;
        case 'remove':
          await remove(this.#deps, lease, step.objects, signal);
          apply(store, mark, (current) => deleteAnswered(current, lease));
          look = without(look, step.objects);
          break;
        case 'refuse':
          throw refusal(lease, step, this.#want.attachment);
        default: {
          const again = this.#again(lease, look);
          if (again !== undefined) return again;
          await this.#waitForProof(look, signal);
          look = undefined;
        }
      }
    }
  }

  #lease(): Lease {
    const lease = this.#deps.store.get(this.#want.mark);
    if (lease === undefined || lease.phase === 'releasing') throw deletedError();
    return lease;
  }

  /** The look, with what only this ADD knows. */
  #judged(look: Look): Look {
    const { requested, spec } = this.#want;
    const network = this.#network;
    const found = look.found.map((object) => ({
      ...object,
      ...(object.ref === this.#made?.ref ? { fresh: true } : {}),
      ...(object.address === network.kept && object.view === network.view ? { owner: gatewayMark(spec.name) } : {}),
    }));
    return { ...look, found, fits: (address) => fits(address, network, requested) };
  }

  /** A bound lease whose address is there. */
  #again({ address, phase }: Lease, look: Look): Taken | undefined {
    const { mark, flight, told } = this.#want;
    if (phase === 'bound' && address !== null && look.found.some((object) => object.address === address)) {
      flight.seal();
      apply(this.#deps.store, mark, (current) => answer(current, flight.callers, told));
      return { address, network: this.#network };
    }
    return undefined;
  }

  /** Whether a create was carried out nobody could say: a moment later somebody may. */
  async #waitForProof({ unconfirmed }: Look, signal: AbortSignal): Promise<void> {
    const { mark } = this.#want;
    const why = unconfirmed ?? new GridError('bad-answer', `the grid shows something else at each look for ${mark}`);
    if (this.#losses >= mostLosses) throw why;
    await pause(pauseBefore(this.#losses, lostPause), why, signal);
    this.#losses += 1;
  }

  /** @returns what the grid shows then; undefined if it has to be looked at */
  async #create(lease: Lease, look: Look, signal: AbortSignal): Promise<Look | undefined> {
    const { wapi, attributes } = this.#deps;
    const { mark, attachment, workload, requested } = this.#want;
    if (requested !== undefined) await this.#checkRequest(lease, look, signal);
    const { cidr, view } = this.#network;
    const wanted = requested ?? cidr;
    const asked = typeof wanted === 'string' ? wanted : `func:nextavailableip:${wanted.text},${view}`;
    const name = asGridText(workload) || asGridText(attachment.containerId);
    const labels = () => attributes.forAttachment(attachment, name);
    let made: FixedAddress;
    try {
      const reservation = { address: asked, view, comment: mark, name, attributes: labels };
      made = await wapi.createReservation(reservation, signal);
    } catch (error) {
      if (!(error instanceof GridError)) throw error;
      return this.#afterFailure(error, look, signal);
    }
    this.mayBeOnGrid = true;
    const answer = { address: made.ipv4addr, view: made.network_view };
    this.#made = { ref: made._ref, ...answer };
    const wrong = this.#reassigned.has(answer.address) ? 'for the second time' : misfit({ ...answer, wanted }, view);
    if (wrong !== undefined) throw this.#nonsense(wrong);
    if (!this.#isAnothers(this.#made)) return { found: [...look.found, this.#made] };
    // Only what is there is made another's, whatever the answer was.
    const there = await this.#deps.observer.look(this.#lease(), signal);
    if (!there.found.some(({ address }) => address === answer.address)) throw this.#nonsense('and does not have it');
    return there;
  }

  #isAnothers({ address, view }: Found): boolean {
    const { store } = this.#deps;
    return address === this.#network.kept || store.boundAt(view, address, this.#want.mark) !== undefined;
  }

  /** What was reserved, wherever that is, is looked for and released. */
  #nonsense(wrong: string): GridError {
    const { store, moment } = this.#deps;
    apply(store, this.#want.mark, (lease) => createInDoubt(lease, moment()));
    return nonsenseError(this.#made?.address ?? '', wrong);
  }

  async #afterFailure(error: GridError, look: Look, signal: AbortSignal): Promise<Look | undefined> {
    const { store, moment, networks, exhaustion } = this.#deps;
    const { mark, requested, spec, delayedBy } = this.#want;
    const network = this.#network;
    if (error.outcome !== 'none') {
      this.mayBeOnGrid = true;
      apply(store, mark, (lease) => createInDoubt(lease, moment()));
      if (this.#losses >= mostLosses) throw error;
      await pause(pauseBefore(this.#losses, lostPause), error, signal);
      this.#losses += 1;
      return undefined;
    }
    if (error.reason === 'conflict') {
      // A conflict after a lost answer may be with what that request has made since.
      if (requested !== undefined && this.#losses === 0) throw await this.#takenBy(requested, signal);
      if (requested !== undefined) {
        const now = await this.#deps.observer.look(this.#lease(), signal);
        if (now.found.length === 0) throw await this.#takenBy(requested, signal);
        return now;
      }
      const why = collisionError(network, error);
      delayedBy(why);
      await pause(pauseBefore(this.#collisions, collisionPause), why, signal);
      this.#collisions += 1;
      return this.#losses > 0 ? undefined : look;
    }
    if (error.reason === 'no-free-address') {
      if (await this.#waitForReleases(signal)) return look;
      throw await exhaustion.found(network, error, signal);
    }
    if (error.reason !== 'missing' || this.#networkMadeAgain) throw error;
    // The network, remembered from an earlier container, has been removed: make sure of it once more.
    this.#networkMadeAgain = true;
    networks.forget(spec);
    this.#network = await networks.ensure(spec, signal);
    return look;
  }

  /** A requested address has to be free, be it in use by an object that a fixed address would not exclude. */
  async #checkRequest(lease: Lease, look: Look, signal: AbortSignal): Promise<void> {
    const { requested = '', mark } = this.#want;
    const { store, wapi, moment } = this.#deps;
    if (this.#checkedRequest) return;
    this.#checkedRequest = true;
    const { view } = this.#network;
    refuseOutside(requested, this.#network);
    if (look.found.some(({ address }) => address === requested) && (lease.deleteInDoubtUntil ?? 0) > moment().now) {
      throw new GridError('busy', `an earlier release of ${requested} may still be carried out`, {
        hint: 'try again in a minute',
      });
    }
    const owner = store.boundAt(view, requested, mark);
    if (owner !== undefined) throw takenError(requested, this.#network, owner.mark);
    await this.#waitForReleases(signal, requested);
    if ((await wapi.addressStatus(requested, view, signal)) === 'USED') throw await this.#takenBy(requested, signal);
  }

  /**
   * Addresses of the network that this host is still giving back: they are released now.
   * @returns whether there were any; once only
   */
  async #waitForReleases(signal: AbortSignal, address?: string): Promise<boolean> {
    if (address === undefined && this.#hasWaited) return false;
    if (address === undefined) this.#hasWaited = true;
    const { cidr, view } = this.#network;
    const inNetwork = this.#deps.store
      .releasing(view)
      .filter((lease) => lease.mark !== this.#want.mark && lease.address !== null)
      .filter((lease) =>
        address === undefined ? fits(lease.address ?? '', { cidr }, undefined) : lease.address === address,
      );
    for (const { mark } of inNetwork) {
      try {
        await reconcile(this.#deps, mark, signal);
        if (address === undefined && this.#deps.store.get(mark) === undefined) return true;
      } catch (error) {
        if (!(error instanceof GridError)) throw error;
      }
    }
    return inNetwork.length > 0;
  }

  /** The grid has lost what a live attachment was told. @returns as `#create` */
  async #recreate(lease: Lease, { unconfirmed }: Look, signal: AbortSignal): Promise<Look | undefined> {
    const { store, moment, networks, log } = this.#deps;
    const { mark, spec, sandbox, flight } = this.#want;
    if (lease.address === null) throw deletedError();
    try {
      const refusal = await recreate(this.#deps, { ...lease, address: lease.address }, signal);
      if (refusal === undefined) {
        warnOfLoss(log, mark, lease.address);
        return undefined;
      }
      // It is there, or somebody else's: the host that says so accepts writes, and can be asked what it is.
      if (unconfirmed !== undefined && refusal.reason === 'conflict') return undefined;
      if (refusal.reason === 'missing' && !this.#networkMadeAgain) {
        this.#networkMadeAgain = true;
        networks.forget(spec);
        this.#network = await networks.ensure(spec, signal);
        return undefined;
      }
    } catch (error) {
      if (!(error instanceof GridError) || error.outcome === 'none' || this.#losses >= mostLosses) throw error;
      await pause(pauseBefore(this.#losses, lostPause), error, signal);
      this.#losses += 1;
      return undefined;
    }
    // Somebody else has the address by now: the attachment gets another one.
    this.mayBeOnGrid = true;
    const beginning = { mark, network: lease.network, view: lease.view, sandbox, callers: flight.callers };
    store.apply(mark, (current) => (current?.phase === 'releasing' ? current : begin(current, beginning, moment())));
    return undefined;
  }

  async #reassign(lease: Lease, object: Another, look: Look, signal: AbortSignal): Promise<Look> {
    const left = await reassign(this.#deps, lease, object, signal);
    if (left === undefined) this.#reassigned.add(object.address);
    return afterReassign(look, object, left);
  }

  async #takenBy(address: string, signal: AbortSignal): Promise<GridError> {
    const [holder] = await this.#deps.observer.at(address, this.#network.view, signal);
    return takenError(address, this.#network, holder?.comment ?? '');
  }
}

async function pause(milliseconds: number, why: GridError, signal: AbortSignal): Promise<void> {
  await delay(milliseconds, undefined, { signal }).catch(() => {
    throw why;
  });
}

function asError(reason: unknown): Error {
  return reason instanceof GridError ? reason : new GridError('timeout', 'the caller left before its turn came');
}
