/** `--wapi-client-cert` and `--wapi-client-key`: which files are accepted, the errors for others, and renewals. */
import { X509Certificate } from 'node:crypto';
import { chmodSync, chownSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { parseFlags, UsageError } from '../../../../../src/modes/daemon/config/command-line.ts';
import { ClientCertificate, readClientCertificate } from '../../../../../src/modes/daemon/config/credentials.ts';
import { readOptions } from '../../../../../src/modes/daemon/config/options.ts';
import { StartError } from '../../../../../src/modes/daemon/start-error.ts';
import { ClientCa, type IssuedCertificate } from '../../../../fixture/client-ca.ts';

let ca: ClientCa;
let first: IssuedCertificate;
let second: IssuedCertificate;
beforeAll(async () => {
  ca = await ClientCa.create();
  [first, second] = await Promise.all([ca.issue('cni'), ca.issue('cni')]);
});
afterAll(() => ca.remove());
let certFile: string;
let keyFile: string;
beforeEach(() => {
  certFile = ca.file('client.pem', first.cert);
  keyFile = ca.file('client.key', first.key);
});
afterEach(() => {
  vi.useRealTimers();
  for (const file of [certFile, keyFile]) rmSync(file, { force: true });
});

const fingerprint = ({ cert }: IssuedCertificate) => new X509Certificate(cert).fingerprint256;
const read = (cert = certFile, key = keyFile) => readClientCertificate(cert, key);

/** Returns what the operator reads when the daemon does not start. */
function refusal(cert = certFile, key = keyFile): string {
  try {
    read(cert, key);
  } catch (error) {
    if (error instanceof StartError) return error.message;
    throw error;
  }
  throw new Error('the files were taken');
}

const notUsable =
  /^cannot use the client certificate .*client\.pem with the key in .*client\.key: .*\. Both have to be PEM: .* not encrypted/;

describe('at start', () => {
  test('a certificate with its chain and key is accepted, and its expiry is known', () => {
    ca.file('client.pem', `${first.cert}\n${ca.cert}`);
    const { pair, trouble } = read()?.read() ?? {};
    expect(trouble).toBeUndefined();
    expect(pair).toMatchObject({ key: first.key, fingerprint: fingerprint(first) });
    expect(new Date(pair?.expiresAt ?? 0)).toEqual(new X509Certificate(first.cert).validToDate);
  });

  test('the key may be in the file of the certificate', () => {
    ca.file('client.pem', `${first.cert}\n${first.key}`);
    expect(read(certFile, '')?.read().pair.fingerprint).toBe(fingerprint(first));
  });

  test('without the flags there is no certificate, and a key alone is a usage error', () => {
    expect(read('', '')).toBeUndefined();
    expect(() => read('', keyFile)).toThrow(UsageError);
    expect(() => read('', keyFile)).toThrow('--wapi-client-key is set without --wapi-client-cert');
  });

  test('the error names a missing file, with a hint', () => {
    rmSync(keyFile);
    expect(refusal()).toMatch(
      /^cannot read the key of the client certificate: there is no .*client\.key.*\. Put a PEM file/,
    );
    rmSync(certFile);
    expect(refusal()).toMatch(/^cannot read the client certificate: there is no .*client\.pem/);
  });

  test.each([
    ['is empty', () => '', /no start line/],
    ['is only a key', () => first.key, /no start line/],
    ['is broken', () => first.cert.replace(/\n..../, '\nAAAA'), /wrong tag/],
    ['has a broken chain', () => `${first.cert}\n${ca.cert.replace(/\n..../, '\nAAAA')}`, /wrong tag/],
    ['begins with its CA', () => `${ca.cert}\n${first.cert}`, /key values mismatch/],
    ['is of another key', () => second.cert, /key values mismatch/],
  ])('a certificate that %s is refused', (_, content, why) => {
    ca.file('client.pem', content());
    expect(refusal()).toMatch(why);
    expect(refusal()).toMatch(notUsable);
  });

  test.each([
    ['is empty', () => '', /unsupported/],
    ['is only a certificate', () => first.cert, /unsupported/],
    ['is encrypted', () => encrypted, /interrupted or cancelled/],
  ])('a key that %s is refused', (_, content, why) => {
    ca.file('client.key', content());
    expect(refusal()).toMatch(why);
    expect(refusal()).toMatch(notUsable);
  });

  test('a certificate that has expired, or is not valid yet, is refused', async () => {
    ca.install(await ca.issue('cni', { from: -10, until: -1 }));
    expect(refusal()).toMatch(/client\.pem: it expired on 20.*Z\. Renew it, or set the clock of this host\.$/);
    ca.install(await ca.issue('cni', { from: 1, until: 10 }));
    expect(refusal()).toMatch(/it is valid only from 20.*Z on\. Check the clock/);
  });

  test('a key that others can write to is refused, and one that they can read is reported', () => {
    expect(read()?.exposure()).toBeUndefined();
    chmodSync(keyFile, 0o644);
    expect(read()?.exposure()).toEqual({
      ...{ file: keyFile, readers: 'everybody', mode: '0644', hint: `chmod 0600 ${keyFile}` },
    });
    chmodSync(keyFile, 0o660);
    const message = `cannot read the key of the client certificate: ${keyFile} is writable by users other than root`;
    expect(refusal()).toBe(`${message} (mode 0660). Run chmod go-w ${keyFile}, or put it where only root can write.`);
    chmodSync(keyFile, 0o600);
    chownSync(certFile, 65534, 65534);
    expect(refusal()).toContain(`belongs to uid 65534, not to root. Run chown root ${certFile}, or put it`);
  });

  test('check-config and the daemon refuse a wrong pair at the start', () => {
    const flags = parseFlags([`--wapi-client-cert=${certFile}`, `--wapi-client-key=${keyFile}`, '--node-name=a']);
    expect(readOptions(flags, {}).clientCertificate).toBeInstanceOf(ClientCertificate);
    ca.file('client.pem', second.cert);
    expect(() => readOptions(flags, {})).toThrow(StartError);
  });
});

describe('a renewal', () => {
  test('is used from the next look on, whether files are overwritten or exchanged', () => {
    const files = read();
    ca.install(second);
    expect(files?.read()).toMatchObject({ pair: { fingerprint: fingerprint(second) }, trouble: undefined });
    for (const [name, content] of [
      ['new.pem', first.cert],
      ['new.key', first.key],
    ] as const) {
      renameSync(ca.file(name, content), join(ca.directory, name.replace('new', 'client')));
    }
    expect(files?.read()).toMatchObject({ pair: { fingerprint: fingerprint(first) }, trouble: undefined });
  });

  test('that is incomplete or broken leaves the previous pair in use, and is reported until it is fixed', () => {
    const files = read();
    const previous = files?.read().pair;
    ca.file('client.pem', second.cert);
    expect(files?.read().pair).toBe(previous);
    expect(files?.read().trouble).toMatchObject({
      reason: 'credentials',
      message: expect.stringContaining('key values mismatch'),
      hint: expect.stringMatching(/; until then the previous certificate stays in use$/),
    });
    rmSync(keyFile);
    expect(files?.read()).toMatchObject({
      pair: previous,
      trouble: { message: expect.stringContaining('there is no ') },
    });
    ca.file('client.key', second.key);
    expect(files?.read()).toMatchObject({ pair: { fingerprint: fingerprint(second) }, trouble: undefined });
    chmodSync(keyFile, 0o666);
    expect(files?.read()).toMatchObject({
      pair: { fingerprint: fingerprint(second) },
      trouble: { message: expect.stringContaining('writable by users') },
    });
  });

  test('that is missing is reported when the certificate expires', () => {
    const files = read();
    expect(files?.read().trouble).toBeUndefined();
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 31 * 24 * 3_600_000 });
    expect(files?.read()).toMatchObject({
      pair: { fingerprint: fingerprint(first) },
      trouble: { message: expect.stringMatching(/it expired on /) },
    });
  });
});

/** A throw-away key: openssl genpkey -algorithm ed25519 -aes256, with the passphrase "test". */
const encrypted = `-----BEGIN ENCRYPTED PRIVATE KEY-----
MIGjMF8GCSqGSIb3DQEFDTBSMDEGCSqGSIb3DQEFDDAkBBDVNSJQVL+0ngj4UPUj
Sl5dAgIIADAMBggqhkiG9w0CCQUAMB0GCWCGSAFlAwQBKgQQxWxScq0OkqyVfnfI
6UgHSwRAbQJpOpwpN+ye+3qiBnu3ymYEk2SQxcZvrJlASfZMYox7vtmB3SRwiyDa
tOPSkO8m0upo2d6txwdmDCYcRx0zFA==
-----END ENCRYPTED PRIVATE KEY-----
`;
