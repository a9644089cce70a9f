/**
 * Sends one request over undici and gathers its answer in one buffer, within a limit. undici's own `fetch` makes streams,
 * requests and signals for each: three times the processor time.
 */
import type { Dispatcher } from 'undici';
import { TooLate } from './connection-error.ts';

/** Bytes of an answer that are read at most. */
interface Limits {
  /** Of one with a 2xx status. */
  readonly good: number;
  readonly other: number;
}

export interface Gathering {
  readonly signal: AbortSignal;
  readonly limits: Limits;
  /** Asked before the request is sent; one that is too late is not. */
  readonly isTooLate: () => boolean;
}

interface Gathered {
  readonly status: number;
  /** In lower case, as undici parses them. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

/**
 * Sends a request and reads its answer as UTF-8.
 * @throws the reason of the signal if that fires first, the request is not sent any more then; `TooLate` if it was not sent; what
 * undici reports; Error for an answer that is too long or compressed
 */
export function gather(
  dispatcher: Dispatcher,
  request: Dispatcher.DispatchOptions,
  gathering: Gathering,
): Promise<Gathered> {
  return new Promise((resolve, reject) => {
    if (gathering.isTooLate()) return reject(new TooLate());
    dispatcher.dispatch(request, new AnswerHandler(gathering, resolve, reject));
  });
}

class AnswerHandler implements Dispatcher.DispatchHandler {
  readonly #gathering: Gathering;
  readonly #resolve: (answer: Gathered) => void;
  readonly #reject: (reason: unknown) => void;
  #controller: Dispatcher.DispatchController | undefined;
  #status = 0;
  #headers: Gathered['headers'] = {};
  #bytes = Buffer.allocUnsafe(0);
  #length = 0;

  constructor(gathering: Gathering, resolve: (answer: Gathered) => void, reject: (reason: unknown) => void) {
    this.#gathering = gathering;
    this.#resolve = resolve;
    this.#reject = reject;
    gathering.signal.addEventListener('abort', this.#abort, { once: true });
  }

  readonly #abort = () => {
    const { reason } = this.#gathering.signal;
    this.#controller?.abort(reason);
    this.#reject(reason);
  };

  /** Called when there is a connection, right before the request is written to it. */
  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#gathering.signal.aborted) this.#abort();
    else if (this.#gathering.isTooLate()) controller.abort(new TooLate());
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number, headers: Gathered['headers']): void {
    this.#status = status;
    this.#headers = headers;
    const encoding = headers['content-encoding'] ?? 'identity';
    // A small answer that unpacks to a huge one would slip through the limit, which counts what comes over the wire.
    if (encoding !== 'identity') controller.abort(new Error(`it answered in ${encoding}, which was not asked for`));
  }

  /** Into one buffer, so that a body in millions of pieces costs no more than one in a few. */
  onResponseData(controller: Dispatcher.DispatchController, piece: Buffer): void {
    const { good, other } = this.#gathering.limits;
    const most = this.#status < 300 ? good : other;
    const end = this.#length + piece.length;
    if (end > most) return void controller.abort(new Error(`more than ${most} bytes`));
    if (end > this.#bytes.length) {
      const larger = Buffer.allocUnsafe(Math.min(most, Math.max(end, 2 * this.#bytes.length)));
      this.#bytes.copy(larger, 0, 0, this.#length);
      this.#bytes = larger;
    }
    this.#bytes.set(piece, this.#length);
    this.#length = end;
  }

  onResponseEnd(): void {
    this.#end();
    this.#resolve({
      status: this.#status,
      headers: this.#headers,
      body: this.#bytes.toString('utf8', 0, this.#length),
    });
  }

  onResponseError(_: Dispatcher.DispatchController, error: Error): void {
    this.#end();
    this.#reject(error);
  }

  #end(): void {
    this.#gathering.signal.removeEventListener('abort', this.#abort);
  }
}
