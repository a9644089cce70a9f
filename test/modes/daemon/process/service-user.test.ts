import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { serviceUid } from '../../../../src/modes/daemon/process/service-user.ts';

const file = join(mkdtempSync(join(tmpdir(), 'passwd-')), 'passwd');

test.each([
  ['root:x:0:0:root:/root:/bin/sh\ninfoblox-cni:!:991:990:Infoblox CNI IPAM daemon:/:/usr/sbin/nologin\n', 991],
  ['root:x:0:0:root:/root:/bin/sh\nnot-infoblox-cni:!:991:990::/:/bin/sh\n', undefined],
])('the user of the service is found by its name', (text, uid) => {
  writeFileSync(file, text);
  expect(serviceUid(file)).toBe(uid);
});

test('a host without such a user has none', () => {
  expect(serviceUid('/nonexistent')).toBe(undefined);
});
