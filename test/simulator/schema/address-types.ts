import {
  cloudInfo,
  extattrs,
  type Field,
  field,
  list,
  networkView,
  quietComment,
  readOnly,
  searchOnly,
  toggle,
  writeOnly,
} from './field.ts';

export const MATCH_CLIENT = ['MAC_ADDRESS', 'CLIENT_ID', 'RESERVED', 'CIRCUIT_ID', 'REMOTE_ID'] as const;

/** WAPI: a fixed address's name can be read and written, but not searched. */
const fixedaddress = {
  ipv4addr: field({ base: true, required: true, search: '=~', format: 'address', allocates: true }),
  network_view: networkView,
  network: field({ search: '=~', format: 'cidr' }),
  mac: field({ search: '=:~', format: 'mac' }),
  match_client: field({ kind: 'enum', values: MATCH_CLIENT, search: '=' }),
  name: field(),
  comment: quietComment,
  dhcp_client_identifier: field(),
  agent_circuit_id: field(),
  agent_remote_id: field(),
  device_type: field({ search: '=:~' }),
  device_vendor: field({ search: '=:~' }),
  device_description: field({ search: '=:~' }),
  device_location: field({ search: '=:~' }),
  ms_server: field({ kind: 'struct', search: '=' }),
  disable: toggle,
  options: list,
  use_options: toggle,
  client_identifier_prepend_zero: toggle,
  cloud_info: cloudInfo,
  is_invalid_mac: readOnly('boolean'),
  restart_if_needed: writeOnly('boolean'),
  template: writeOnly('string'),
  extattrs,
} satisfies Record<string, Field>;

/** WAPI: clients are matched by DUID only, and there are no reservations. */
const ipv6fixedaddress = {
  ipv6addr: field({ base: true, required: true, search: '=~', format: 'address', allocates: true }),
  duid: field({ base: true, required: true, search: '=:~', format: 'duid' }),
  address_type: field({ kind: 'enum', values: ['ADDRESS'], search: '=' }),
  network_view: networkView,
  network: field({ search: '=~', format: 'cidr' }),
  name: field(),
  comment: quietComment,
  device_type: field({ search: '=:~' }),
  device_vendor: field({ search: '=:~' }),
  device_description: field({ search: '=:~' }),
  device_location: field({ search: '=:~' }),
  disable: toggle,
  options: list,
  use_options: toggle,
  cloud_info: cloudInfo,
  restart_if_needed: writeOnly('boolean'),
  template: writeOnly('string'),
  extattrs,
} satisfies Record<string, Field>;

const host = {
  name: field({ base: true, required: true, search: '=:~' }),
  ipv4addrs: field({ kind: 'list', base: true }),
  ipv6addrs: field({ kind: 'list', base: true }),
  view: field({ base: true, search: '=', update: 'no', format: 'dns-view' }),
  network_view: { ...networkView, base: false },
  configure_for_dns: toggle,
  zone: readOnly('string', { search: '=' }),
  comment: quietComment,
  aliases: list,
  disable: toggle,
  ttl: field({ kind: 'integer' }),
  use_ttl: toggle,
  ipv4addr: searchOnly('=~', { format: 'address' }),
  ipv6addr: searchOnly('=~', { format: 'address' }),
  mac: searchOnly('=:~', { format: 'mac' }),
  duid: searchOnly('=:~', { format: 'duid' }),
  extattrs,
} satisfies Record<string, Field>;

/** Fields of an address of either family. */
const address = {
  ip_address: readOnly('string', { base: true, search: '=<>', format: 'address' }),
  network: readOnly('string', { base: true, search: '=', format: 'cidr' }),
  network_view: readOnly('string', { base: true, search: '=', format: 'view' }),
  status: readOnly('string', { base: true, search: '=' }),
  types: readOnly('list', { base: true, search: '=' }),
  usage: readOnly('list', { base: true, search: '=' }),
  names: readOnly('list', { base: true, search: '=:~' }),
  lease_state: readOnly('string', { base: true, search: '=' }),
  is_conflict: readOnly('boolean', { base: true, search: '=' }),
  objects: readOnly('list', { base: true }),
  comment: readOnly('string', { search: '=:~' }),
  extattrs: readOnly('extattrs'),
} satisfies Record<string, Field>;

const ipv4address = {
  ...address,
  mac_address: readOnly('string', { base: true, search: '=:~' }),
  username: readOnly('string', { base: true }),
  dhcp_client_identifier: readOnly('string', { base: true }),
} satisfies Record<string, Field>;

const ipv6address = { ...address, duid: readOnly('string', { base: true, search: '=:~' }) } satisfies Record<
  string,
  Field
>;

export const addressTypes = { fixedaddress, ipv6fixedaddress, host, ipv4address, ipv6address };
