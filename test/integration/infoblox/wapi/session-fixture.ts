/** A WAPI session for tests, to a simulated grid or to undici's MockAgent. */
import type { Dispatcher } from 'undici';
import { type Clock, hostClock } from '../../../../src/infoblox/concurrency/clock.ts';
import type { GridError } from '../../../../src/infoblox/errors.ts';
import { ExtensibleAttributes } from '../../../../src/infoblox/wapi/attributes.ts';
import { createAgent } from '../../../../src/infoblox/wapi/connection/agent.ts';
import { type Facts, GridHosts } from '../../../../src/infoblox/wapi/connection/hosts.ts';
import { createTransport, type Transport } from '../../../../src/infoblox/wapi/connection/transport.ts';
import { Credentials } from '../../../../src/infoblox/wapi/credentials.ts';
import type { Fields } from '../../../../src/infoblox/wapi/request.ts';
import { maxConnections } from '../../../../src/infoblox/wapi/request-limit.ts';
import { searchRequest } from '../../../../src/infoblox/wapi/search.ts';
import { Session } from '../../../../src/infoblox/wapi/session.ts';
import { WapiGrid } from '../../../../src/infoblox/wapi/wapi-grid.ts';

export interface SessionSetup {
  readonly hosts?: readonly string[];
  readonly port: number;
  readonly username?: string;
  readonly readPassword?: () => string;
  readonly version?: string;
  readonly dispatcher?: Dispatcher;
  /** Replaces the connections. */
  readonly transport?: Transport;
  readonly clock?: Clock;
  /** The clock of the hosts and the credentials. */
  readonly now?: () => number;
  readonly onOutcome?: (trouble: GridError | undefined) => void;
}

/** Opens a session with the settings of a daemon that does not check certificates. */
export function openSession(setup: SessionSetup): Session {
  const { hosts = ['127.0.0.1'], port, username = 'admin', readPassword = () => 'infoblox', version = '2.3' } = setup;
  const { clock = hostClock(), now = clock.now } = setup;
  return new Session({
    transport:
      setup.transport ?? createTransport(setup.dispatcher ?? createAgent({ verify: false }, maxConnections), clock),
    hosts: new GridHosts(hosts, { now }),
    credentials: new Credentials({ username, readPassword, clock: { now }, random: Math.random }),
    clock,
    port,
    version,
    userAgent: 'infoblox-cni/test',
    random: Math.random,
    ...(setup.onOutcome === undefined ? {} : { onOutcome: setup.onOutcome }),
  });
}

/** Makes a clock without pauses: each one ends after the callbacks that are due in it. */
export function pauseless(inPause: (count: number, pauseMs: number) => unknown = () => {}): Clock {
  const clock = hostClock();
  let count = 0;
  const sleep: Clock['sleep'] = async (pauseMs, signal, late) => {
    count += 1;
    await inPause(count, pauseMs);
    await clock.sleep(0, signal, late);
  };
  return { ...clock, sleep };
}

/** Makes the grid over a session for a daemon of the cluster `c`. */
export function gridOver(session: Session, facts?: Facts): WapiGrid {
  return new WapiGrid(session, new ExtensibleAttributes('c'), facts);
}

/** Returns the signal of a caller that waits for the given time. */
export const inTime = (milliseconds = 10_000): AbortSignal => AbortSignal.timeout(milliseconds);

/** Sends the cheapest request, which finds nothing. */
export async function ask(session: Session, signal: AbortSignal = inTime()): Promise<unknown> {
  const search = searchRequest({ type: 'networkview', query: { name: 'none' }, fields: 'name' });
  return (await session.ask(search, signal)).value;
}

/** Sends a write that leaves an object to count. */
export function write(session: Session, name: string, signal: AbortSignal = inTime()): Promise<unknown> {
  return create(session, 'networkview', { name, comment: 'test' }, signal);
}

/** Creates an object. */
export async function create(session: Session, type: string, body: Fields, signal = inTime()): Promise<unknown> {
  return (await session.ask({ method: 'POST', path: type, query: { _return_fields: 'comment' }, body }, signal)).value;
}

/** Returns the error that a promise is rejected with, and fails if it is fulfilled. */
export async function failureOf(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error('expected a failure');
}
