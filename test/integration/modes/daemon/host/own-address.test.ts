import { execFileSync } from 'node:child_process';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { isOwnAddress } from '../../../../../src/modes/daemon/host/this-host.ts';

test('every address of an interface counts as the host’s own', async () => {
  const own = Object.values(networkInterfaces())
    .flat()
    // A link-local address needs its interface, and is never in a network of containers.
    .filter((address) => !address?.address.startsWith('fe80:'));
  for (const address of own) expect(await isOwnAddress(address?.address ?? ''), address?.address).toBe(true);
});

test.each(['192.0.2.200', '203.0.113.9', '255.255.255.255', '224.0.0.1', '2001:db8::1', 'fd00::5'])(
  '%s does not count as the host’s own',
  async (address) => {
    expect(await isOwnAddress(address)).toBe(false);
  },
);

test.skipIf(process.getuid?.() !== 0)(
  'in a network namespace without interfaces no address counts as the host’s own',
  () => {
    const module = join(import.meta.dirname, '../../../../../src/modes/daemon/host/this-host.ts');
    const script = `import { isOwnAddress } from '${module}'; console.log(await isOwnAddress('10.0.0.5'))`;
    const ask = ['--net', process.execPath, '--input-type=module', '--eval', script];
    expect(execFileSync('unshare', ask, { encoding: 'utf8' })).toBe('false\n');
  },
);
