/** How a session treats a busy grid. Each test sets how long the grid takes for an answer. */
import { beforeEach, describe, expect, test } from 'vitest';
import { connectionError } from '../../../../src/infoblox/wapi/connection/connection-error.ts';
import { GridHosts } from '../../../../src/infoblox/wapi/connection/hosts.ts';
import type { Exchange, TransportAnswer } from '../../../../src/infoblox/wapi/connection/transport.ts';
import { Credentials } from '../../../../src/infoblox/wapi/credentials.ts';
import { Session } from '../../../../src/infoblox/wapi/session.ts';
import { ManualClock } from '../../../fixture/manual-clock.ts';

const never = new AbortController().signal;
let clock: ManualClock;
/** Host and method of each request, in order. */
let sent: string[];
/** Milliseconds until the answer, by host. */
let takes: Record<string, number>;

beforeEach(() => {
  clock = new ManualClock();
  sent = [];
  takes = { a: 10, b: 10 };
});

function exchange({ method, url, writes, signal }: Exchange): Promise<TransportAnswer> {
  const host = new URL(url).hostname;
  sent.push(`${host} ${method}`);
  return new Promise((resolve, reject) => {
    signal.addEventListener('abort', () => reject(connectionError(signal.reason, { host, writes, late: true })));
    clock.after(takes[host] ?? 0, () => resolve({ status: 200, body: '{"result":[]}', setCookie: ['ibapauth="a"'] }));
  });
}

function open(...hosts: string[]): Session {
  return new Session({
    transport: { exchange, close: async () => undefined },
    hosts: new GridHosts(hosts, clock),
    credentials: new Credentials({ username: 'admin', readPassword: () => 'infoblox', clock, random: () => 0.5 }),
    clock,
    port: 443,
    version: '2.3',
    userAgent: 'test',
    random: () => 0.5,
  });
}

/** Opens a session that has had a quick answer. */
async function openQuick(...hosts: string[]): Promise<Session> {
  const session = open(...hosts);
  const first = read(session);
  await clock.advance(10);
  await first;
  sent.length = 0;
  return session;
}

const read = (session: Session) => session.ask({ method: 'GET', path: 'network' }, never);
const create = (session: Session, neededBy: number) =>
  session.ask({ method: 'POST', path: 'fixedaddress', body: {}, neededBy }, never).then(
    () => 'made',
    ({ reason, outcome }) => `${reason} ${outcome}`,
  );

describe('a create', () => {
  /** Opens a session whose last answer took 2 s. */
  async function afterSlowAnswer(): Promise<Session> {
    const session = await openQuick('a');
    takes.a = 2_000;
    const first = read(session);
    await clock.advance(2_000);
    await first;
    return session;
  }

  test('that has waited is not sent if its caller would leave before an answer like the last one', async () => {
    const session = await afterSlowAnswer();
    const others = Array.from({ length: 8 }, () => read(session));
    const created = create(session, clock.now() + 3_999);
    await clock.advance(2_000);
    await Promise.all(others);
    expect(await created).toBe('busy none');
    expect(sent).not.toContain('a POST');
  });

  test('that has waited is sent if there is time for it', async () => {
    const session = await afterSlowAnswer();
    const others = Array.from({ length: 8 }, () => read(session));
    const created = create(session, clock.now() + 4_000);
    await clock.advance(4_000);
    await Promise.all(others);
    expect(await created).toBe('made');
  });

  test('that need not wait is sent however little time is left, as the grid may be quick again', async () => {
    const session = await afterSlowAnswer();
    takes.a = 10;
    const created = create(session, clock.now() + 100);
    await clock.advance(10);
    expect(await created).toBe('made');
  });
});

describe('a grid host that stopped answering', () => {
  /** Opens a session that had a quick answer before the host stopped. */
  async function openBefore(...hosts: string[]): Promise<Session> {
    const session = await openQuick(...hosts);
    takes.a = Number.POSITIVE_INFINITY;
    return session;
  }

  test('gets fewer requests after a pause', async () => {
    const session = await openBefore('a');
    void read(session);
    await clock.advance(15_000);
    for (let n = 0; n < 8; n += 1) void read(session);
    await clock.advance(0);
    // Half of eight, minus the resting place.
    expect(session.waiting).toBe(5);
  });

  test('delays the requests to another host by a few seconds', async () => {
    const session = await openBefore('a', 'b');
    const reads = Array.from({ length: 8 }, () => read(session));
    await clock.advance(15_000 + 4_000 + 100);
    await Promise.all(reads);
    expect(sent.filter((line) => line === 'b GET')).toHaveLength(8);
  });

  test('is not blamed for a caller who leaves early', async () => {
    const session = await openBefore('a');
    const caller = new AbortController();
    const left = Array.from({ length: 8 }, () => session.ask({ method: 'GET', path: 'network' }, caller.signal));
    await clock.advance(1_000);
    caller.abort();
    await Promise.allSettled(left);
    for (let n = 0; n < 8; n += 1) void read(session);
    await clock.advance(0);
    expect(session.waiting).toBe(0);
  });
});
