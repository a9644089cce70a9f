/** What doctor examines of network configurations: here each on the grid, beside it their files. */
import type { Origin } from '../../../../infoblox/mark.ts';
import type { GridAccess } from '../../../daemon/grid-access.ts';
import type { NetworkConfiguration } from '../../network-configurations.ts';
import type { Check } from '../check.ts';
import { NetworkLook } from './network-look.ts';

interface NetworkContext {
  readonly grid: GridAccess;
  /** This host, by its name in marks. */
  readonly host: Origin;
  /** What has to be well before the grid is asked about networks. */
  readonly needs: NonNullable<Check['needs']>;
}

/** Makes the checks of a network configuration: is its network there, has it addresses, is its gateway safe? */
export function networkChecks(configuration: NetworkConfiguration, { grid, host, needs }: NetworkContext): Check[] {
  const group = `network ${configuration.spec.name}`;
  const look = new NetworkLook(configuration, { grid, host });
  const view: Check = { group, title: 'view', needs, run: (signal) => look.view(signal) };
  const network: Check = { group, title: 'network', needs, run: (signal) => look.network(signal) };
  const onIt = { group, needs: [network] };
  return [
    view,
    network,
    { ...onIt, title: 'free addresses', run: (signal) => look.freeAddresses(signal) },
    { ...onIt, title: 'gateway', run: (signal) => look.gateway(signal) },
    { ...onIt, title: "this host's addresses", run: (signal) => look.ownAddresses(signal) },
    { ...onIt, title: 'other hosts', run: (signal) => look.otherHosts(signal) },
  ];
}
