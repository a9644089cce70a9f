/** What the certificate of a grid host says, under each setting of --ssl-verify. Pure. */
import type { Trust } from '../../../daemon/config/trust.ts';
import { day } from '../../../duration.ts';
import { ok, type Verdict, warning } from '../finding.ts';

/** Milliseconds before the end of a certificate from which on its renewal is urgent. */
const soon = 14 * day;

interface CertificateFacts {
  /** `CN=gm.example.com` */
  readonly subject: string;
  /** `DNS:gm.example.com, IP Address:192.0.2.1`; empty if it has none. */
  readonly names: string;
  /** Milliseconds since 1970. */
  readonly validFrom: number;
  readonly validTo: number;
  /** Its public key, as --ssl-verify=pin remembers it. */
  readonly key: string;
  /** Whether that is the key that the host is known by. */
  readonly isKeyKnown: boolean;
}

/** Judges a certificate that the daemon would go on with; one that it refuses does not come here. */
export function judgeCertificate(
  facts: CertificateFacts,
  { trust, now }: { readonly trust: Trust; readonly now: number },
): Verdict[] {
  return [judgeTrust(facts, trust), judgeDates(facts, now)];
}

function judgeTrust({ subject, names, key, isKeyKnown }: CertificateFacts, trust: Trust): Verdict {
  const whose = [subject, names].filter((part) => part !== '').join('; ') || 'without a name';
  if (trust === 'verified') return ok(`the certificate is trusted: ${whose}`);
  if (trust === 'unverified') {
    const fix = 'set --ssl-verify to pin, to true, or to a file with the certificate of the grid or its CA';
    const why = 'whoever can intercept the connection learns the password';
    return warning(`the certificate is not checked (--ssl-verify=false), so ${why}: ${whose}`, fix);
  }
  if (isKeyKnown) return ok(`the public key is the known one, ${key}`);
  return warning(`no public key is known yet; the daemon will trust the first: ${key}`, "compare it with the grid's");
}

function judgeDates({ validFrom, validTo }: CertificateFacts, now: number): Verdict {
  const until = new Date(validTo).toISOString().slice(0, 10);
  if (validFrom > now) {
    const what = `the certificate is not valid before ${new Date(validFrom).toISOString()}`;
    return warning(what, 'check the clock of this host');
  }
  const renew = 'renew it on the grid';
  if (validTo <= now) return warning(`the certificate has expired on ${until}`, renew);
  const days = Math.floor((validTo - now) / day);
  if (validTo - now < soon) return warning(`the certificate expires on ${until}, in ${days} days`, renew);
  return ok(`the certificate is valid until ${until}, for ${days} more days`);
}
