/**
 * ADDs under way. Callers that ask for the same attachment in the same way at once share one flight; when the last of
 * them has left, the flight is called off. Afterwards it is remembered how many callers live on what the attachment
 * holds, be it the answer of one flight or, repeated, of several.
 */
import { abortable } from './abortable.ts';
import { GridError } from './errors.ts';

/** What an attachment holds, and how many callers were answered with it. */
interface Holding {
  callers: number;
  /** IDs of those that are known to have the answer. */
  readonly told: Set<string>;
}

/** A flight as whoever carries it out sees it. */
export interface Course {
  /** Fires when nobody waits for it any more. */
  readonly calledOff: AbortSignal;
  /** IDs of all callers that have shared it so far, also of those that have left. */
  readonly callers: ReadonlySet<string | undefined>;
  /** IDs of the callers that are known to have been told what the attachment holds. */
  readonly told: ReadonlySet<string>;
  /** Notes what it is waiting for: its callers are told so when their time is up. */
  delayedBy(why: GridError): void;
  /**
   * The answer is what the attachment holds, and stands in the state: whoever waits lives on it from now on, and nobody
   * joins any more. To be called before anything else can happen to the attachment.
   * @param anew whether it did not hold it before
   */
  land(anew: boolean): void;
}

/** What one attachment holds; nothing is known of what was held before this daemon started. */
interface Holdings {
  current(): Holding | undefined;
  /** It holds something else from now on. */
  begin(): Holding;
}

export class Flight<T> implements Course {
  readonly request: string;
  readonly done: Promise<T>;
  readonly #controller = new AbortController();
  readonly callers = new Set<string | undefined>();
  readonly #holdings: Holdings;
  #waiting = 0;
  #holding: Holding | undefined;
  #landed = false;
  #deleted = false;
  #delay: GridError | undefined;

  constructor(request: string, holdings: Holdings, launch: (course: Course) => Promise<T>) {
    this.request = request;
    this.#holdings = holdings;
    this.done = launch(this);
  }

  get calledOff(): AbortSignal {
    return this.#controller.signal;
  }

  get told(): ReadonlySet<string> {
    return this.#holdings.current()?.told ?? new Set();
  }

  /** Whether a caller may still share it. */
  get isOpen(): boolean {
    return !this.#landed && !this.calledOff.aborted;
  }

  callOff(): void {
    this.#controller.abort();
  }

  /** Called off by a DEL, which callers are told. */
  delete(): void {
    this.#deleted = true;
    this.callOff();
  }

  delayedBy(why: GridError): void {
    this.#delay = why;
  }

  land(anew: boolean): void {
    this.#landed = true;
    this.#holding = anew ? this.#holdings.begin() : this.#holdings.current();
    if (this.#holding !== undefined) this.#holding.callers += this.#waiting;
  }

  /**
   * Waits for the answer as one of its callers, from the moment of boarding on. Rejects with what the flight is delayed by, or with GridError `timeout`,
   * if the signal fires first.
   */
  wait(signal: AbortSignal): Promise<T> {
    this.#waiting += 1;
    const done = this.done.catch((error) => {
      throw this.#deleted ? new GridError('busy', 'the attachment was deleted while its ADD was under way') : error;
    });
    return abortable(done, signal, () => {
      const inTime = signal.reason instanceof Error && signal.reason.name !== 'TimeoutError';
      if (inTime) return new GridError('timeout', 'the caller left before it had its answer');
      const late = new GridError('timeout', 'no address came from the grid in the time for one ADD', {
        cure: 'see the log of the daemon for what the grid does; --add-timeout sets the time',
      });
      return this.#delay ?? late;
    });
  }

  /** One caller has left without the answer. */
  leave(): void {
    this.#waiting -= 1;
    if (this.#holding !== undefined) this.#holding.callers -= 1;
    if (this.#waiting <= 0) this.callOff();
  }
}

export class Flights<T> {
  readonly #flying = new Map<string, Flight<T>>();
  readonly #holdings = new Map<string, Holding>();

  /**
   * The flight of this identity that does what `request` says, or a new one.
   * @param caller ID of the ADD that boards
   */
  board(
    identity: string,
    request: string,
    caller: string | undefined,
    launch: (course: Course) => Promise<T>,
  ): Flight<T> {
    const current = this.#flying.get(identity);
    if (current !== undefined && current.request === request && current.isOpen) {
      current.callers.add(caller);
      return current;
    }
    const holdings = {
      current: () => this.#holdings.get(identity),
      begin: () => this.#begin(identity),
    };
    const flight = new Flight<T>(request, holdings, launch);
    flight.callers.add(caller);
    this.#flying.set(identity, flight);
    const leaveAir = () => {
      if (this.#flying.get(identity) === flight) this.#flying.delete(identity);
    };
    flight.done.then(leaveAir, leaveAir);
    return flight;
  }

  /** Calls off what flies for this identity, because it is to be deleted. */
  callOff(identity: string): void {
    this.#flying.get(identity)?.delete();
  }

  /** True when all who were answered with what the attachment holds have left without the answer. */
  deserted(identity: string): boolean {
    const holding = this.#holdings.get(identity);
    return holding !== undefined && holding.callers <= 0;
  }

  /** A caller has its answer: it will never say that it got none. */
  confirm(identity: string, caller: string | undefined): void {
    if (caller !== undefined) this.#holdings.get(identity)?.told.add(caller);
  }

  /** The attachment holds nothing any more. */
  forget(identity: string): void {
    this.#holdings.delete(identity);
  }

  #begin(identity: string): Holding {
    const holding = { callers: 0, told: new Set<string>() };
    this.#holdings.set(identity, holding);
    return holding;
  }
}
