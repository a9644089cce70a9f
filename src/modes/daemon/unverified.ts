/** The warnings for as long as any certificate of the grid is accepted: `--ssl-verify=false`. */
import type { Log } from '../../infoblox/log.ts';
import type { TlsOptions } from '../../infoblox/wapi/connection/agent.ts';
import { day } from '../duration.ts';
import { trustOf } from './config/trust.ts';

/** Returns a clause for the details of STATUS and for `/health`; undefined if the grid's certificate or key is checked. */
export function unverifiedNotice(tls: TlsOptions): string | undefined {
  return trustOf(tls) !== 'unverified' ? undefined : "the grid's certificate is not verified (--ssl-verify=false)";
}

/** Warns now and every day, as a warning at the start is soon rotated away. @returns what ends it */
export function warnOfUnverified(log: Log): () => void {
  const warn = () =>
    log.warn("the grid's certificate is not checked: whoever can intercept the connection learns the password", {
      hint: 'set --ssl-verify to pin, to true, or to a file with the certificate of the grid or its CA',
    });
  warn();
  const timer = setInterval(warn, day);
  timer.unref();
  return () => clearInterval(timer);
}
