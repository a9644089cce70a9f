/** Each host of the grid, step by step as a connection is made: its name, TCP, TLS. */
import { lookup } from 'node:dns/promises';
import { connect, isIP, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { errors } from 'undici';
import { GridError } from '../../../../infoblox/errors.ts';
import {
  connectionError,
  connectTimeout,
  NotConnected,
} from '../../../../infoblox/wapi/connection/connection-error.ts';
import { publicKeyOf } from '../../../../infoblox/wapi/connection/peer-key.ts';
import type { Options } from '../../../daemon/config/options.ts';
import { trustOf } from '../../../daemon/config/trust.ts';
import type { Check } from '../check.ts';
import { ok, type Verdict } from '../finding.ts';
import { judgeCertificate } from './certificate.ts';

const group = 'grid';

type Settings = Pick<Options, 'wapiPort' | 'tls' | 'clientCertificate'>;

/** Where a host of the grid listens. */
interface Place {
  /** Without brackets. */
  readonly host: string;
  readonly port: number;
  /** `host:port`, as messages and known keys name it. */
  readonly name: string;
}

/**
 * Makes the checks of one host of the grid; the last one stands for all of them.
 * @param user the check without which the keys that are known cannot be read
 */
export function gridHostChecks(gridHost: string, settings: Settings, user: Check): readonly [Check, Check, Check] {
  const port = settings.wapiPort;
  const place = { host: gridHost.replace(/^\[|\]$/g, ''), port, name: `${gridHost}:${port}` };
  const dns: Check = { group, about: gridHost, title: `${gridHost} DNS`, run: () => resolve(place) };
  const tcp: Check = { group, about: gridHost, title: `${gridHost} TCP`, needs: [dns], run: () => connectTo(place) };
  const tls: Check = {
    group,
    about: gridHost,
    title: `${gridHost} TLS`,
    needs: [tcp, ...(trustOf(settings.tls) === 'pinned' ? [user] : [])],
    run: () => shakeHands(place, settings),
  };
  return [dns, tcp, tls];
}

/** As the daemon does it: by the resolver of the system. */
async function resolve(place: Place): Promise<Verdict[]> {
  if (isIP(place.host) !== 0) return [ok('none needed: it is an address')];
  const found = await lookup(place.host, { all: true }).catch((error) => {
    throw notConnected(error, place);
  });
  return [ok(found.map(({ address }) => address).join(', '))];
}

async function connectTo(place: Place): Promise<Verdict[]> {
  const began = performance.now();
  const socket = connect({ host: place.host, port: place.port });
  try {
    await connected(socket, 'connect', place);
    return [ok(`port ${place.port} answers after ${Math.ceil(performance.now() - began)} ms`)];
  } finally {
    socket.destroy();
  }
}

async function shakeHands(place: Place, settings: Settings): Promise<Verdict[]> {
  const { tls, clientCertificate } = settings;
  const { host, port } = place;
  const trusted = tls.trusted?.();
  const pair = clientCertificate?.read().pair;
  const socket = connectTls({
    ...{ host, port, rejectUnauthorized: tls.verify, ALPNProtocols: ['http/1.1'] },
    ...(isIP(host) === 0 ? { servername: host } : {}),
    ...{ ca: trusted && [...trusted], cert: pair?.cert, key: pair?.key },
  });
  try {
    await connected(socket, 'secureConnect', place);
    return judgePeer(socket, place, tls);
  } finally {
    socket.destroy();
  }
}

/** @throws GridError `untrusted` for another key than the one that is known */
function judgePeer(socket: TLSSocket, { name }: Place, tls: Options['tls']): Verdict[] {
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) throw new GridError('untrusted', `the grid at ${name} shows no certificate`);
  const { subject, subjectAltName = '', validFromDate, validToDate } = certificate;
  const key = publicKeyOf(certificate);
  const facts = {
    subject: subject.replaceAll('\n', ', '),
    names: subjectAltName,
    validFrom: validFromDate.getTime(),
    validTo: validToDate.getTime(),
    key,
    isKeyKnown: tls.keys?.check(name, key) === 'known',
  };
  return judgeCertificate(facts, { trust: trustOf(tls), now: Date.now() });
}

/** Waits as long as the daemon does. @throws GridError as one of its requests would */
async function connected(socket: Socket, event: 'connect' | 'secureConnect', place: Place): Promise<void> {
  // Whatever comes after it has been judged.
  socket.on('error', () => undefined);
  const timer = setTimeout(() => socket.destroy(new errors.ConnectTimeoutError()), connectTimeout);
  try {
    await new Promise((resolve, reject) => socket.once(event, resolve).once('error', reject));
  } catch (error) {
    throw notConnected(error, place);
  } finally {
    clearTimeout(timer);
  }
}

function notConnected(error: unknown, { name }: Place): GridError {
  const cause = error instanceof Error ? error : new Error(String(error));
  return connectionError(new NotConnected(cause), { host: name, writes: false, late: false });
}
