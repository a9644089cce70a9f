/** The addresses of this host, also those of interfaces without carrier, such as a bridge before its first container. */
import { readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';

/** The kernel's routes as it keeps them (proc_net(5) does not have it; net/ipv4/fib_trie.c writes it). */
const routesFile = '/proc/net/fib_trie';

export interface HostAddress {
  readonly address: string;
  /** Name of the interface; null if it has no carrier, for then Node does not list it (libuv, uv_interface_addresses). */
  readonly device: string | null;
}

/** Lists them, loopback excepted. */
export function hostAddresses(): HostAddress[] {
  const devices = new Map<string, string | null>(localAddresses(readRoutes()).map((address) => [address, null]));
  for (const [device, addresses = []] of Object.entries(networkInterfaces())) {
    for (const { family, internal, address } of addresses) {
      if (family === 'IPv4' && !internal) devices.set(address, device);
    }
  }
  return [...devices].map(([address, device]) => ({ address, device }));
}

function readRoutes(): string {
  try {
    return readFileSync(routesFile, 'utf8');
  } catch {
    return '';
  }
}

/** Finds the addresses that route to this host itself, those of loopback excepted. @param trie the kernel's table of routes */
export function localAddresses(trie: string): string[] {
  const found = new Set<string>();
  let leaf = '';
  for (const line of trie.split('\n').map((text) => text.trim())) {
    // The lines below a leaf say what is routed by its address, for each length of a prefix.
    if (line.startsWith('|-- ')) leaf = line.slice('|-- '.length);
    else if (line === '/32 host LOCAL' && !leaf.startsWith('127.')) found.add(leaf);
  }
  return [...found];
}
