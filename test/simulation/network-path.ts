/**
 * The way of a request from a host to the grid and back, in virtual time, with all that may happen to it there: it is slow, refused,
 * dropped, carried out late, or its answer is lost. What happens follows from the seed and from which request of which host it is.
 */
import type { Clock } from '../../src/infoblox/concurrency/clock.ts';
import { connectionError, NotConnected, TooLate } from '../../src/infoblox/wapi/connection/connection-error.ts';
import type { Exchange, Transport, TransportAnswer } from '../../src/infoblox/wapi/connection/transport.ts';
import { between, type Chance } from './chance.ts';
import type { GridMembers, HttpRequest, MemberName } from './grid-members.ts';
import type { VirtualTime } from './virtual-time.ts';

/** How often something happens to a request, a part of 1; absent: never. */
export interface PathTroubles {
  /** It takes 2 to 9 s. */
  readonly slow?: number;
  /** The connection is there only after 0.5 to 3 s. */
  readonly connectsSlowly?: number;
  /** No connection. */
  readonly refused?: number;
  /** The connection breaks before the request is carried out: it never is. */
  readonly dropped?: number;
  /** It is carried out, and the connection breaks before its answer. */
  readonly answerLost?: number;
  /** It is carried out, and nothing comes back until the caller's time is over. */
  readonly silence?: number;
  /** The connection breaks, and the request is carried out up to 50 s later. */
  readonly late?: number;
  /** The grid answers 503 and does nothing. */
  readonly fault?: number;
  /** What a next-available function finds is taken a moment later: others may have it by then. */
  readonly lookFirst?: number;
}

type Fate = keyof PathTroubles | 'well';

const fates = [
  'slow',
  'connectsSlowly',
  'refused',
  'dropped',
  'answerLost',
  'silence',
  'late',
  'fault',
  'lookFirst',
] as const;
/** Milliseconds in which the grid has carried a request out or dropped it, whatever its caller knows. */
const lateAtMost = 50_000;

interface PathDeps {
  readonly time: VirtualTime;
  readonly members: GridMembers;
  readonly chance: Chance;
  readonly troubles: () => PathTroubles;
  /** Told of each request that reaches the grid. */
  readonly onArrival?: (request: HttpRequest, client: string) => void;
}

/**
 * Makes the transport of one run of a daemon.
 * @param run `client` names it: its requests are numbered; `isDropped` tells whether what is still on its way never arrives
 */
export function pathToGrid(
  { time, members, chance, troubles, onArrival = () => {} }: PathDeps,
  {
    client,
    clock,
    isDropped,
  }: { readonly client: string; readonly clock: Pick<Clock, 'now'>; readonly isDropped: () => boolean },
): Transport {
  let count = 0;
  return {
    close: async () => {},
    exchange(exchange: Exchange): Promise<TransportAnswer> {
      count += 1;
      const draw = (what: string) => chance(client, count, what);
      const member = new URL(exchange.url).hostname as MemberName;
      const request = {
        method: exchange.method,
        url: exchange.url,
        body: exchange.body ? JSON.stringify(exchange.body) : '',
      };
      const writes = exchange.method !== 'GET';
      const fate = members.isUp(member) ? fateOf(troubles(), draw) : 'refused';
      const [there, back] = [between(draw('there'), 1, 40), between(draw('back'), 1, 40)];
      return new Promise((resolve, reject) => {
        const { signal, leaveBy = Number.POSITIVE_INFINITY } = exchange;
        const host = `${member}:443`;
        const broken = (error: Error) => reject(connectionError(error, { host, writes, late: signal.aborted }));
        const reset = () => broken(Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' }));
        const isWanted = () => !signal.aborted || draw('after all') < 0.5;
        const carryOut = (then: (answer: TransportAnswer) => void = () => {}) => {
          if (!members.isUp(member) || isDropped()) return reset();
          onArrival(request, client);
          then({ ...members.answer(member, request), setCookie: ['ibapauth="sim"'] });
        };
        if (signal.aborted) return broken(new Error('too late to send'));
        signal.addEventListener('abort', () => broken(new Error('gave up')), { once: true });
        if (fate === 'refused') {
          const refusal = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
          time.after(there, () => broken(new NotConnected(refusal)));
          return;
        }
        const connecting = fate === 'connectsSlowly' ? between(draw('connect'), 500, 3_000) : 0;
        const travelling = fate === 'slow' ? between(draw('slow'), 2_000, 9_000) : there;
        time.after(connecting, () => {
          if (clock.now() > leaveBy) return broken(new TooLate());
          if (!signal.aborted) time.after(travelling, arrive);
        });
        const arrive = () => {
          if (!isWanted()) return;
          switch (fate) {
            case 'dropped':
              return reset();
            case 'answerLost':
              carryOut();
              return reset();
            case 'silence':
              return carryOut();
            case 'late':
              reset();
              time.after(between(draw('late'), 1, lateAtMost), () => carryOut());
              return;
            case 'fault':
              return void time.after(back, () => resolve({ status: 503, body: 'busy', setCookie: [] }));
            case 'lookFirst': {
              if (!members.isUp(member)) return reset();
              const found = members.lookUp(member, request);
              time.after(between(draw('look'), 1, 30), () => {
                if (!members.isUp(member)) return reset();
                onArrival(found, client);
                const answer = members.answer(member, found);
                time.after(back, () => resolve({ ...answer, setCookie: ['ibapauth="sim"'] }));
              });
              return;
            }
            default:
              return carryOut((answer) => time.after(back, () => resolve(answer)));
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
