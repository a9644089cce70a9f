/**
 * Chooses the role by the executable's name and arguments. This script runs at every container start, so it loads only
 * what the plugin needs. The daemon and the operator's commands are separate scripts inside the same executable.
 */
import { basename } from 'node:path';
import { aboutText, helpText, noFlagsText, versionLine } from './modes/about.ts';
import { refuseToBeAPlugin, runPlugin } from './modes/plugin/plugin.ts';

const name = basename(process.argv0);
const isDaemon = name === 'infoblox-cni-daemon';
const args = process.argv.slice(2);
/** Under the executable's own name and the daemon's, a first word without `-` is an operator's command. */
const isCommand = (isDaemon || name === 'infoblox-cni') && args[0] !== undefined && !args[0].startsWith('-');

/** A service may inherit CNI_COMMAND, but has an argument. Any name except the daemon's may be a driver's. */
if (process.env.CNI_COMMAND && !(isDaemon && args.length > 0)) {
  if (isDaemon) process.exit(refuseToBeAPlugin());
  void runPlugin(process.env).then((status) => process.exit(status));
} else if (isDaemon || isCommand) void runDaemonOrCommand();
else answerPeople();

/**
 * V8 flags for a daemon that mostly waits: V8 compiles less, and does not optimize undici's parser (WebAssembly). They
 * are set at run time: as arguments of the executable they would make V8 recompile Node's own modules and cost the
 * plugin a fifth more.
 */
const memoryFlags = ['--optimize-for-size', '--no-wasm-tier-up', '--no-wasm-dynamic-tiering'];

async function runDaemonOrCommand(): Promise<void> {
  const { loadScript } = await import('./modes/script.ts');
  if (isCommand) return loadScript('operator.cjs');
  const { setFlagsFromString } = await import('node:v8');
  for (const flag of memoryFlags) setFlagsFromString(flag);
  loadScript('daemon.cjs');
}

/** Prints the licences, which are an asset of the executable, so that they are wherever it is. */
async function printLicences(): Promise<void> {
  const { assetText } = await import('./modes/script.ts');
  process.stdout.write(assetText('THIRD-PARTY-LICENSES'));
}

function answerPeople(): void {
  // Ignore EPIPE and ENOSPC: there is nowhere left to report to.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => process.exit(1));
  if (args.includes('--version')) process.stdout.write(`${versionLine}\n`);
  else if (args.includes('--licenses')) void printLicences();
  else if (args.includes('--help') || args.includes('-h')) process.stdout.write(helpText);
  else if (args.length === 0) process.stderr.write(name === 'infoblox-cni' ? helpText : aboutText);
  else {
    process.stderr.write(noFlagsText);
    process.exitCode = 2;
  }
}
