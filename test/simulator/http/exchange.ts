import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { type PeerCertificate, TLSSocket } from 'node:tls';
import { htmlPage, unauthorized, WapiError } from '../errors.ts';
import { parseTarget } from '../wapi/target.ts';
import type { WapiService } from '../wapi/wapi-service.ts';
import { applyEffect } from './effects.ts';
import type { Delay, Faults } from './faults.ts';
import { type HttpAnswer, send } from './http-answer.ts';
import { bodyRecord, type OpenRecord, queryRecord, type RequestRecord } from './request-log.ts';
import type { Authenticated, Sessions } from './sessions.ts';

/** Maximum characters of a request line: Apache's default LimitRequestLine. */
const maxRequestLine = 8_190;

/** The shared context of exchanges. */
export interface ExchangeContext {
  readonly sessions: Sessions;
  readonly faults: Faults;
  readonly service: WapiService;
  latencyMs(): number;
  /** Milliseconds by which the clock in answers is ahead. */
  clockAhead(): number;
  /** Called when the request has been read; the record is still incomplete. */
  arrived(record: RequestRecord): void;
  /** Called when the client got its answer or lost its connection. */
  finished(record: RequestRecord): void;
  reset(request: IncomingMessage): void;
  /** Runs a function later, unless the grid is stopped before. */
  later(after: Delay, run: () => void): void;
}

/** Handles one request: log, latency, faults, authentication, WAPI. */
export async function exchange(
  context: ExchangeContext,
  request: IncomingMessage,
  response: ServerResponse,
  connection: number,
): Promise<void> {
  let body = await readBody(request);
  const url = new URL(request.url ?? '/', 'https://127.0.0.1');
  const record: OpenRecord = {
    at: Date.now(),
    method: request.method ?? '',
    path: url.pathname,
    type: parseTarget(url.pathname)?.type ?? '',
    query: queryRecord(url.searchParams),
    body: bodyRecord(body),
    status: 0,
    connection,
    login: false,
    basic: request.headers.authorization !== undefined,
    certificate: clientCertificate(request)?.fingerprint256,
    agent: request.headers['user-agent'] ?? '',
  };
  context.arrived(record);
  // 'finish' precedes the connection's next request, 'close' may not. A cut connection has no 'finish'.
  let over = false;
  const finished = () => {
    if (over) return;
    over = true;
    if (response.headersSent) record.status = response.statusCode;
    context.finished(record);
  };
  response.once('finish', finished);
  response.once('close', finished);
  if (context.latencyMs() > 0) await sleep(context.latencyMs());
  response.setHeader('date', new Date(Date.now() + context.clockAhead()).toUTCString());

  let authenticated: Authenticated | undefined;
  const authenticate = () => {
    authenticated ??= context.sessions.authenticate(request.headers, String(clientCertificate(request)?.subject.CN));
    return authenticated;
  };
  const carryOut = () => answer(context, request, url, body, record, authenticate);
  const effect = context.faults.take(record);
  if (effect?.kind === 'delay') await sleep(effect.ms);
  if (effect?.kind === 'wait') await effect.until;
  if (!effect || effect.kind === 'delay' || effect.kind === 'wait') send(response, carryOut());
  else {
    const lookUp = () => {
      body = context.service.lookUp(record.type, body);
    };
    await applyEffect(effect, {
      response,
      authenticate,
      carryOut,
      lookUp,
      reset: () => context.reset(request),
      later: context.later,
    });
  }
}

function answer(
  context: ExchangeContext,
  request: IncomingMessage,
  url: URL,
  body: string,
  record: OpenRecord,
  authenticate: () => Authenticated | undefined,
): HttpAnswer {
  try {
    const line = `${request.method} ${request.url} HTTP/1.1`;
    if (line.length > maxRequestLine) throw htmlPage(414, 'Request-URI Too Long', 'The requested URL is too long.');
    const authenticated = authenticate();
    if (!authenticated) throw unauthorized();
    record.login = authenticated.login;
    const target = parseTarget(url.pathname);
    if (!target) throw htmlPage(404, 'Not Found', 'The requested URL was not found on this server.');
    if (target.type === 'logout' && record.method === 'POST') {
      context.sessions.logout(request.headers.cookie);
      return { status: 200, contentType: 'application/json', body: '{}' };
    }
    const contentType = request.headers['content-type'] ?? '';
    const wapi = { method: record.method, target, query: url.searchParams, body, contentType };
    const { status, json } = context.service.handle(wapi);
    const text = JSON.stringify(json, undefined, 4);
    return { status, contentType: 'application/json', body: text, cookie: authenticated.cookie };
  } catch (error) {
    if (!(error instanceof WapiError)) throw error;
    return { status: error.status, contentType: error.contentType, body: error.body };
  }
}

/** Returns the client's certificate. Its common name is the user (`certificate:authservice`, S_DN_CN). */
function clientCertificate({ socket }: IncomingMessage): PeerCertificate | undefined {
  const certificate = socket instanceof TLSSocket ? socket.getPeerCertificate() : undefined;
  // Empty if no certificate was requested.
  return certificate?.subject === undefined ? undefined : certificate;
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}
