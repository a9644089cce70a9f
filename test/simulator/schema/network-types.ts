import {
  cloudInfo,
  comment,
  counter,
  extattrs,
  type Field,
  field,
  list,
  networkView,
  readOnly,
  searchOnly,
  toggle,
  writeOnly,
} from './field.ts';

const networkview = {
  name: field({ base: true, required: true, search: '=:~' }),
  comment,
  is_default: readOnly('boolean', { base: true, search: '=' }),
  associated_dns_views: readOnly('list'),
  associated_members: readOnly('list'),
  mgm_private: toggle,
  cloud_info: cloudInfo,
  extattrs,
} satisfies Record<string, Field>;

/** Fields of both networks and network containers. */
const subnet = {
  network: field({ base: true, required: true, search: '=~', update: 'same', format: 'cidr', allocates: true }),
  network_view: networkView,
  comment,
  network_container: readOnly('string', { search: '=' }),
  unmanaged: field({ kind: 'boolean', search: '=' }),
  auto_create_reversezone: writeOnly('boolean'),
  restart_if_needed: writeOnly('boolean'),
  options: list,
  use_options: toggle,
  cloud_info: cloudInfo,
  mgm_private: toggle,
  extattrs,
} satisfies Record<string, Field>;

const container = { ...subnet, utilization: counter } satisfies Record<string, Field>;

const network = {
  ...container,
  contains_address: searchOnly('=', { format: 'address' }),
  ipv4addr: readOnly('string', { search: '=~', format: 'address' }),
  netmask: counter,
  members: list,
  disable: toggle,
  authority: toggle,
  use_authority: toggle,
  template: writeOnly('string'),
  total_hosts: counter,
  static_hosts: counter,
  dynamic_hosts: counter,
  dhcp_utilization: counter,
  dhcp_utilization_status: readOnly('string'),
} satisfies Record<string, Field>;

/** WAPI: it has no counters and cannot be found by an address in it. */
const ipv6network = {
  ...subnet,
  members: list,
  disable: toggle,
  template: writeOnly('string'),
} satisfies Record<string, Field>;

/** The kinds of servers of a range; NONE for a reserved range. */
const rangeServers = ['FAILOVER', 'MEMBER', 'MS_FAILOVER', 'MS_SERVER', 'NONE'] as const;

const range = {
  start_addr: field({ base: true, required: true, search: '=~', format: 'address' }),
  end_addr: field({ base: true, required: true, search: '=~', format: 'address' }),
  network: field({ base: true, search: '=~', update: 'same', format: 'cidr' }),
  network_view: networkView,
  comment,
  name: field(),
  member: field({ kind: 'struct', search: '=' }),
  failover_association: field({ search: '=' }),
  server_association_type: field({ kind: 'enum', values: rangeServers, search: '=' }),
  disable: toggle,
  options: list,
  use_options: toggle,
  exclude: list,
  restart_if_needed: writeOnly('boolean'),
  extattrs,
} satisfies Record<string, Field>;

const ipv6range = {
  ...range,
  address_type: field({ kind: 'enum', values: ['ADDRESS'], search: '=' }),
  name: field({ search: '=:~' }),
  server_association_type: field({ kind: 'enum', values: ['MEMBER', 'NONE'], search: '=' }),
} satisfies Record<string, Field>;

export const networkTypes = { networkview, network, container, range, ipv6network, ipv6range };
