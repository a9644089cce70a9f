import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const deploy = join(import.meta.dirname, '../../../deploy');

describe('the example network', () => {
  const ipam = {
    type: 'infoblox',
    subnet: '172.18.1.0/24',
    gateway: '172.18.1.1',
    routes: [{ dst: '172.18.0.0/24' }],
    'network-view': 'priv-view',
  };
  const example = (name: string) => JSON.parse(readFileSync(join(deploy, 'netconf', name), 'utf8'));

  it('is the same for rkt and for runtimes with configuration lists', () => {
    expect(example('10-net-1.conf')).toMatchObject({ name: 'net-1', type: 'bridge', ipam });
    expect(example('10-net-1.conflist')).toMatchObject({ name: 'net-1', plugins: [{ type: 'bridge', ipam }, {}] });
  });
});
