/**
 * What one ADD knows of its creates: what to ask the grid for, how its answer is judged, and how often it is tried. A create
 * that may have been carried out is never sent again before a look has shown what it left.
 */
import { describeReservation } from '../../attributes.ts';
import { type Backoff, pauseBefore } from '../../concurrency/backoff.ts';
import { GridError } from '../../errors.ts';
import type { AddressSource, Description, Reservation } from '../../grid.ts';
import { misfit, refuseOutside } from '../../network/fit.ts';
import type { ReadyNetwork } from '../../network/networks.ts';
import { apply } from '../act.ts';
import { collisionError, nonsenseError, ownAddressError, takenError } from '../address-errors.ts';
import type { LeaseDeps } from '../deps.ts';
import { doubtOf } from '../doubt.ts';
import { createInDoubt, type Lease } from '../lease.ts';
import type { Found, Look } from '../plan.ts';
import { ReleasesFirst } from './releases-first.ts';
import type { Want } from './want.ts';

/** Creates that are sent again after an answer was lost. */
const mostLosses = 4;
const lostPause: Backoff = { first: 250, longest: 4_000 };
/**
 * After another host took the same next address: two clients that ask at once may get the same one (NIOS 9.0 documentation,
 * "Configuring the Next Available Network or IP Address").
 */
const collisionPause: Backoff = { first: 5, longest: 4_000 };

/** What is asked of the grid. */
type NewReservation = Description & { readonly source: AddressSource };

export class AddressCreation {
  readonly #deps: LeaseDeps;
  readonly #want: Want;
  readonly #releases: ReleasesFirst;
  readonly #reassigned = new Set<string>();
  #network: ReadyNetwork;
  #made: Found | undefined;
  #losses = 0;
  #isDoubtful = false;
  #collisions = 0;
  #isRequestChecked = false;
  #isNetworkMadeAgain = false;

  constructor(deps: LeaseDeps, want: Want, network: ReadyNetwork) {
    this.#deps = deps;
    this.#want = want;
    this.#network = network;
    this.#releases = new ReleasesFirst(deps, want);
  }

  /** The network that addresses are taken from. It may be made anew on the way. */
  get network(): ReadyNetwork {
    return this.#network;
  }

  /** What the last create has made; undefined if none was answered. */
  get made(): Found | undefined {
    return this.#made;
  }

  /** Whether a create got no answer, or no host could tell whether one was carried out. */
  get isDoubtful(): boolean {
    return this.#isDoubtful;
  }

