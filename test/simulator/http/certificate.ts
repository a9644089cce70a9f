import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generate } from 'selfsigned';

/** A self-signed certificate, and the file with which clients verify it. */
export interface Certificate {
  readonly key: string;
  readonly cert: string;
  readonly caFile: string;
  remove(): Promise<void>;
}

const DAY_MS = 24 * 60 * 60 * 1000;

export interface CertificateOptions {
  /** Days until it expires; negative if it has expired. */
  readonly validDays?: number | undefined;
  /** Its names and addresses in addition to localhost and 127.0.0.1. */
  readonly names?: readonly string[] | undefined;
}

/** Makes an EC P-256 key (fast enough for every test) and a certificate for loopback, and for the names given. */
export async function makeCertificate({ validDays = 30, names = [] }: CertificateOptions = {}): Promise<Certificate> {
  const { private: key, cert } = await generate([{ name: 'commonName', value: 'localhost' }], {
    keyType: 'ec',
    curve: 'P-256',
    algorithm: 'sha256',
    // Clocks of clients in virtual machines may be slow.
    notBeforeDate: new Date(Date.now() - 30 * DAY_MS),
    notAfterDate: new Date(Date.now() + validDays * DAY_MS),
    extensions: [
      { name: 'basicConstraints', cA: true, critical: true },
      { name: 'keyUsage', digitalSignature: true, keyCertSign: true, critical: true },
      { name: 'extKeyUsage', serverAuth: true },
      {
        name: 'subjectAltName',
        altNames: [...new Set(['localhost', '127.0.0.1', ...names])].map(alternativeName),
      },
    ],
  });
  const directory = await mkdtemp(join(tmpdir(), 'infoblox-grid-'));
  const caFile = join(directory, 'ca.pem');
  await writeFile(caFile, cert);
  return { key, cert, caFile, remove: () => rm(directory, { recursive: true, force: true }) };
}

/** Makes an alternative name of the subject; the numbers are those of RFC 5280, section 4.2.1.6. */
function alternativeName(name: string) {
  return isIP(name) === 0 ? ({ type: 2, value: name } as const) : ({ type: 7, ip: name } as const);
}
