import { describe, expect, test } from 'vitest';
import { GridError } from '../../../../../src/infoblox/errors.ts';
import { connectionError, NotConnected } from '../../../../../src/infoblox/wapi/connection/connection-error.ts';

const exchange = { host: 'grid.example:443', writes: true, late: false };

/** An error of Node as ofetch wraps it. */
function wrapped(error: Error): Error {
  return new Error('[POST] "url"', { cause: new TypeError('fetch failed', { cause: error }) });
}

function coded(code: string, message = code, more = {}): Error {
  return Object.assign(new Error(message), { code, ...more });
}

const away = ['unreachable', /^cannot connect to the grid at grid\.example:443: /] as const;
const untrusted = [
  'untrusted',
  /^cannot connect to the grid at grid\.example:443: its certificate is not accepted/,
] as const;

describe('an error while connecting means that nothing was sent', () => {
  test.each([
    ['ECONNREFUSED', ...away, '--grid-host, --wapi-port and the network path'],
    ['EHOSTUNREACH', ...away, '--grid-host, --wapi-port and the network path'],
    ['ENOTFOUND', 'unreachable', /443: no such host$/, 'the resolver of this host'],
    ['EAI_AGAIN', 'unreachable', /443: the resolver does not answer$/, 'the resolver of this host'],
    [
      'UND_ERR_CONNECT_TIMEOUT',
      'unreachable',
      /no connection within 4 s$/,
      'accepted the connection without an answer',
    ],
    ['ECONNRESET', 'unreachable', /no TLS connection \(ECONNRESET\)$/, '--wapi-port is the HTTPS port'],
    ['ERR_SSL_WRONG_VERSION_NUMBER', 'unreachable', /no TLS connection/, '--wapi-port is the HTTPS port'],
    ['ERR_TLS_CERT_ALTNAME_INVALID', 'untrusted', /^cannot connect/, 'a name that the certificate carries'],
    ['CERT_HAS_EXPIRED', ...untrusted, 'renew the certificate'],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', ...untrusted, '--ssl-verify'],
    ['EMFILE', ...away, '--grid-host'],
  ] as const)('%s is %s', (code, reason, message, hint) => {
    const error = connectionError(wrapped(new NotConnected(coded(code))), exchange);
    expect(error).toMatchObject({ reason, outcome: 'none', hint: expect.stringContaining(hint) });
    expect(error.message).toMatch(message);
  });
});

test('the hint for a certificate that --ssl-verify does not trust names the file, and offers pin', () => {
  const hintOf = (file?: string) =>
    connectionError(wrapped(new NotConnected(coded('SELF_SIGNED_CERT_IN_CHAIN'), file)), exchange).hint;
  expect(hintOf('/etc/ca.pem')).toBe(
    "put the grid's certificate or its CA into /etc/ca.pem, or set --ssl-verify to pin",
  );
  expect(hintOf()).toBe("give --ssl-verify a file with the grid's certificate or its CA, or set it to pin");
});

test.each([['ECONNRESET'], ['EHOSTUNREACH'], ['ETIMEDOUT'], ['EPIPE'], ['UND_ERR_SOCKET'], ['UND_ERR_BODY_TIMEOUT']])(
  '%s on an established connection leaves the outcome of a write open',
  (code) => {
    const error = wrapped(coded(code));
    expect(connectionError(error, exchange)).toMatchObject({ reason: 'bad-answer', outcome: 'open' });
    expect(connectionError(error, { ...exchange, writes: false })).toMatchObject({ outcome: 'none' });
  },
);

test.each([
  ['ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED', 'asks for a client certificate', 'set --wapi-client-cert'],
  ['ERR_SSL_TLSV1_ALERT_UNKNOWN_CA', 'refused the client certificate', 'let the grid trust its CA'],
  ['ERR_SSL_SSL/TLS_ALERT_CERTIFICATE_EXPIRED', 'refused the client certificate', 'renew --wapi-client-cert'],
])('%s is a refusal with a known outcome, even if TLS 1.3 reports it after the request', (code, what, hint) => {
  const alert = coded(code, 'long', { reason: 'in short' });
  for (const error of [wrapped(alert), wrapped(new NotConnected(alert))]) {
    expect(connectionError(error, exchange)).toMatchObject({
      ...{ reason: 'credentials', outcome: 'none', hint: expect.stringContaining(hint) },
      message: `the grid at grid.example:443 ${what} (in short)`,
    });
  }
});

test('a handshake that fails without a reason may need a client certificate', () => {
  const error = connectionError(wrapped(new NotConnected(coded('ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE'))), exchange);
  expect(error).toMatchObject({ reason: 'unreachable', hint: expect.stringMatching(/HTTPS.*set --wapi-client-cert$/) });
});

test('of several addresses, the first one gives the reason', () => {
  const refused = Object.assign(coded('ECONNREFUSED'), { address: '::1', port: 443 });
  const all = new AggregateError([refused, coded('ENETUNREACH')]);
  const { message } = connectionError(wrapped(new NotConnected(all)), exchange);
  expect(message).toMatch(/: connection refused \(\[::1\]:443\)$/);
});

test('an error of the key check is passed on unchanged', () => {
  const refused = new GridError('untrusted', 'another key');
  expect(connectionError(wrapped(refused), exchange)).toBe(refused);
});

test('any error after the deadline is a time-out', () => {
  const error = connectionError(wrapped(coded('ECONNRESET')), { ...exchange, late: true });
  expect(error).toMatchObject({ reason: 'timeout', outcome: 'open', message: /did not answer in time$/ });
});
