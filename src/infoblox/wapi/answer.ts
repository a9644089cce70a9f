/**
 * Turns an HTTP answer of the grid into a value or a GridError. WAPI's conflicts are 400, never 409; only `code` is
 * stable across releases, the texts are matched loosely and only to tell apart what shares a code.
 */
import * as v from 'valibot';
import { GridError } from '../errors.ts';

export interface HttpAnswer {
  readonly status: number;
  readonly body: string;
}

/** Characters of a text from the grid that are looked at and shown; WAPI's own are below 300. */
const longestText = 1_000;

const isItAGrid =
  'something other than the WAPI of a grid may be listening there: check --grid-host, --wapi-port and any proxy between';

/** WAPI: errors are `{"Error": "<Class>: <text>", "code": "<code>", "text": "<text>"}`. */
const ErrorBody = v.object({ Error: v.string(), code: v.optional(v.string()), text: v.optional(v.string()) });

/**
 * The value of a WAPI answer.
 * @param answer status and body as received
 * @param what the request in words, for messages: `POST fixedaddress`
 * @param host who answered, for messages
 * @param writes whether the request may have changed the grid; decides the outcome of unclear answers
 * @throws GridError for everything but a 2xx answer with a JSON body
 */
export function readAnswer(answer: HttpAnswer, what: string, host: string, writes: boolean): unknown {
  const outcome = writes ? 'unknown' : 'none';
  const value = parseJson(answer.body);
  const answered = `${what}: the grid at ${host} answered ${answer.status} ${describe(answer.body)}`;
  if (answer.status >= 200 && answer.status < 300) {
    if (value === undefined) {
      throw new GridError('bad-answer', answered, { outcome, hint: isItAGrid });
    }
    return value;
  }
  if (answer.status === 401) {
    throw new GridError('credentials', `${what}: the grid at ${host} refused the user name or password (401)`);
  }
  if (answer.status >= 500) {
    // A gateway on the way gives up sooner than the grid behind it.
    const atGateway = answer.status === 502 || answer.status === 504;
    throw new GridError('grid-fault', answered, {
      outcome: writes && atGateway ? 'open' : outcome,
      hint: "it is tried again; if this goes on, see the grid's own logs",
    });
  }
  const error = v.safeParse(ErrorBody, value, { abortEarly: true });
  if (error.success) {
    const { code = '', text, Error: whole } = error.output;
    throw refusal(what, beginning(code), beginning(text ?? whole));
  }
  if (answer.status === 403) {
    throw new GridError('permission', `${what}: the grid at ${host} refused this user (403)`, {
      hint: 'give the user of --wapi-username access to this object through the API',
    });
  }
  const text = beginning(answer.body);
  if (/\bversion \S{1,20} not supported/i.test(text)) {
    throw new GridError('wapi-version', `${what}: ${text.slice(0, 200)}`, {
      hint: 'set --wapi-version to one that the grid serves',
    });
  }
  throw new GridError('bad-answer', answered, { outcome, hint: isItAGrid });
}

/** What is looked at of a text from the grid: patterns see no more than this, so that none of them can take long. */
function beginning(text: string): string {
  return text.trim().slice(0, longestText).trimEnd();
}

function refusal(what: string, code: string, text: string): GridError {
  const message = `${what}: ${text}`;
  const attribute = /\b(?:unknown|bad value for) extensible attribute:?\s{0,3}"?([^"\s][^"]{0,127})"?$/i.exec(
    text,
  )?.[1];
  if (attribute !== undefined) return new GridError('unknown-attribute', message, { attribute });
  // The source of an object function, the parent of a new object and a network view are reported in three ways.
  if (/\.NotFound$/.test(code) || /did not return any result|parent was not found/i.test(text)) {
    return new GridError('missing', message, { hint: 'it has been removed in the grid, or the user may not see it' });
  }
  if (/^you (need|have no|do not have|don't have)\b.*permission/i.test(text)) {
    return new GridError('permission', message, { hint: "give the daemon's user this permission in the grid" });
  }
  if (/\.Conflict$/.test(code)) {
    return new GridError('conflict', message, { hint: 'see in the grid what is there, and who made it' });
  }
  if (/can\s?not find \d+ available ip/i.test(text)) return new GridError('no-free-address', message);
  if (/can\s?not find requested number of networks/i.test(text)) return new GridError('no-free-network', message);
  // What is left is told apart by its words; those of names in it do not count.
  const words = /^(invalid|unknown|field|structure|list)\b/i.test(text) ? '' : text.replace(/'[^']*'|"[^"]*"/g, '');
  if (/\blicen[cs]e/i.test(words)) {
    return new GridError('licence', message, { hint: 'install the licence on the grid, or use another user' });
  }
  if (/\bread[- ]only\b|master candidate|not the grid master/i.test(words)) {
    return new GridError('read-only', message, { hint: 'name the Grid Master in --grid-host' });
  }
  return new GridError('rejected', message, { hint: 'the grid does not accept this request; its text says why' });
}

function parseJson(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}

function describe(body: string): string {
  const text = beginning(body);
  if (text === '') return 'with an empty body';
  if (/^<(!doctype|html)/i.test(text)) {
    const title = /<title>([^<]*)<\/title>/i.exec(text)?.[1]?.trim();
    return title ? `with an HTML page, "${title.slice(0, 80)}"` : 'with an HTML page';
  }
  return `with no JSON: ${JSON.stringify(text.slice(0, 80))}`;
}
