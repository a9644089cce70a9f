import { describe, expect, test } from 'vitest';
import {
  GridError,
  hasReason,
  isGridAway,
  isRefused,
  mayExist,
  type Outcome,
  type Reason,
} from '../../../../src/infoblox/errors.ts';
import { readAnswer } from '../../../../src/infoblox/wapi/answer.ts';

function failure(status: number, body: string, writes = true): GridError {
  try {
    const query = writes ? {} : { _function: 'next_available_ip' };
    readAnswer({ status, body }, 'grid.example', { method: 'POST', path: 'fixedaddress', query });
  } catch (error) {
    if (error instanceof GridError) return error;
  }
  throw new Error('expected a GridError');
}

/** An error in the words of a grid, odd spaces included. */
function refusal(code: string, text: string): string {
  const error = `AdmConDataError: None (IBDataError: IB.Data:${text})`;
  return `{ "Error": ${JSON.stringify(error)}, \n  "code": "${code}", \n  "text": ${JSON.stringify(text)}\n}`;
}

const data = 'Client.Ibap.Data';
const conflict = 'Client.Ibap.Data.Conflict';
const protocol = 'Client.Ibap.Proto';

/** Texts that grids were seen to send. */
const refusals: readonly (readonly [Reason, number, string, string])[] = [
  ['no-free-address', 400, data, 'Cannot find 1 available IP address(es) in this network.'],
  ['no-free-network', 400, data, 'Can not find requested number of networks'],
  ['conflict', 400, conflict, 'The network 10.26.60.0/24 already exists.  Select another network.'],
  ['conflict', 400, conflict, "Duplicate object '10.0.0.5' of type 'fixed_address' already exists in the database."],
  ['conflict', 400, conflict, "The record 'h.example.com' already exists."],
  ['missing', 400, conflict, 'The action is not allowed. A parent was not found.'],
  ['missing', 404, 'Client.Ibap.Data.NotFound', 'Network View X not found'],
  ['missing', 404, 'Client.Ibap.Data.NotFound', 'Reference fixedaddress/ZG5z:10.0.0.5/default not found'],
  [
    'missing',
    400,
    protocol,
    'The search parameters {"network": "10.0.0.0/8"} for object networkcontainer did not return any result',
  ],
  ['unknown-attribute', 400, protocol, 'Unknown extensible attribute: VM Name'],
  ['attribute-value', 400, protocol, 'Bad value for extensible attribute "Site"'],
  ['attribute-not-allowed', 400, conflict, "Extensible attribute 'Site' is not allowed for this operation"],
  ['permission', 400, data, 'You need to have Write permission for the network to add a new object of this type'],
  ['permission', 400, data, 'You have no permission to delete this object recursively'],
  ['licence', 400, data, 'The DHCP license is missing'],
  ['permission', 403, data, 'You have no permission'],
  ['read-only', 400, data, 'The grid is in read-only mode'],
  ['read-only', 400, data, 'This member is a Grid Master Candidate'],
  ['rejected', 400, protocol, "Unknown argument/field: 'x'"],
  ['rejected', 400, protocol, 'field for create missing: name'],
  ['rejected', 400, data, "Invalid address_string '10.36.199.711'"],
];

test.each(refusals)('%s: status %i, %s, "%s"', (reason, status, code, text) => {
  const error = failure(status, refusal(code, text));
  expect(error).toMatchObject({ reason, outcome: 'none', message: `POST fixedaddress: ${text}` });
});

test.each([
  ['Unknown extensible attribute: VM Name', 'VM Name'],
  ['Bad value for extensible attribute "Site"', 'Site'],
  ["Extensible attribute 'Site' is not allowed for this operation", 'Site'],
])('%s names the attribute', (text, attribute) => {
  expect(failure(400, refusal(protocol, text)).attribute).toBe(attribute);
});

test.each([
  ['a long text', 400, refusal(protocol, `Unknown extensible attribute: ${'x'.repeat(100_000)}`), 'rejected'],
  ['spaces before a text', 400, refusal(protocol, `${' '.repeat(100_000)}You have no permission`), 'permission'],
  ['spaces within a text', 400, refusal(protocol, `Unknown extensible attribute${' '.repeat(100_000)}x"x`), 'rejected'],
  ['a long page', 400, `<html>${'<title>'.repeat(20_000)}`, 'not-wapi'],
])('%s is parsed quickly and reported briefly', (_, status, body, reason) => {
  const began = performance.now();
  const error = failure(status, body);
  expect(performance.now() - began).toBeLessThan(2_000);
  expect(error.reason).toBe(reason);
  expect(error.message.length).toBeLessThan(1_100);
});

/** Names that a malicious network configuration uses so that the grid quotes them and the refusal looks like another one. */
const names = [
  "a' is read-only 'b",
  'a" is on a Grid Master Candidate "b',
  'No licence',
  "x': Unknown extensible attribute: Site",
];

test.each(names)('the name %j, quoted in a refusal, does not change its reason', (view) => {
  const request = { method: 'POST', path: 'network', body: { network: '10.0.0.0/24', network_view: view } } as const;
  for (const quoted of [view, `'${view}'`, JSON.stringify(view), `'${view.replaceAll("'", "\\'")}'`]) {
    const text = `No network can be made in ${quoted}`;
    const answer = { status: 400, body: refusal(data, text) };
    const judged = () => readAnswer(answer, 'grid.example', request);
    expect(judged).toThrow(expect.objectContaining({ reason: 'rejected', message: `POST network: ${text}` }));
  }
});

