/** Explains a failed exchange: whether the request may have reached the grid, why it failed, and what to do about it. */
import { errnoOf } from '../../../errno.ts';
import { GridError, type Reason } from '../../errors.ts';

/** Milliseconds to set up a connection. A slower grid counts as unavailable. */
export const connectTimeoutMs = 4_000;
/** Maximum characters shown of an error's text: TLS errors may list all names of a certificate. */
const maxReasonLength = 300;

/** No connection was set up, so nothing was sent. */
export class NotConnected extends Error {
  /** File of the trusted certificates; undefined if they are not in a file. */
  readonly trustFile: string | undefined;

  constructor(cause: Error, trustFile?: string) {
    super('not connected', { cause });
    this.trustFile = trustFile;
  }
}

/** The request was too late to be sent: nothing was sent. */
export class TooLate extends Error {}

interface FailedExchange {
  /** `name:port` */
  readonly host: string;
  /** Whether the request may change the grid. */
  readonly writes: boolean;
  /** Whether its deadline had passed. */
  readonly late: boolean;
}

/**
 * Turns an error of fetch into a GridError.
 * @returns `unreachable`, `untrusted` or `busy` (nothing was sent), `credentials` (the client certificate was refused and the request
 * ignored), `timeout` or `bad-answer` (outcome `open` for a write)
 */
export function connectionError(error: unknown, { host, writes, late }: FailedExchange): GridError {
  const causes = causesOf(error);
  if (causes.some((cause) => cause instanceof TooLate)) {
    const what = `not sent to the grid at ${host}: more than a second had passed since it showed the object`;
    return new GridError('busy', what, {
      mayLookAgain: true,
      hint: 'the daemon looks again; if this goes on, see why the grid answers so slowly',
      cause: error,
    });
  }
  const outcome = writes ? 'open' : 'none';
  const hint = 'the daemon tries again; if this goes on, check the load of the grid and the network path to it';
  if (late)
    return new GridError('timeout', `the grid at ${host} did not answer in time`, { outcome, hint, cause: error });
  const judged = causes.find((cause) => cause instanceof GridError);
  if (judged !== undefined) return judged;
  const root = causes.at(-1);
  const refusal = certificateRefusal(errnoOf(root) ?? '');
  if (refusal !== undefined) {
    const { why, hint } = refusal;
    // The handshake has failed. With TLS 1.3 a request may have been sent, but the grid has not read it.
    return new GridError('credentials', `the grid at ${host} ${why} (${alertOf(root)})`, { hint, cause: error });
  }
  const notConnected = causes.find((cause) => cause instanceof NotConnected);
  if (notConnected !== undefined) {
    const { reason, text, hint } = whyNotConnected(root, host, notConnected.trustFile);
    const what = `cannot connect to the grid at ${host}: ${text ?? textOf(root)}`;
    return new GridError(reason ?? 'unreachable', what, { hint, cause: error });
  }
  const message = `the connection to the grid at ${host} broke: ${textOf(root)}`;
  return new GridError('bad-answer', message, { outcome, hint, cause: error });
}

/** Explains TLS alerts about the client certificate (RFC 8446 section 6.2), by OpenSSL's codes. */
function certificateRefusal(code: string): { why: string; hint: string } | undefined {
  const [of = '', alert = ''] = code.split('_ALERT_');
  if (!of.startsWith('ERR_SSL_')) return undefined;
  if (alert === 'CERTIFICATE_REQUIRED') {
    return { why: 'asks for a client certificate', hint: 'set --wapi-client-cert and --wapi-client-key' };
  }
  if (!/^((BAD|UNSUPPORTED)_CERTIFICATE|CERTIFICATE_(REVOKED|EXPIRED|UNKNOWN)|UNKNOWN_CA|ACCESS_DENIED)$/.test(alert))
    return;
  const hint = 'renew --wapi-client-cert, or let the grid trust its CA (certificate authentication service)';
  return { why: 'refused the client certificate', hint };
}

