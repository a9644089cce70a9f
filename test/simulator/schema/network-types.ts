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

/** What a network and a network container share. */
const subnet = {
  network: field({ base: true, required: true, search: '=~', update: 'same', format: 'cidr', allocates: true }),
  network_view: networkView,
  comment,
  network_container: readOnly('string', { search: '=' }),
  unmanaged: toggleSearchable(),
  auto_create_reversezone: writeOnly('boolean'),
  restart_if_needed: writeOnly('boolean'),
  options: list,
  use_options: toggle,
  utilization: counter,
  cloud_info: cloudInfo,
  mgm_private: toggle,
  extattrs,
} satisfies Record<string, Field>;

const network = {
  ...subnet,
  contains_address: searchOnly('=', { format: 'ipv4' }),
  ipv4addr: readOnly('string', { search: '=~', format: 'ipv4' }),
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

/** Of what kind the server of a range is; NONE for a reserved range. */
const rangeServers = ['FAILOVER', 'MEMBER', 'MS_FAILOVER', 'MS_SERVER', 'NONE'] as const;

const range = {
  start_addr: field({ base: true, required: true, search: '=~', format: 'ipv4' }),
  end_addr: field({ base: true, required: true, search: '=~', format: 'ipv4' }),
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

function toggleSearchable(): Field {
  return field({ kind: 'boolean', search: '=' });
}

export const networkTypes = { networkview, network, networkcontainer: subnet, range };