test('a name that looks like a refusal does not hide the grid’s own words', () => {
  const request = {
    method: 'GET',
    path: 'network',
    query: { network_view: 'a', '*Network Name': 'read-only-pods' },
  } as const;
  const answer = { status: 400, body: refusal(data, 'The grid is read-only') };
  expect(() => readAnswer(answer, 'grid.example', request)).toThrow(expect.objectContaining({ reason: 'read-only' }));
});

test('an error without code and text is reported with its `Error` field', () => {
  expect(failure(400, '{"Error": "AdmConProtoError: broken"}')).toMatchObject({
    reason: 'rejected',
    message: 'POST fixedaddress: AdmConProtoError: broken',
  });
});

const page = '<!DOCTYPE HTML><html><head><title>401 Authorization Required</title></head></html>';
const others: readonly (readonly [string, number, string, Reason, Outcome])[] = [
  ['401 with an HTML page', 401, page, 'credentials', 'none'],
  ['403 with an HTML page', 403, page, 'permission', 'none'],
  ['a version not served', 400, 'Version 2.7 not supported', 'wapi-version', 'none'],
  ['200 with an HTML page', 200, page, 'bad-answer', 'unknown'],
  ['200 without a body', 200, '', 'bad-answer', 'unknown'],
  ['half a JSON document', 201, '{"_ref": "fixed', 'bad-answer', 'unknown'],
  ['a redirect', 302, page, 'bad-answer', 'unknown'],
  ['404 of another server', 404, page, 'not-wapi', 'unknown'],
  ['414 with an HTML page', 414, page, 'not-wapi', 'unknown'],
  ['a 400 without WAPI’s JSON', 400, '{"fault": "line too long"}', 'not-wapi', 'unknown'],
  ['408 with an HTML page', 408, page, 'bad-answer', 'unknown'],
  ['429 with an HTML page', 429, page, 'grid-fault', 'none'],
  ['a page that names a version', 404, '<p>WAPI version 2.7 not supported</p>', 'not-wapi', 'unknown'],
  ['500 with an HTML page', 500, page, 'grid-fault', 'unknown'],
  ['500 with a WAPI error', 500, refusal(data, 'internal'), 'grid-fault', 'unknown'],
  ['503 with an HTML page', 503, page, 'grid-fault', 'unknown'],
  // A proxy in between may give up earlier than the grid.
  ['502 without a body', 502, ' ', 'grid-fault', 'open'],
  ['504 with an HTML page', 504, page, 'grid-fault', 'open'],
];

describe.each(others)('%s', (_, status, body, reason, outcome) => {
  test(`is ${reason}; its outcome is ${outcome} for a write and none for a read`, () => {
    expect(failure(status, body)).toMatchObject({ reason, outcome });
    expect(failure(status, body, false)).toMatchObject({ reason, outcome: 'none' });
  });
});

test('a body that is not JSON is quoted briefly', () => {
  expect(failure(200, page).message).toBe(
    'POST fixedaddress: the grid at grid.example answered 200 with an HTML page, "401 Authorization Required"',
  );
  expect(failure(200, '<html>').message).toMatch(/with an HTML page$/);
  expect(failure(500, 'x'.repeat(1_000)).message.length).toBeLessThan(200);
});

test.each([
  ['"fixedaddress/ZG5z:10.0.0.5/default"', 'fixedaddress/ZG5z:10.0.0.5/default'],
  ['[]', []],
  ['{\n    "result": []\n}', { result: [] }],
])('%s is a value', (body, value) => {
  expect(readAnswer({ status: 200, body }, 'grid.example', { method: 'GET', path: 'fixedaddress' })).toEqual(value);
});

test('errors are those that a retry may solve, those that need the operator, and the rest', () => {
  const sorted = (reason: Reason) => {
    const error = new GridError(reason, 'text');
    return isGridAway(error) ? 'retry' : isRefused(error) ? 'operator' : 'rest';
  };
  expect(
    ['unreachable', 'untrusted', 'timeout', 'bad-answer', 'grid-fault', 'read-only'].map((r) => sorted(r as Reason)),
  ).toEqual(Array(6).fill('retry'));
  expect(['credentials', 'permission', 'licence', 'wapi-version'].map((r) => sorted(r as Reason))).toEqual(
    Array(4).fill('operator'),
  );
  expect(['conflict', 'missing', 'busy', 'state', 'not-wapi'].map((r) => sorted(r as Reason))).toEqual(
    Array(5).fill('rest'),
  );
  expect(isGridAway(new Error('text')) || isRefused('text') || hasReason(undefined, 'missing')).toBe(false);
});

test('the object may exist after a conflict or an unknown outcome, and only then', () => {
  expect(mayExist(new GridError('conflict', ''))).toBe(true);
  expect(mayExist(new GridError('timeout', '', { outcome: 'unknown' }))).toBe(true);
  expect(mayExist(new GridError('timeout', '', { outcome: 'open' }))).toBe(true);
  expect(mayExist(new GridError('timeout', ''))).toBe(false);
  expect(mayExist(new Error(''))).toBe(false);
});
