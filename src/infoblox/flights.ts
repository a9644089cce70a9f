/**
 * ADDs under way. Callers that ask for the same attachment in the same way at once share one flight; when the last of
 * them has left, the flight is called off. Afterwards it is remembered which flight's answer an attachment lives on.
 */
import { GridError } from './errors.ts';

export class Flight<T> {
  readonly request: string;
  readonly done: Promise<T>;
  readonly #controller = new AbortController();
  #callers = 0;

  constructor(request: string, launch: (signal: AbortSignal) => Promise<T>) {
    this.request = request;
    this.done = launch(this.#controller.signal);
  }

  get calledOff(): boolean {
    return this.#controller.signal.aborted;
  }

  /** True when all who asked have left without the answer. */
  get deserted(): boolean {
    return this.#callers <= 0;
  }

  callOff(): void {
    this.#controller.abort();
  }

  /** Waits for the answer as one of its callers. Rejects with GridError `timeout` if the signal fires first. */
  wait(signal: AbortSignal): Promise<T> {
    this.#callers += 1;
    return new Promise((resolve, reject) => {
      const abort = () => reject(new GridError('timeout', 'no address came from the grid in the time for one ADD'));
      if (signal.aborted) abort();
      signal.addEventListener('abort', abort, { once: true });
      this.done.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
    });
  }

  /** One caller has left. */
  leave(): void {
    this.#callers -= 1;
    if (this.deserted) this.callOff();
  }
}

export class Flights<T> {
  readonly #flying = new Map<string, Flight<T>>();
  readonly #landed = new Map<string, Flight<T>>();

  /** The flight of this identity that does what `request` says, or a new one. */
  board(identity: string, request: string, launch: (signal: AbortSignal) => Promise<T>): Flight<T> {
    const current = this.#flying.get(identity);
    if (current !== undefined && current.request === request && !current.calledOff) return current;
    const flight = new Flight(request, launch);
    this.#flying.set(identity, flight);
    const leaveAir = () => {
      if (this.#flying.get(identity) === flight) this.#flying.delete(identity);
    };
    flight.done.then(() => {
      this.#landed.set(identity, flight);
      leaveAir();
    }, leaveAir);
    return flight;
  }

  /** Calls off what flies for this identity. */
  callOff(identity: string): void {
    this.#flying.get(identity)?.callOff();
  }

  /** The flight that last answered with the address which the attachment holds. */
  landed(identity: string): Flight<T> | undefined {
    return this.#landed.get(identity);
  }

  /** The attachment holds nothing any more. */
  forget(identity: string): void {
    this.#landed.delete(identity);
  }
}
