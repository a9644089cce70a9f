/** Facts of the executable about itself: release, names, commands. */
import { supportedVersions } from '../cni/versions.ts';

/** Set by the build (build.mjs); undefined when the sources run unbuilt. */
declare const __VERSION__: string | undefined;
declare const __COMMIT__: string | undefined;

export const version: string = typeof __VERSION__ === 'string' ? __VERSION__ : '0.0.0';
export const commit: string = typeof __COMMIT__ === 'string' ? __COMMIT__ : 'unbuilt';

export const versionLine = `infoblox-cni ${version} (${commit})`;

/** Printed when a person runs the executable by hand. */
export const aboutText = `CNI IPAM plugin infoblox, ${versionLine}
CNI protocol versions supported: ${supportedVersions.join(', ')}
`;

export const helpText = `${aboutText}
One executable. The name that it is called by decides:

  infoblox              the IPAM plugin: container runtimes run it, with CNI_COMMAND in its environment.
                        Install it (or a link to it) in the CNI plugin directory and set "ipam": {"type": "infoblox"}.
  infoblox-cni-daemon   the host service that allocates from the Infoblox grid. Try infoblox-cni-daemon --help.
  infoblox-cni COMMAND  a command for operators. Try infoblox-cni help.

  --help                print this
  --version             print the version
  --licenses            print the licences of the bundled software
`;

/** Printed when another name than the daemon's gets the daemon's flags. */
export const noFlagsText = `Under this name the executable is the plugin. Its only flags are --version, --help and --licenses.
To run the daemon, call it as infoblox-cni-daemon (a link to this file).
`;

/**
 * The operator's commands: the first word after `infoblox-cni`, or after `infoblox-cni-daemon`, which without a command
 * runs the daemon, as the original driver did.
 */
export const commandSummaries = {
  status: 'Is this host well: grid, conditions, networks, leases',
  leases: 'Who holds which address, and who held one',
  whois: 'Who has an address, and which addresses a pod or container has, on any host',
  audit: 'Compare the leases of this host, or of a whole cluster, with the grid',
  doctor: 'Check host, grid and network configurations, and say how to fix problems',
  'check-config': 'Check flags, their files and network configurations, without the grid',
  gc: 'Release the addresses of containers that are proven dead',
  release: 'Release the addresses of a container: a DEL by hand',
  'ea-defs': 'Which of the extensible attributes that the driver writes are defined on the grid',
  'support-bundle': 'Collect diagnostics of this host in one archive, without secrets',
  'install-plugin': 'Install the plugin, then network configurations, where the runtime looks for them',
} as const;

export type CommandName = keyof typeof commandSummaries;

export const commandNames = Object.keys(commandSummaries) as readonly CommandName[];

/** Formats the commands as lines of a help text. */
export function commandLines(): string {
  return commandNames.map((name) => `  ${name.padEnd(16)}${commandSummaries[name]}\n`).join('');
}
