import type { ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { htmlPage } from '../errors.ts';
import type { Delay, Effect } from './faults.ts';
import { type HttpAnswer, send } from './http-answer.ts';

/** What an effect can do to its request. */
export interface Victim {
  readonly response: ServerResponse;
  /** Authenticates and executes the request. Its answer may be discarded. */
  readonly carryOut: () => HttpAnswer;
  /** Authenticates now, in case the session has expired when the request is carried out. */
  readonly authenticate: () => void;
  /** Replaces next-available functions in the body by their current results. */
  readonly lookUp: () => void;
  readonly reset: () => void;
  readonly later: (after: Delay, run: () => void) => void;
}

const CHUNK = 64 * 1024;

/** Answers a request as its fault says. A hanging request stays open until its connection ends. */
export async function applyEffect(effect: Exclude<Effect, { kind: 'delay' | 'wait' }>, victim: Victim): Promise<void> {
  const { response, carryOut, reset } = victim;
  if ('commit' in effect && effect.commit) carryOut();
  switch (effect.kind) {
    case 'status': {
      const page = htmlPage(effect.status, 'Error', 'The server could not complete the request.');
      const { body = page.body, contentType = page.contentType } = effect;
      return send(response, { status: effect.status, contentType, body });
    }
    case 'look-first':
      victim.lookUp();
      await sleep(effect.ms);
      return send(response, carryOut());
    case 'answer-late': {
      const answer = carryOut();
      await (typeof effect.after === 'number' ? sleep(effect.after) : effect.after);
      return send(response, answer);
    }
    case 'alter': {
      const answer = carryOut();
      return send(response, { ...answer, body: effect.answer(answer.body) });
    }
    case 'html': {
      const page = htmlPage(effect.status ?? 200, 'Infoblox', 'Please log in.');
      return send(response, page);
    }
    case 'reset':
      return reset();
    case 'hang':
      return undefined;
    case 'truncate':
      return sendHalf(response, carryOut());
    case 'commit-later':
      victim.authenticate();
      victim.later(effect.after, carryOut);
      return effect.answer === 'hang' ? undefined : reset();
    case 'empty':
      return send(response, { status: 200, contentType: 'application/json', body: '' });
    case 'oversize':
      return sendOversize(response, effect.bytes);
    default:
      return effect satisfies never;
  }
}

/** Sends half of the body with the Content-Length of the whole, then ends the connection. */
function sendHalf(response: ServerResponse, { status, contentType, body }: HttpAnswer): void {
  const bytes = Buffer.from(body);
  response.writeHead(status, { 'content-type': contentType, 'content-length': bytes.length });
  response.write(bytes.subarray(0, Math.floor(bytes.length / 2)), () => response.destroy());
}

/** Sends a valid JSON string of that many bytes, streamed to save memory. */
async function sendOversize(response: ServerResponse, bytes: number): Promise<void> {
  response.writeHead(200, { 'content-type': 'application/json' });
  try {
    await pipeline(Readable.from(jsonString(bytes)), response);
  } catch {
    // The client closed the connection early, as it should.
  }
}

function* jsonString(bytes: number): Generator<Buffer> {
  yield Buffer.from('"');
  for (let left = bytes - 2; left > 0; left -= CHUNK) yield Buffer.alloc(Math.min(CHUNK, left), 'x');
  yield Buffer.from('"');
}
