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
  /** All that are examined. */
  readonly all: readonly Named[];
}

type Named = { readonly file: string; readonly spec: { readonly name: string } };

/** Names a configuration in its findings: with its file, where several have a network of that name. */
export function nameOf({ file, spec: { name } }: Named, all: readonly Named[]): string {
  const isOnly = all.filter(({ spec }) => spec.name === name).length === 1;
  return isOnly ? name : `${name} of ${file}`;
}

/** Makes the checks of a network configuration: is its network there, has it addresses, is its gateway safe? */
export function networkChecks(configuration: NetworkConfiguration, context: NetworkContext): Check[] {
  const { grid, host, needs, all } = context;
  const about = nameOf(configuration, all);
  const group = `network ${about}`;
  const look = new NetworkLook(configuration, { grid, host });
  const view: Check = { group, about, title: 'view', needs, run: (signal) => look.view(signal) };
  const network: Check = { group, about, title: 'network', needs, run: (signal) => look.network(signal) };
  const onIt = { group, about, needs: [network] };
  return [
    view,
    network,
    { ...onIt, title: 'free addresses', run: (signal) => look.freeAddresses(signal) },
    { ...onIt, title: 'gateway', run: (signal) => look.gateway(signal) },
    { ...onIt, title: "this host's addresses", run: (signal) => look.ownAddresses(signal) },
    { ...onIt, title: 'other hosts', run: (signal) => look.otherHosts(signal) },
  ];
}
