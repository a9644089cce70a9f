import { describe, expect, test } from 'vitest';
import { flags } from '../../../../../src/modes/daemon/config/flags.ts';
import { Fields, flagShape, leasesShape, shape, statusShape } from '../../../../../src/modes/operator/bundle/fields.ts';
import { operatorMethods } from '../../../../../src/modes/operator-protocol.ts';

const members = shape(
  { plain: 'version', presence: 'password', host: 'hosts', url: 'endpoint', text: 'error' },
  {
    leases: shape({
      network: 'network',
      container: 'container',
      workload: 'workload',
      mark: 'mark',
      address: 'address',
    }),
  },
);
const mark = 'infoblox-cni cluster=blue node=host-7 network=net-1 container=4f1c interface=eth0';
const value = {
  version: 3,
  password: 'planted',
  token: 'planted',
  hosts: ['gm.example.com', 'host-7'],
  endpoint: 'https://user:planted@collector.example.com:4318/planted?key=planted',
  error: 'taken by web-1',
  leases: [
    { network: 'net-1', container: '4f1c', workload: 'shop/web-1', mark, address: '172.18.1.9', secret: 'planted' },
    { network: 'net-1', container: '77ab', workload: '77ab', mark: 'by hand', address: '172.18.1.0/24', pod: null },
  ],
};

describe('a bundle', () => {
  test('has only the members that a shape names, and of a secret only that it is set', () => {
    const selected = new Fields(false).select(value, members);
    expect(JSON.stringify(selected)).not.toContain('planted');
    expect(selected).toEqual({
      version: 3,
      password: '[set]',
      hosts: ['gm.example.com', 'host-7'],
      endpoint: 'https://collector.example.com:4318',
      error: 'taken by web-1',
      leases: [
        { network: 'net-1', container: '4f1c', workload: 'shop/web-1', mark, address: '172.18.1.9' },
        { network: 'net-1', container: '77ab', workload: '77ab', mark: 'by hand', address: '172.18.1.0/24' },
      ],
    });
  });

  test('leaves out a member that does not have the shape of its name', () => {
    const odd = { version: { password: 'planted' }, leases: 'planted', hosts: [{ name: 'planted' }] };
    expect(JSON.stringify(new Fields(false).select(odd, members))).toBe('{"hosts":[null]}');
  });

  test('leaves out a URL in place of a host, because it may contain a password', () => {
    const fields = new Fields(false);
    expect(fields.write('host', 'https://user:planted@gm')).toBe('[left out]');
    expect(fields.write('host', 'gm.example.com, [2001:db8::1]')).toBe('gm.example.com, [2001:db8::1]');
    expect(fields.write('url', 'planted')).toBe('[left out]');
  });
});

describe('under --redact', () => {
  test('the same name has the same pseudonym everywhere, and texts that may contain a name are left out', () => {
    expect(new Fields(true).select(value, members)).toEqual({
      version: 3,
      password: '[set]',
      hosts: ['host~1', 'host~2'],
      endpoint: '[left out]',
      error: '[left out]',
      leases: [
        {
          network: 'network~1',
          container: 'container~1',
          workload: 'namespace~1/pod~1',
          mark: 'mark~1',
          address: 'ip~1.1.1.1',
        },
        {
          network: 'network~1',
          container: 'container~2',
          workload: 'container~2',
          mark: 'mark~2',
          address: 'ip~1.1.1.0/24',
        },
      ],
    });
  });

  test('addresses of one network stay in one network, and other text is left out', () => {
    const fields = new Fields(true);
    expect(fields.write('address', '10.0.0.0/16,10.0.0.7,10.1.0.7')).toBe('ip~1.0.0.0/16,ip~1.0.0.1,ip~1.1.0.1');
    expect(fields.write('address', 'web-1')).toBe('[left out]');
    expect(fields.write('address', '2001:db8::1')).toBe('ip~1');
  });

  test('default names are kept', () => {
    const fields = new Fields(true);
    expect([fields.write('view', 'default'), fields.write('cluster', 'cluster-1')]).toEqual(['default', 'cluster-1']);
  });
});

/** Returns the member names of a schema, inner ones included. */
function membersOf(schema: unknown): unknown {
  const { entries, item, wrapped } = schema as { entries?: Record<string, unknown>; item?: unknown; wrapped?: unknown };
  if (entries !== undefined) return mapped(entries, membersOf);
  return item === undefined && wrapped === undefined ? null : membersOf(item ?? wrapped);
}
const mapped = (members: object, map: (value: unknown) => unknown): unknown =>
  Object.fromEntries(Object.entries(members).map(([name, member]) => [name, map(member)]));
const namesIn = (one: unknown): unknown => (typeof one === 'string' ? null : mapped(one as object, namesIn));

test('a shape covers each field of the daemon’s answers', () => {
  expect(namesIn(statusShape)).toEqual(membersOf(operatorMethods['operator/status'].result));
  expect(namesIn(leasesShape)).toEqual(membersOf(operatorMethods['operator/leases'].result));
});

test('a shape covers each flag of the daemon', () => {
  const decided = [...Object.keys(flagShape), 'environment-file', 'help', 'version'];
  expect(decided.sort()).toEqual(Object.keys(flags).sort());
});
