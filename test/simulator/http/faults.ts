import type { RequestRecord } from './request-log.ts';

/** Milliseconds, or a promise to wait for. */
export type Delay = number | Promise<unknown>;

/**
 * What happens instead of a normal answer. `commit`: the request is carried out all the same (default: no). `truncate`
 * always carries it out; `commit-later` does so some time after the connection was cut or left hanging. `look-first`
 * resolves next-available addresses and networks `ms` before the insert, so that other requests can intervene (WAPI:
 * the first to save wins, the others may get an error). `alter` carries the request out and changes the answer.
 * `answer-late` carries it out at once and answers later, with a possibly outdated answer. `delay` and `wait` carry it out later.
 */
export type Effect =
  | { readonly kind: 'delay'; readonly ms: number }
  | { readonly kind: 'wait'; readonly until: Promise<unknown> }
  | {
      readonly kind: 'status';
      readonly status: number;
      readonly body?: string;
      readonly contentType?: string;
      readonly commit?: boolean;
    }
  | { readonly kind: 'look-first'; readonly ms: number }
  | { readonly kind: 'answer-late'; readonly after: Delay }
  | { readonly kind: 'alter'; readonly answer: (body: string) => string }
  | { readonly kind: 'html'; readonly status?: number; readonly commit?: boolean }
  | { readonly kind: 'reset'; readonly commit?: boolean }
  | { readonly kind: 'hang'; readonly commit?: boolean }
  | { readonly kind: 'truncate' }
  | { readonly kind: 'commit-later'; readonly after: Delay; readonly answer?: 'reset' | 'hang' }
  | { readonly kind: 'empty'; readonly commit?: boolean }
  | { readonly kind: 'oversize'; readonly bytes: number; readonly commit?: boolean };

/** Selects requests: those that match all given fields, after skipping `skip` of them, `times` times (default 1). */
export interface Fault {
  readonly method?: string;
  /** Object type, also of references. */
  readonly type?: string;
  readonly when?: (request: RequestRecord) => boolean;
  readonly times?: number;
  readonly skip?: number;
  readonly effect: Effect;
}

/** Requests that wait at the grid. */
export interface HeldRequests {
  /** Resolves when the first of them is there. */
  readonly arrived: Promise<void>;
  /** Carries them out. */
  release(): void;
}

/** The armed faults; the first injected comes first. */
export class Faults {
  readonly #armed = new Set<{ fault: Fault; skip: number; times: number }>();

  /** Arms a fault; returns a function that disarms it. */
  inject(fault: Fault): () => void {
    const armed = { fault, skip: fault.skip ?? 0, times: fault.times ?? 1 };
    this.#armed.add(armed);
    return () => {
      this.#armed.delete(armed);
    };
  }

  /** Lets requests wait until they are released. */
  hold({ when, ...fault }: Omit<Fault, 'effect'>): HeldRequests {
    const [arrival, end] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const isMeant = (request: RequestRecord) => {
      if (when?.(request) === false) return false;
      arrival.resolve();
      return true;
    };
    this.inject({ ...fault, when: isMeant, effect: { kind: 'wait', until: end.promise } });
    return { arrived: arrival.promise, release: end.resolve };
  }

  /** Returns the effect on this request, if any; uses up one of the fault's times. */
  take(request: RequestRecord): Effect | undefined {
    for (const armed of this.#armed) {
      if (!matches(armed.fault, request)) continue;
      if (armed.skip > 0) {
        armed.skip--;
        continue;
      }
      if (--armed.times <= 0) this.#armed.delete(armed);
      return armed.fault.effect;
    }
    return undefined;
  }
}

function matches({ method, type, when }: Fault, request: RequestRecord): boolean {
  if (method !== undefined && method !== request.method) return false;
  if (type !== undefined && type !== request.type) return false;
  return when?.(request) ?? true;
}