  get #source(): AddressSource {
    const { requested } = this.#want;
    const { view, cidr } = this.#network;
    return requested === undefined ? { view, nextOf: cidr } : { view, address: requested };
  }

  /** An address of another attachment was made its own again: the grid must not answer with it a second time. */
  reassigned(address: string): void {
    this.#reassigned.add(address);
  }

  /**
   * Says what to ask the grid for: the requested address, once it is known to be free, or the next free one.
   * @throws GridError `address-unavailable` or `busy` if the requested address cannot be had
   */
  async prepare(lease: Lease, look: Look, signal: AbortSignal): Promise<NewReservation> {
    const { mark, attachment, workload, requested } = this.#want;
    if (requested !== undefined) await this.#checkRequest(requested, { lease, look }, signal);
    const described = describeReservation(attachment.network, workload);
    return { source: this.#source, comment: mark, ...described };
  }

  /** Waits a moment after an answer was lost, or one that nobody could confirm. @throws `why` when it was enough */
  async waitAfterLoss(why: GridError, signal: AbortSignal): Promise<void> {
    this.#isDoubtful = true;
    if (this.#losses >= mostLosses) throw why;
    const { clock, host } = this.#deps;
    await clock.sleep(pauseBefore(this.#losses, lostPause, host.random), signal, why);
    this.#losses += 1;
  }

  /** Makes sure once more of a network that turned out to be gone. @returns false if that has been done already */
  async makeNetworkAgain(signal: AbortSignal): Promise<boolean> {
    if (this.#isNetworkMadeAgain) return false;
    const { networks } = this.#deps;
    const { spec } = this.#want;
    this.#isNetworkMadeAgain = true;
    networks.forget(spec);
    this.#network = await networks.ensure(spec, signal);
    return true;
  }

  /** Finds the network anew after another one was seen in its place. What was made there does not fit, and is removed. */
  async findNetworkAgain(signal: AbortSignal): Promise<void> {
    this.#network = await this.#deps.networks.ensure(this.#want.spec, signal);
  }

  /**
   * Compares the grid's answer with what was asked for. What does not fit is looked for, wherever it is, and released.
   * @returns what the grid shows then
   * @throws GridError `bad-answer` if it makes no sense
   */
  async afterAnswer(made: Pick<Reservation, 'address' | 'view'>, look: Look, signal: AbortSignal): Promise<Look> {
    const { store, observer, exhaustion, host } = this.#deps;
    const { mark, requested } = this.#want;
    const { view, kept } = this.#network;
    this.#made = made;
    const again = this.#reassigned.has(made.address) ? 'for the second time' : undefined;
    const wrong = again ?? misfit(made, this.#source);
    if (wrong !== undefined) throw this.#nonsense(made, wrong);
    if (requested === undefined) exhaustion.obtained(this.#network);
    // What only an unconfirmed look has shown does not count.
    const before = look.unconfirmed === undefined ? look.found : [];
    const isKept = made.address === kept || store.boundAt(view, made.address, mark) !== undefined;
    if (!isKept && !(await host.isOwnAddress(made.address))) return { askedAt: look.askedAt, found: [...before, made] };
    // Only what is there is made another's, whatever the answer was.
    const there = await observer.look(leaseOf(store, mark), signal);
    if (there.found.some(({ address }) => address === made.address)) return there;
    throw this.#nonsense(made, 'and does not have it');
  }

  /**
   * Decides whether the create is sent again.
   * @returns what the grid shows then; undefined if it has to be looked at
   * @throws GridError if it is not
   */
  async afterFailure(error: GridError, look: Look, signal: AbortSignal): Promise<Look | undefined> {
    const { store, moment, exhaustion } = this.#deps;
    const { mark, requested } = this.#want;
    if (error.outcome !== 'none') {
      // Also if that cannot be noted.
      this.#isDoubtful = true;
      apply(store, mark, (lease) => createInDoubt(lease, moment()));
      await this.waitAfterLoss(error, signal);
      return undefined;
    }
    if (error.reason === 'conflict') {
      return requested === undefined
        ? this.#afterCollision(error, look, signal)
        : this.#afterConflict(requested, error, signal);
    }
    if (error.reason === 'no-free-address') {
      if (await this.#releases.oneOf(this.#network, signal)) return look;
      throw exhaustion.found(this.#network, error);
    }
    if (error.reason === 'missing' && (await this.makeNetworkAgain(signal))) return look;
    throw error;
  }

  #nonsense({ address }: Found, wrong: string): GridError {
    const { store, moment } = this.#deps;
    apply(store, this.#want.mark, (lease) => createInDoubt(lease, moment()));
    return nonsenseError(address, wrong);
  }

  async #afterCollision(error: GridError, look: Look, signal: AbortSignal): Promise<Look | undefined> {
    const why = collisionError(this.#network, error);
    this.#want.delayedBy(why);
    const { clock, host } = this.#deps;
    await clock.sleep(pauseBefore(this.#collisions, collisionPause, host.random), signal, why);
    this.#collisions += 1;
    // The conflict may be with what an earlier create, whose answer was lost, has made since.
    return this.isDoubtful ? undefined : look;
  }

  async #afterConflict(requested: string, error: GridError, signal: AbortSignal): Promise<undefined> {
    const taken = await this.#takenByAnother(requested, signal);
    if (taken !== undefined) throw taken;
    await this.waitAfterLoss(error, signal);
  }

  /**
   * Makes sure, once, that the requested address is free; also of objects that a fixed address would not exclude, and after a
   * release of it that this host still has under way.
   */
  async #checkRequest(
    requested: string,
    { lease, look }: { lease: Lease; look: Look },
    signal: AbortSignal,
  ): Promise<void> {
    if (this.#isRequestChecked) return;
    this.#isRequestChecked = true;
    const { store, grid, moment, host } = this.#deps;
    const network = this.#network;
    refuseOutside(requested, network);
    if (await host.isOwnAddress(requested)) throw ownAddressError(requested, network);
    const isThere = look.found.some(({ address }) => address === requested);
    if (isThere && doubtOf(lease, { ...moment(), askedAt: look.askedAt }).delete !== null) {
      throw new GridError('busy', `an earlier release of ${requested} may still be carried out`, {
        hint: 'try again in a minute',
      });
    }
    const owner = store.boundAt(network.view, requested, lease.mark);
    if (owner !== undefined) throw takenError(requested, network, owner.mark);
    await this.#releases.ofAddress(requested, network, signal);
    const isUsed = await grid.isUsed(requested, network.view, signal);
    const taken = isUsed ? await this.#takenByAnother(requested, signal) : undefined;
    if (taken !== undefined) throw taken;
  }

  /** @returns undefined if it is this attachment's: a create whose answer was lost has been carried out since */
  async #takenByAnother(address: string, signal: AbortSignal): Promise<GridError | undefined> {
    const [holder] = await this.#deps.grid.at(address, this.#network.view, signal);
    return holder?.comment === this.#want.mark ? undefined : takenError(address, this.#network, holder?.comment ?? '');
  }
}

function leaseOf(store: LeaseDeps['store'], mark: string): Lease {
  const lease = store.get(mark);
  if (lease === undefined) throw new Error(`the lease of ${mark} is gone while its ADD is under way`);
  return lease;
}
