/**
 * The operator's commands, by name: the first word after `infoblox-cni-daemon`. Without one it is the daemon, as the original
 * was.
 */
export const commandSummaries = {
  status: 'Is this host well: grid, conditions, networks, leases',
  leases: 'Who holds which address, and who held one',
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

/** The same as lines of a help. */
export const commandLines = commandNames.map((name) => `  ${name.padEnd(16)}${commandSummaries[name]}\n`).join('');
