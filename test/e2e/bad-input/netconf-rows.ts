/** Invalid network configurations, independent of the grid: one for each place that refuses them. Unit tests have all of them. */
import type { Row } from './row.ts';

const large = { cniVersion: '1.0.0', name: 'net-1', ipam: { type: 'infoblox' }, padding: 'x'.repeat(1024 * 1024) };

export const configurations: Row[] = [
  { title: 'stdin empty', call: { stdin: '' }, code: 6, msg: 'stdin is empty', details: 'on stdin' },
  {
    title: 'stdin larger than 1 MiB',
    call: { stdin: JSON.stringify(large) },
    code: 5,
    msg: 'larger than 1 MiB',
    details: 'Shorten it',
  },
  { title: 'no name', call: { config: { name: undefined } }, code: 7, msg: 'has no name', details: '"name"' },
  { title: 'cniVersion unknown', call: { config: { cniVersion: '3.0.0' } }, code: 1, msg: '3.0.0', details: '1.1.0' },
  { title: 'ipam a string', call: { config: { ipam: 'infoblox' } }, code: 7, msg: 'ipam', details: '"ipam"' },
  {
    title: 'a key mistyped',
    call: { ipam: { gatway: 'x' } },
    code: 7,
    msg: /ipam\.gatway .*did you mean ipam\.gateway\?/,
    details: 'Correct or remove the key',
  },
  { title: 'a key of the wrong type', call: { ipam: { subnet: 5 } }, code: 7, msg: 'ipam.subnet', details: /./ },
  {
    title: 'a route without sense',
    call: { ipam: { routes: [{ dst: 'default' }] } },
    code: 7,
    msg: 'ipam.routes',
    details: /./,
  },
  {
    title: 'subnet with host bits',
    call: { ipam: { subnet: '10.0.0.5/24' } },
    code: 7,
    msg: '10.0.0.5/24 has host bits set',
    details: 'did you mean 10.0.0.0/24?',
  },
];
