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
}

export class Flight<T> {
  readonly request: string;
  readonly done: Promise<T>;
  readonly #controller = new AbortController();
  #callers = 0;
  #holding: Holding | undefined;
  #deleted = false;
  #delay: GridError | undefined;

  constructor(request: string, launch: (calledOff: AbortSignal, flight: Flight<T>) => Promise<T>) {
    this.request = request;
    this.done = launch(this.#controller.signal, this);
  }

  get calledOff(): boolean {
    return this.#controller.signal.aborted;
  }

  callOff(): void {
    this.#controller.abort();
  }

  /** Called off by a DEL, which callers are told. */
  delete(): void {
    this.#deleted = true;
    this.callOff();
  }

  /** Notes what the flight is waiting for: its callers are told so when their time is up. */
  delayedBy(why: GridError): void {
    this.#delay = why;
  }

  /** The answer is what the attachment holds: whoever waits lives on it from now on. */
  land(holding: Holding): void {
    this.#holding = holding;
    holding.callers += this.#callers;
  }

  /**
   * Waits for the answer as one of its callers. Rejects with what the flight is delayed by, or with GridError `timeout`,
   * if the signal fires first.
   */
  wait(signal: AbortSignal): Promise<T> {
    this.#callers += 1;
    if (this.#holding !== undefined) this.#holding.callers += 1;
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
    this.#callers -= 1;
    if (this.#holding !== undefined) this.#holding.callers -= 1;
    if (this.#callers <= 0) this.callOff();
  }
}

export class Flights<T> {
  readonly #flying = new Map<string, Flight<T>>();
  readonly #holdings = new Map<string, Holding>();

  /**
   * The flight of this identity that does what `request` says, or a new one.
   * @param launch is given `land`, to be called as soon as the attachment holds the answer and before anything else can
   * happen to it: `anew` if it did not hold it before; and `delayedBy`, to be told what it is waiting for
   */
  board(
    identity: string,
    request: string,
    launch: (calledOff: AbortSignal, land: (anew: boolean) => void, delayedBy: (why: GridError) => void) => Promise<T>,
  ): Flight<T> {
    const current = this.#flying.get(identity);
    if (current !== undefined && current.request === request && !current.calledOff) return current;
    const flight = new Flight<T>(request, (calledOff, self) =>
      launch(
        calledOff,
        (anew) => this.#land(identity, self, anew),
        (why) => self.delayedBy(why),
      ),
    );
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

  /** The attachment holds nothing any more. */
  forget(identity: string): void {
    this.#holdings.delete(identity);
  }

  #land(identity: string, flight: Flight<T>, anew: boolean): void {
    if (anew) this.#holdings.set(identity, { callers: 0 });
    // What was held before this daemon started has callers that nobody counted.
    const holding = this.#holdings.get(identity);
    if (holding !== undefined) flight.land(holding);
  }
}
