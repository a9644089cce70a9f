/**
 * Simulates the network between a host and the grid in virtual time: requests are slow, refused, dropped, carried out late, or lose their
 * answers. The seed and the number of the request decide, or a test arranges it.
 */
import type { Clock } from '../../src/infoblox/concurrency/clock.ts';
import { connectionError, NotConnected, TooLate } from '../../src/infoblox/wapi/connection/connection-error.ts';
import type { Exchange, Transport, TransportAnswer } from '../../src/infoblox/wapi/connection/transport.ts';
import { between, type Chance } from './chance.ts';
import type { GridMembers, HttpRequest, MemberName } from './grid-members.ts';
import type { VirtualTime } from './virtual-time.ts';

/** Probability of each fault; absent: never. */
export interface PathTroubles {
  /** Arrives after 2 to 9 s. */
  readonly slow?: number;
  /** Carried out at once, with an answer after 2 to 9 s. */
  readonly slowAnswer?: number;
  /** Connected after 0.5 to 3 s. */
  readonly connectsSlowly?: number;
  /** No connection. */
  readonly refused?: number;
  /** The connection breaks before the request is carried out, and it is dropped. */
  readonly dropped?: number;
  /** Carried out, then the connection breaks before the answer. */
  readonly answerLost?: number;
  /** Carried out, without an answer until the caller's timeout. */
  readonly silence?: number;
  /** The connection breaks, and the request is carried out up to 50 s later. */
  readonly late?: number;
  /** The grid answers 503 and does nothing. */
  readonly fault?: number;
  /** The result of a next-available function is reserved a moment later: others may have it by then. */
  readonly lookFirst?: number;
}

export type Fate = keyof PathTroubles | 'well';

/** A fault arranged by a test. */
export interface Arranged {
  readonly fate: Fate;
  /** Milliseconds of delay. */
  readonly ms?: number | undefined;
}

/** A point at which a run can be killed: a request, or a commit of its state. */
export type PointKind = 'request' | 'commit';
export type Interrupt = (client: string, kind: PointKind, moment: 'before' | 'after') => boolean;

export const fates = [
  'slow',
  'slowAnswer',
  'connectsSlowly',
  'refused',
  'dropped',
  'answerLost',
  'silence',
  'late',
  'fault',
  'lookFirst',
] as const;
/** Milliseconds within which the grid carries out or drops a request. */
const maxLateMs = 50_000;

interface PathDeps {
  readonly time: VirtualTime;
  readonly members: GridMembers;
  readonly chance: Chance;
  readonly troubles: () => PathTroubles;
  /** Overrides the fault that follows from the seed. */
  readonly arranged?: (request: HttpRequest, client: string) => Arranged | undefined;
  /** Called for each request that reaches the grid. */
  readonly onArrival: (request: HttpRequest, client: string) => void;
  /** @returns whether the run ends at this point */
  readonly interrupt?: Interrupt;
}

interface Run {
  /** Name of the run; its requests are numbered. */
  readonly client: string;
  readonly clock: Pick<Clock, 'now'>;
  /** Whether the run has ended: it sends and receives nothing. */
  readonly isOver: () => boolean;
  /** Whether requests in flight are dropped. */
  readonly isDropped: () => boolean;
}

/** Makes the transport of one run of a daemon. */
export function pathToGrid(deps: PathDeps, { client, clock, isOver, isDropped }: Run): Transport {
  const { time, members, chance, troubles, arranged, onArrival, interrupt = () => false } = deps;
  let count = 0;
  return {
    close: async () => {},
    exchange(exchange: Exchange): Promise<TransportAnswer> {
      count += 1;
      const draw = (what: string) => chance(client, count, what);
      const member = new URL(exchange.url).hostname as MemberName;
      const machine = members.machineOf(member);
      const { method, url, signal, leaveBy = Number.POSITIVE_INFINITY } = exchange;
      const request = { method, url, body: exchange.body ? JSON.stringify(exchange.body) : '' };
      const { fate, ms } = arranged?.(request, client) ?? { fate: fateOf(troubles(), draw) };
      const [there, back] = [between(draw('there'), 1, 40), between(draw('back'), 1, 40)];
      return new Promise((resolve, reject) => {
        // A run that has ended does not continue.
        if (isOver()) return;
        const host = `${member}:443`;
        const giveUp = () => broken(new Error('gave up'));
        const answer = (given: TransportAnswer) => {
          signal.removeEventListener('abort', giveUp);
          if (!isOver()) resolve(given);
        };
        const broken = (error: Error) => {
          if (!isOver()) reject(connectionError(error, { host, writes: method !== 'GET', late: signal.aborted }));
        };
        const reset = () => broken(Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' }));
        const isWanted = () => !signal.aborted || draw('after all') < 0.5;
        const carryOut = (what: HttpRequest, then: (answer: TransportAnswer) => void = () => {}) => {
          if (!members.isUp(member) || members.machineOf(member) !== machine || isDropped()) return reset();
          if (interrupt(client, 'request', 'before')) return;
          onArrival(what, client);
          const given = members.answer(member, what);
          if (!interrupt(client, 'request', 'after')) then({ ...given, setCookie: ['ibapauth="sim"'] });
        };
        if (signal.aborted) return broken(new Error('too late to send'));
        signal.addEventListener('abort', giveUp, { once: true });
        if (fate === 'refused' || !members.isUp(member)) {
          const refusal = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
          time.after(there, () => broken(new NotConnected(refusal)));
          return;
        }
        const connecting = fate === 'connectsSlowly' ? (ms ?? between(draw('connect'), 500, 3_000)) : 0;
        const travelling = fate === 'slow' ? (ms ?? between(draw('slow'), 2_000, 9_000)) : there;
        const returning = fate === 'slowAnswer' ? (ms ?? between(draw('slow'), 2_000, 9_000)) : back;
        time.after(connecting, () => {
          if (isOver()) return;
          if (clock.now() > leaveBy) return broken(new TooLate());
          if (!signal.aborted) time.after(travelling, arrive);
        });
        const arrive = () => {
          if (!isWanted()) return;
          switch (fate) {
            case 'dropped':
              return reset();
            case 'answerLost':
              carryOut(request);
              return reset();
            case 'silence':
              return carryOut(request);
            case 'late':
              reset();
              time.after(ms ?? between(draw('late'), 1, maxLateMs), () => carryOut(request));
              return;
            case 'fault':
              return void time.after(back, () => answer({ status: 503, body: 'busy', setCookie: [] }));
            case 'lookFirst': {
              if (!members.isUp(member)) return reset();
              const found = members.lookUp(member, request);
              time.after(ms ?? between(draw('look'), 1, 30), () =>
                carryOut(found, (given) => time.after(back, () => answer(given))),
              );
              return;
            }
            default:
              return carryOut(request, (given) => time.after(returning, () => answer(given)));
          }
        };
      });
    },
  };
}

function fateOf(troubles: PathTroubles, draw: (what: string) => number): Fate {
  let left = draw('fate');
  for (const fate of fates) {
    left -= troubles[fate] ?? 0;
    if (left < 0) return fate;
  }
  return 'well';
}