/** Reasons by code of getaddrinfo(3). */
const nameTroubles: Readonly<Record<string, string>> = {
  ENOTFOUND: 'no such host',
  EAI_AGAIN: 'the resolver does not answer',
  EAI_FAIL: 'the resolver gives no answer',
};

/** Reasons by code of connect(2). */
const pathTroubles: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  EHOSTUNREACH: 'no route to the host',
  ENETUNREACH: 'no route to its network',
};

/** Returns the address that Node tried for a name, ` (192.0.2.1:443)`; nothing if `host` is that address. */
function peerOf(error: unknown, host: string): string {
  if (!(error instanceof Error && 'address' in error && 'port' in error)) return '';
  const address = String(error.address);
  const peer = `${address.includes(':') ? `[${address}]` : address}:${error.port}`;
  return peer === host ? '' : ` (${peer})`;
}

/** Explains codes of node:net, node:dns, node:tls (X509_V_ERR_* of OpenSSL) and undici. */
function whyNotConnected(
  error: unknown,
  host: string,
  trustFile: string | undefined,
): { reason?: Reason; text?: string; hint: string } {
  const code = errnoOf(error) ?? '';
  if (code === 'UND_ERR_CONNECT_TIMEOUT') {
    const hint = `check the network path to ${host}, and whether the grid is well: it may have accepted the connection without an answer`;
    return { text: `no connection within ${connectTimeoutMs / 1000} s`, hint };
  }
  const text = nameTroubles[code];
  if (text !== undefined) return { text, hint: 'check the name in --grid-host and the resolver of this host' };
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    const hint = 'set --grid-host to a name that the certificate carries, or --ssl-verify to pin';
    return { reason: 'untrusted', hint };
  }
  if (/^CERT_(HAS_EXPIRED|NOT_YET_VALID)$/.test(code)) {
    const hint = 'renew the certificate on the grid, or set the clock of this host';
    return { reason: 'untrusted', text: `its certificate is not accepted (${textOf(error)})`, hint };
  }
  if (/^(DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|CERT_|INVALID_|PATH_LENGTH_|HOSTNAME_MISMATCH)/.test(code)) {
    return {
      reason: 'untrusted',
      // Removes Node's advice about its own command line.
      text: `its certificate is not accepted (${textOf(error).split(';', 1)[0]})`,
      hint:
        trustFile === undefined
          ? "give --ssl-verify a file with the grid's certificate or its CA, or set it to pin"
          : `put the grid's certificate or its CA into ${trustFile}, or set --ssl-verify to pin`,
    };
  }
  // A peer without TLS sends other data, or disconnects.
  if (/^(ERR_SSL_|EPROTO|ECONNRESET)/.test(code)) {
    // TLS 1.2 has no alert for a missing certificate.
    const certificate = /HANDSHAKE_FAILURE$/.test(code) ? '; if the grid asks for one, set --wapi-client-cert' : '';
    const hint = `check that --wapi-port is the HTTPS port of the grid${certificate}`;
    return { text: `no TLS connection (${alertOf(error)})`, hint };
  }
  const hint = `see whether ${host} is up; if it is, check --grid-host, --wapi-port and the network path to it`;
  const why = pathTroubles[code];
  return why === undefined ? { hint } : { text: `${why}${peerOf(error, host)}`, hint };
}

/**
 * Lists an error and its causes: ofetch wraps undici's TypeError, which wraps the cause, perhaps an AggregateError of several addresses.
 */
function causesOf(error: unknown): unknown[] {
  const inner = error instanceof AggregateError ? error.errors[0] : error instanceof Error ? error.cause : undefined;
  return inner instanceof Error ? [error, ...causesOf(inner)] : [error];
}

/** Returns OpenSSL's text without the position in its source. */
function alertOf(error: unknown): string {
  return error instanceof Error && 'reason' in error ? String(error.reason) : textOf(error);
}

function textOf(error: unknown): string {
  const text = error instanceof Error ? error.message || errnoOf(error) : undefined;
  return (text ?? String(error)).slice(0, maxReasonLength);
}
