/**
 * Turns an HTTP answer of the grid into a value or a GridError. Conflicts are 400, never 409. Only `code` is stable across releases; texts
 * are matched loosely, to distinguish errors that share a code. Texts are from appliances with NIOS 8.2 (vindyavk/vvk_automation_public,
 * WAPI_Test_Reports) unless another source is named.
 */
import * as v from 'valibot';
import { GridError, type Reason } from '../errors.ts';
import { describe, type Request, writes } from './request.ts';

export interface HttpAnswer {
  readonly status: number;
  readonly body: string;
}

/** Characters used of a text from the grid; WAPI's own texts are below 300. */
const maxTextLength = 1_000;

const notWapiHint =
  'something other than the WAPI of a grid may be listening there: check --grid-host, --wapi-port and any proxy between';

/** `{"Error": "<Class>: <text>", "code": "<code>", "text": "<text>"}` */
const ErrorBody = v.object({ Error: v.string(), code: v.optional(v.string()), text: v.optional(v.string()) });

/**
 * Reads the value of a WAPI answer.
 * @param answer status and body as received
 * @param host the grid host that answered
 * @throws GridError for everything but a 2xx answer with a JSON body
 */
export function readAnswer(answer: HttpAnswer, host: string, request: Request): unknown {
  const value = parseJson(answer.body);
  const isGood = answer.status >= 200 && answer.status < 300;
  if (isGood && value !== undefined) return value;
  const what = describe(request);
  const outcome = writes(request) ? 'unknown' : 'none';
  const answered = `${what}: the grid at ${host} answered ${answer.status} ${shown(answer.body)}`;
  if (isGood) throw new GridError('bad-answer', answered, { outcome, hint: notWapiHint });
  if (answer.status === 401) {
    throw new GridError('credentials', `${what}: the grid at ${host} refused the user name or password (401)`);
  }
  if (answer.status >= 500) {
    // A gateway may give up before the grid behind it.
    const atGateway = answer.status === 502 || answer.status === 504;
    throw new GridError('grid-fault', answered, {
      outcome: outcome === 'unknown' && atGateway ? 'open' : outcome,
      hint: "if this goes on, see the grid's own logs; the daemon tries again",
    });
  }
  // A rate limit refused the request before anything was done (RFC 6585, section 4).
  if (answer.status === 429) {
    throw new GridError('grid-fault', answered, {
      hint: 'the grid, or a proxy before it, limits the requests of this host; the daemon tries again',
    });
  }
  const error = v.safeParse(ErrorBody, value, { abortEarly: true });
  if (error.success) {
    const { code = '', text, Error: whole } = error.output;
    throw refusal(request, { code: beginning(code), text: text ?? whole });
  }
  if (answer.status === 403) {
    // An HTML page of the web server (external-dns, issue 3234).
    throw new GridError('permission', `${what}: the grid at ${host} refused this user (403)`, {
      hint: 'give the user of --wapi-username access to this object through the API',
    });
  }
  const text = beginning(answer.body);
  // Plain text (scoulomb/myDNS, notes on errors).
  if (/^version \S{1,20} not supported/i.test(text)) {
    throw new GridError('wapi-version', `${what}: ${text.slice(0, 200)}`, {
      hint: 'set --wapi-version to one that the grid serves: 2.3, the default, or a later one; doctor names the newest',
    });
  }
  // Every 4xx refuses the request itself, except 408, which asks to repeat it (RFC 9110).
  const isRefused = answer.status >= 400 && answer.status !== 408;
  throw new GridError(isRefused ? 'not-wapi' : 'bad-answer', answered, { outcome, hint: notWapiHint });
}

/** Returns the part of a grid's text that patterns examine, which bounds their time. */
function beginning(text: string): string {
  return text.trim().slice(0, maxTextLength).trimEnd();
}

interface Refusal {
  readonly reason: Reason;
  readonly code?: RegExp;
  readonly text?: RegExp;
  /** Matches the text without quoted names and without texts of our request. */
  readonly words?: RegExp;
  readonly hint?: string;
}

