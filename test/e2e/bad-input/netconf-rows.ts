/** Invalid network configurations, independent of the grid. */
import type { Row } from './row.ts';

const netconf = (more: object) =>
  JSON.stringify({ cniVersion: '1.0.0', name: 'net-1', ipam: { type: 'infoblox' }, ...more });

export const envelope: Row[] = [
  { title: 'stdin empty', call: { stdin: '' }, code: 6, msg: 'stdin is empty', details: 'on stdin' },
  { title: 'stdin not JSON', call: { stdin: '{"a":' }, code: 6, msg: 'stdin is not valid JSON', details: 'Correct' },
  {
    title: 'stdin an array',
    call: { stdin: '[]' },
    code: 6,
    msg: 'is an array, not a JSON object',
    details: 'on stdin',
  },
  {
    title: 'stdin a string',
    call: { stdin: '"x"' },
    code: 6,
    msg: 'is a string, not a JSON object',
    details: 'on stdin',
  },
  {
    title: 'stdin not UTF-8',
    call: { stdin: Buffer.from([0x7b, 0xff, 0x7d]) },
    code: 6,
    msg: 'is not UTF-8',
    details: 'Save',
  },
  {
    title: 'stdin larger than 1 MiB',
    call: { stdin: netconf({ padding: 'x'.repeat(1024 * 1024) }) },
    code: 5,
    msg: 'larger than 1 MiB',
    details: 'Shorten it',
  },
  { title: 'no name', call: { config: { name: undefined } }, code: 7, msg: 'has no name', details: '"name"' },
  { title: 'name a number', call: { config: { name: 5 } }, code: 6, msg: 'name in', details: 'quotes' },
  { title: 'name with a slash', call: { config: { name: 'a/b' } }, code: 7, msg: '"a/b"', details: 'letter or digit' },
  { title: 'cniVersion a number', call: { config: { cniVersion: 1 } }, code: 6, msg: 'cniVersion', details: /./ },
  { title: 'cniVersion unknown', call: { config: { cniVersion: '3.0.0' } }, code: 1, msg: '3.0.0', details: '1.1.0' },
  { title: 'no ipam', call: { stdin: netconf({ ipam: undefined }) }, code: 7, msg: 'no "ipam"', details: '"ipam"' },
  {
    title: 'a list of plugins',
    call: { stdin: netconf({ ipam: undefined, plugins: [] }) },
    code: 7,
    msg: 'no "ipam"',
    details: 'one entry of its "plugins"',
  },
  { title: 'ipam a string', call: { stdin: netconf({ ipam: 'infoblox' }) }, code: 7, msg: 'ipam', details: '"ipam"' },
  {
    title: 'ipam without type',
    call: { ipam: { type: undefined } },
    code: 7,
    msg: 'ipam.type',
    details: '--driver-name',
  },
  { title: 'ipam.type a path', call: { ipam: { type: 'a/b' } }, code: 7, msg: 'ipam.type', details: '--driver-name' },
  {
    title: 'socket-dir relative',
    call: { ipam: { 'socket-dir': 'run' } },
    code: 7,
    msg: 'ipam.socket-dir',
    details: '--socket-dir',
  },
];

export const keys: Row[] = [
  ...Object.entries({
    subnets: 'subnet',
    subent: 'subnet',
    gatway: 'gateway',
    network_view: 'network-view',
    networkContainer: 'network-container',
    'prefix-lenght': 'prefix-length',
    route: 'routes',
    socketdir: 'socket-dir',
  }).map(([typo, meant]) => ({
    title: `${typo} for ${meant}`,
    call: { ipam: { [typo]: 'x' } },
    code: 7,
    msg: new RegExp(`ipam\\.${typo} .*did you mean ipam\\.${meant}\\?`),
    details: 'Correct or remove the key',
  })),
  {
    title: 'rangeStart without a subnet',
    call: { ipam: { rangeStart: '10.0.0.10', subnet: undefined, gateway: undefined } },
    code: 7,
    msg: 'rangeStart is set without a subnet',
    details: 'set subnet, or remove rangeStart',
  },
  ...Object.entries({
    subnet: [5, {}, ['10.0.0.0/24'], ''],
    gateway: [1, ''],
    routes: ['10.0.0.0/8', {}, [5], [{ gw: '10.0.0.1' }], [{ dst: 'default' }]],
    'prefix-length': ['24', 24.5],
    'network-view': [1, ''],
    'network-container': [[], ''],
  }).flatMap(([key, values]) =>
    values.map((value) => ({
      title: `${key} ${JSON.stringify(value)}`,
      call: { ipam: { [key]: value } },
      code: 7,
      msg: `ipam.${key}`,
      details: /./,
    })),
  ),
];

export const policy: Row[] = [
  ...['10.0.0/24', '10.0.0.0', '10.0.0.0/33', '010.0.0.0/24', 'nonsense'].map((subnet) => ({
    title: `subnet ${subnet}`,
    call: { ipam: { subnet } },
    code: 7,
    msg: `subnet "${subnet}" is not a network`,
    details: '172.18.1.0/24',
  })),
  {
    title: 'subnet with host bits',
    call: { ipam: { subnet: '10.0.0.5/24' } },
    code: 7,
    msg: '10.0.0.5/24 has host bits set',
    details: 'did you mean 10.0.0.0/24?',
  },
  { title: 'subnet too small', call: { ipam: { subnet: '10.0.0.0/31' } }, code: 7, msg: '10.0.0.0/31', details: '30' },
  {
    title: 'subnet of IPv6 with host bits',
    call: { ipam: { subnet: 'fd00::1/64', gateway: undefined } },
    code: 7,
    msg: 'subnet fd00::1/64 has host bits set',
    details: 'did you mean fd00::/64?',
  },
  {
    title: 'gateway outside',
    call: { ipam: { gateway: '10.0.1.1' } },
    code: 7,
    msg: 'gateway 10.0.1.1 is outside the network 10.0.0.0/24',
    details: '0.0.0.x',
  },
  {
    title: 'gateway the broadcast address',
    call: { ipam: { gateway: '10.0.0.255' } },
    code: 7,
    msg: '10.0.0.255',
    details: /host address/,
  },
  {
    title: 'gateway malformed',
    call: { ipam: { gateway: '10.0.0' } },
    code: 7,
    msg: 'gateway "10.0.0"',
    details: '172.18.1.1',
  },
  ...[16, 8].map((length) => ({
    title: `prefix-length ${length} in a /16`,
    call: {
      ipam: { subnet: undefined, gateway: undefined, 'network-container': '10.9.0.0/16', 'prefix-length': length },
    },
    code: 7,
    msg: `a /${length} network does not fit into 10.9.0.0/16`,
    details: 'prefix-length above 16',
  })),
];
