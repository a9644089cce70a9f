/** What the executable says of itself: its release, its names, its commands. */
import { supportedVersions } from '../cni/versions.ts';

/** Put in by the build (build.mjs); absent when the sources run unbuilt. */
declare const __VERSION__: string | undefined;
declare const __COMMIT__: string | undefined;

export const version: string = typeof __VERSION__ === 'string' ? __VERSION__ : '0.0.0';
export const commit: string = typeof __COMMIT__ === 'string' ? __COMMIT__ : 'unbuilt';

export const versionLine = `infoblox-cni ${version} (${commit})`;

/** For people who call the executable by hand instead of through a container runtime. */
export const aboutText = `CNI IPAM plugin infoblox, ${versionLine}
CNI protocol versions supported: ${supportedVersions.join(', ')}
`;

export const helpText = `${aboutText}
One executable, two roles, by the name it is called with:

  infoblox              the IPAM plugin: container runtimes run it, with CNI_COMMAND in its environment.
                        Install it (or a link to it) in the CNI plugin directory and set "ipam": {"type": "infoblox"}.
  infoblox-cni-daemon   the host service that allocates from the Infoblox grid. Try infoblox-cni-daemon --help.

  --help                print this
  --version             print the version
  --licenses            print the licences of the software that it contains
`;

/** For flags of the daemon given to another name. */
export const noFlagsText = `Called by this name, it is the plugin, which takes no flags but --version, --help and --licenses.
To run the daemon, call it as infoblox-cni-daemon: a link of that name to this file.
`;

/**
 * The operator's commands, by name: the first word after `infoblox-cni-daemon`. Without one it is the daemon, as the original
 * was.
 */
export const commandSummaries = {
  status: 'Is this host well: grid, conditions, networks, leases',
  leases: 'Who holds which address, and who held one',
  whois: 'Who has an address, which addresses a pod or a container has, on whichever host',
  doctor: 'Check host, grid and network configurations, and say how to repair what is wrong',
  'check-config': 'Check flags, their files and network configurations, without the grid',
  gc: 'Release the addresses of containers that are proven dead',
  release: 'Release the addresses of a container: a DEL by hand',
  'ea-defs': 'Which extensible attributes the grid defines of those that the driver writes',
  'support-bundle': 'Collect what is known of this host in one archive, without secrets',
  'install-plugin': 'Put the plugin, and then network configurations, where the runtime looks for them',
} as const;

export type CommandName = keyof typeof commandSummaries;

/** In the order of the help. */
export const commandNames = Object.keys(commandSummaries) as readonly CommandName[];

/** Writes the same as lines of a help. */
export function commandLines(): string {
  return commandNames.map((name) => `  ${name.padEnd(16)}${commandSummaries[name]}\n`).join('');
}
