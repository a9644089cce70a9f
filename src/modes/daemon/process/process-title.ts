/** What `ps` shows of the daemon. */

/**
 * The command line as it was given, under the daemon's own name, without the password: any user of the host can read it.
 * Setting it as `process.title` overwrites the arguments and names the process, which Node calls MainThread.
 */
export function processTitle(args: readonly string[]): string {
  const shown = args.map((arg, index) => {
    if (/^--?wapi-password=/.test(arg)) return arg.replace(/=.*/s, '=...');
    return /^--?wapi-password$/.test(args[index - 1] ?? '') ? '...' : arg;
  });
  return ['infoblox-cni-daemon', ...shown].join(' ');
}
