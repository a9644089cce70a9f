/** A situation: a script that leads a site into it, and checks the result. The seeds cover the rest. */
import { expect } from 'vitest';
import { cluster, network } from '../daemon-run.ts';
import type { HttpRequest } from '../grid-members.ts';
import type { Site } from '../site.ts';

/** One minute, in milliseconds. */
export const minute = 60_000;

export interface Situation {
  readonly name: string;
  readonly run: () => Promise<void>;
}

type IsMeant = (request: HttpRequest, client: string) => boolean;

const isFor = ({ url, body }: HttpRequest, container: string) =>
  `${decodeURIComponent(url)} ${body}`.includes(`container=${container} `);

/** Matches the create of a container's reservation. */
export const createOf =
  (container: string): IsMeant =>
  (request) =>
    request.method === 'POST' && request.url.includes('/fixedaddress') && isFor(request, container);

/** Matches a look for a container's objects. */
export const lookFor =
  (container: string): IsMeant =>
  (request) =>
    request.method === 'GET' && request.url.includes('/fixedaddress') && isFor(request, container);

/** Matches the delete of a reservation. */
export const aDelete: IsMeant = ({ method, url }) => method === 'DELETE' && url.includes('/fixedaddress');

/** Matches the search for all objects of a host. */
export const anImport: IsMeant = ({ method, url }) => method === 'GET' && decodeURIComponent(url).includes('comment~=');

/** Counts requests of a method and object type that reached the grid. */
export function arrivals({ trace }: Site, method: string, type: string): number {
  return trace.filter((line) => line.includes(` ${method} grid-`) && line.includes(` ${type}`)).length;
}

/** The mark of a container of a site. */
export function markOf(container: string, node = container.replace(/-\d+-\d+$/, '')): string {
  return `infoblox-cni cluster=${cluster} node=${node} network=${network} container=${container} interface=eth0`;
}

/** Lists the addresses of containers, without gateway and foreign objects. */
export function holdersOf({ members, ledger }: Site): Record<string, string> {
  const containers = members
    .holders()
    .map(({ address, comment }) => [address, ledger.containerOf(comment)] as const)
    .filter(([, container]) => container !== '');
  return Object.fromEntries(containers);
}

/** Returns the address that a container was told. */
export function told({ ledger }: Site, container: string): string {
  return ledger.live.get(container)?.address ?? expect.fail(`${container} was told nothing`);
}

/** Starts the daemons, and the container of each slot on the first host, one after another. @returns their IDs */
export async function startAll(site: Site, ...slots: readonly number[]): Promise<string[]> {
  for (const host of site.hosts) host.start();
  await site.pass(1_000);
  const ids: string[] = [];
  for (const slot of slots) {
    site.runtime(0).start(slot);
    await site.pass(2_000);
    ids.push(site.runtime(0).idOf(slot));
  }
  for (const id of ids) told(site, id);
  return ids;
}
