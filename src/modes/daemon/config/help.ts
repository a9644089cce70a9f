import { checkCommand } from './command-line.ts';
import { flagGroups } from './flags.ts';

/** Makes the text of `--help`. */
export function usage(): string {
  const groups = Object.entries(flagGroups).map(([title, flags]) => {
    const lines = Object.entries(flags).map(([name, { type, description, default: standard }]) => {
      const value = type === 'string' ? ' string' : '';
      const shown = standard === undefined || standard === '' ? '' : ` (default "${standard}")`;
      return `  --${name}${value}\n        ${description}${shown}\n`;
    });
    return `${title}:\n${lines.join('')}`;
  });
  return `infoblox-cni-daemon: allocates container addresses from an Infoblox grid for the CNI plugin "infoblox"

Usage: infoblox-cni-daemon [flags]
       infoblox-cni-daemon ${checkCommand} [flags]    checks flags and the files that they name, and leaves

${groups.join('\n')}
The password may also come from the environment variable WAPI_PASSWORD or the systemd credential "wapi-password".
`;
}
