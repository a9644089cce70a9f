/** Network configurations and requests that the grid, or its contents, cannot serve. */
import type { Grid } from '../../simulator/grid.ts';
import type { Place, Row } from './row.ts';

/** A container with room for two networks. */
const smallContainer = {
  subnet: undefined,
  gateway: undefined,
  'network-container': '10.9.0.0/29',
  'prefix-length': 30,
};

export const requested: Row[] = [
  ...['10.0.1.7', '10.0.0.0', '10.0.0.255', '10.0.0.1'].map((ip) => ({
    title: `requested ${ip}, no address for a container`,
    prepare: ({ other }: Place) => other(),
    call: { args: `IP=${ip}` },
    code: 105,
    msg: ip,
    details: 'request',
  })),
  {
    title: 'requested an address that another container has',
    prepare: ({ other }) => other({ args: 'IP=10.0.0.9' }),
    call: { args: 'IgnoreUnknown=1;IP=10.0.0.9/24' },
    code: 105,
    msg: /10\.0\.0\.9 .*is taken by .*container=other/,
    details: 'request another address',
  },
  { title: 'requested IPv6', call: { args: 'IP=fd00::7' }, code: 105, msg: 'fd00::7', details: 'of a subnet' },
  { title: 'requested nonsense', call: { args: 'IP=nonsense' }, code: 4, msg: 'IP="nonsense"', details: 'IP=10.0.0.5' },
  {
    title: 'requested two addresses',
    call: { config: { runtimeConfig: { ips: ['10.0.0.5', '10.0.0.6'] } } },
    code: 105,
    msg: '10.0.0.5, 10.0.0.6',
    details: 'one',
  },
];

export const onTheGrid: Row[] = [
  {
    title: 'the network name stands for another subnet',
    prepare: ({ other }) => other({ ipam: { subnet: '10.7.0.0/24', gateway: '10.7.0.1' } }),
    call: {},
    code: 102,
    msg: /network net-1 is 10\.7\.0\.0\/24 in view .*, not 10\.0\.0\.0\/24/,
    details: 'another name',
  },
  {
    title: 'the network is labelled with another name',
    prepare: ({ grid, view }) => {
      grid.add('networkview', { name: view });
      const extattrs = { 'Network Name': { value: 'theirs' } };
      grid.add('network', { network: '10.0.0.0/24', network_view: view, extattrs });
    },
    call: {},
    code: 102,
    msg: /10\.0\.0\.0\/24 .*belongs to the network name theirs, not net-1/,
    details: 'extensible attribute',
  },
  {
    title: 'the subnet lies inside an existing network',
    prepare: ({ grid, view }) => {
      grid.add('networkview', { name: view });
      grid.add('network', { network: '10.0.0.0/16', network_view: view });
    },
    call: {},
    code: 102,
    msg: '10.0.0.0/24 overlaps the network 10.0.0.0/16',
    details: 'use 10.0.0.0/16',
  },
  {
    title: 'the subnet spans an existing network',
    prepare: ({ grid, view }) => {
      grid.add('networkview', { name: view });
      grid.add('network', { network: '10.0.0.128/25', network_view: view });
    },
    call: {},
    code: 102,
    msg: '10.0.0.0/24 overlaps the network 10.0.0.128/25',
    details: 'use 10.0.0.128/25',
  },
  {
    title: 'the subnet is a network container',
    prepare: ({ grid, view }) => {
      grid.add('networkview', { name: view });
      grid.add('networkcontainer', { network: '10.0.0.0/24', network_view: view });
    },
    call: {},
    code: 102,
    msg: '10.0.0.0/24',
    details: 'container',
  },
  {
    title: 'the network is full',
    prepare: ({ other }) => other({ ipam: { subnet: '10.0.0.0/30' } }),
    call: { ipam: { subnet: '10.0.0.0/30' } },
    code: 101,
    msg: /no free address in 10\.0\.0\.0\/30 \(view /,
    details: 'larger subnet',
  },
  {
    title: 'the container is full',
    prepare: async ({ other }) => {
      for (const name of ['first', 'second']) await other({ config: { name }, ipam: smallContainer });
    },
    call: { ipam: smallContainer },
    code: 101,
    msg: 'no free /30 network for net-1 in 10.9.0.0/29',
    details: 'network-container',
  },
  {
    title: 'the gateway is held by a container',
    prepare: ({ other }) => other({ args: 'IP=10.0.0.66' }),
    call: { ipam: { gateway: '10.0.0.66' } },
    code: 102,
    msg: 'gateway 10.0.0.66 of network net-1 is held by a container',
    details: 'choose another gateway',
  },
  {
    title: 'the user may not create a view',
    prepare: ({ grid }) => refuse(grid, 'POST', 'networkview'),
    call: {},
    code: 103,
    msg: 'permission',
    details: 'permission',
  },
  {
    title: 'the user may not create a network',
    prepare: ({ grid, view }) => {
      grid.add('networkview', { name: view });
      refuse(grid, 'POST', 'network');
    },
    call: {},
    code: 103,
    msg: 'permission',
    details: 'permission',
  },
  {
    title: 'the user may not reserve an address',
    prepare: async ({ grid, other }) => {
      await other();
      refuse(grid, 'POST', 'fixedaddress');
    },
    call: {},
    code: 103,
    msg: 'permission',
    details: 'permission',
  },
  {
    title: 'the grid is read-only',
    prepare: ({ grid, view }) => {
      grid.add('networkview', { name: view });
      grid.readOnly = true;
    },
    call: {},
    code: 11,
    msg: 'read',
    details: '--grid-host',
  },
];

function refuse(grid: Grid, method: string, type: string): void {
  const body = JSON.stringify({
    Error: `AdmConDataError: None (IBDataError: IB.Data:You need to have Write permission to do this)`,
    code: 'Client.Ibap.Data',
    text: 'You need to have Write permission to do this',
  });
  grid.inject({ method, type, effect: { kind: 'status', status: 400, body, contentType: 'application/json' } });
}