const rejected: Refusal = { reason: 'rejected', hint: 'the grid does not accept this request; its text says why' };

/** The first row whose code, text or words match counts. */
const refusals: readonly Refusal[] = [
  {
    // A missing view or object; source of an object function (terraform-provider-infoblox, issue 498); parent.
    reason: 'missing',
    code: /\.NotFound$/,
    text: /did not return any result|parent was not found/i,
    hint: 'it has been removed in the grid, or the user may not see it',
  },
  {
    // Also terraform-provider-infoblox, issue 241.
    reason: 'permission',
    text: /^you (need|have no|do not have|don't have)\b.*permission/i,
    hint: "give the daemon's user this permission in the grid",
  },
  { reason: 'conflict', code: /\.Conflict$/, hint: 'look on the grid for the object there, and for its creator' },
  // smart_proxy_dhcp_infoblox, issue 6; infoblox-ansible, issue 156.
  { reason: 'no-free-address', text: /^can\s?not find \d+ available ip/i },
  { reason: 'no-free-network', text: /^can\s?not find requested number of networks/i },
  { ...rejected, text: /^(invalid|unknown|field|structure|list)\b/i },
  // No public sample of the next two texts is known.
  { reason: 'licence', words: /\blicen[cs]e/i, hint: 'install the licence on the grid, or use another user' },
  {
    reason: 'read-only',
    words: /\bread[- ]only\b|master candidate|not the grid master/i,
    hint: 'name the Grid Master in --grid-host',
  },
];

/** Patterns that capture the attribute's name. */
const attributeRefusals: readonly (readonly [Reason, RegExp])[] = [
  ['unknown-attribute', /^unknown extensible attribute:?\s{0,3}"?([^"\s][^"]{0,127})"?$/i],
  ['attribute-value', /^bad value for extensible attribute:?\s{0,3}"?([^"\s][^"]{0,127})"?$/i],
  // terraform-provider-infoblox, issue 420.
  ['attribute-not-allowed', /^extensible attribute '([^']{1,128})' is not allowed for this operation/i],
];

function refusal(request: Request, answer: { readonly code: string; readonly text: string }): GridError {
  const text = beginning(answer.text);
  const message = `${describe(request)}: ${text}`;
  for (const [reason, pattern] of attributeRefusals) {
    const attribute = pattern.exec(text)?.[1];
    if (attribute !== undefined) return new GridError(reason, message, { attribute });
  }
  const words = beginning(withoutOwn(answer.text, request)).replace(/'[^']*'|"[^"]*"/g, '');
  const fits = (row: Refusal) => row.code?.test(answer.code) || row.text?.test(text) || row.words?.test(words);
  const { reason, hint } = refusals.find(fits) ?? rejected;
  return new GridError(reason, message, { hint });
}

/** Removes texts of the request from an answer's text: they must not influence how the answer is read. */
function withoutOwn(text: string, { path, query = {}, body }: Request): string {
  const own = [...path.split(/[:/]/), ...textsIn(query), ...textsIn(body)]
    // Also as the grid may quote them.
    .flatMap((value) => [value, JSON.stringify(value).slice(1, -1), value.replaceAll("'", "\\'")])
    // Only those that match a pattern: removing others could hide words of the grid.
    .filter((value) => refusals.some(({ words }) => words?.test(value)))
    .sort((one, other) => other.length - one.length);
  return own.reduce((left, value) => left.replaceAll(value, ''), text);
}

/** Lists all texts in a JSON value, at any depth. */
function textsIn(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(textsIn) : [];
}

function parseJson(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}

function shown(body: string): string {
  const text = beginning(body);
  if (text === '') return 'with an empty body';
  if (/^<(!doctype|html)/i.test(text)) {
    const title = /<title>([^<]*)<\/title>/i.exec(text)?.[1]?.trim();
    return title ? `with an HTML page, "${title.slice(0, 80)}"` : 'with an HTML page';
  }
  return `with no JSON: ${JSON.stringify(text.slice(0, 80))}`;
}
