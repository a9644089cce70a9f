import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generate } from 'selfsigned';

/** A certificate for loopback that signs itself, and the file with which clients can verify it. */
export interface Certificate {
  readonly key: string;
  readonly cert: string;
  readonly caFile: string;
  remove(): Promise<void>;
}

const DAY_MS = 24 * 60 * 60 * 1000;

/**
 * Makes an EC P-256 key (fast enough for every test) and a certificate for 127.0.0.1 and localhost.
 * @param validDays until its end; below zero it has expired
 */
export async function makeCertificate(validDays = 30): Promise<Certificate> {
  const { private: key, cert } = await generate([{ name: 'commonName', value: 'localhost' }], {
    keyType: 'ec',
    curve: 'P-256',
    algorithm: 'sha256',
    // Clocks of a client in a virtual machine may lag a little.
    notBeforeDate: new Date(Date.now() - 30 * DAY_MS),
    notAfterDate: new Date(Date.now() + validDays * DAY_MS),
    extensions: [
      { name: 'basicConstraints', cA: true, critical: true },
      { name: 'keyUsage', digitalSignature: true, keyCertSign: true, critical: true },
      { name: 'extKeyUsage', serverAuth: true },
      {
        name: 'subjectAltName',
        altNames: [
          { type: 2, value: 'localhost' },
          { type: 7, ip: '127.0.0.1' },
        ],
      },
    ],
  });
  const directory = await mkdtemp(join(tmpdir(), 'infoblox-grid-'));
  const caFile = join(directory, 'ca.pem');
  await writeFile(caFile, cert);
  return { key, cert, caFile, remove: () => rm(directory, { recursive: true, force: true }) };
}
