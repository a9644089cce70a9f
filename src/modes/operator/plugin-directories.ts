/** The plugins of this host: which are in its plugin directories, and what they say of themselves; beside it, how ours gets there. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import * as v from 'valibot';
import { messageOf } from '../../errno.ts';
import { distrust } from '../../files/trusted-path.ts';

/** Where distributions, the CNI project and rkt put plugins (deploy/install.sh serves the same). */
const usualDirectories = ['/opt/cni/bin', '/usr/lib/cni', '/usr/libexec/cni', '/usr/lib/rkt/plugins/net'];
/** Main plugins that call an IPAM plugin. */
const mainPlugins = ['bridge', 'macvlan', 'ipvlan', 'ptp', 'host-device'];
/** For one plugin to say its version. */
const versionTimeoutMs = 5_000;

/** What a program says of itself, or why it cannot be asked. */
type Said<T> = { readonly value: T } | { readonly error: string };

export interface PluginDirectory {
  readonly path: string;
  /** What the IPAM plugin answers to `--version`; undefined if it is not there. */
  readonly driver?: Said<string> | undefined;
  /** The CNI versions of each main plugin that is there, by name. */
  readonly mains: Readonly<Record<string, Said<readonly string[]>>>;
}

/** Names the plugin directories: those of CNI_PATH, else the usual ones that are there. */
export function pluginPaths(env: NodeJS.ProcessEnv): string[] {
  const named = (env.CNI_PATH ?? '').split(':').filter((path) => path !== '');
  return named.length > 0 ? named : usualDirectories.filter((path) => existsSync(path));
}

/** Asks the plugins of a directory for their versions. @param types further main plugins to ask, by their file names */
export async function lookAtPlugins(
  path: string,
  {
    driver,
    types,
    signal,
  }: { readonly driver: string; readonly types: readonly string[]; readonly signal: AbortSignal },
): Promise<PluginDirectory> {
  const names = [...new Set([...mainPlugins, ...types])].filter((name) => existsSync(join(path, name)));
  const [said, ...mains] = await Promise.all([
    existsSync(join(path, driver)) ? sayVersion(join(path, driver), signal) : undefined,
    ...names.map(async (name) => [name, await sayCniVersions(join(path, name), signal)] as const),
  ]);
  return { path, driver: said, mains: Object.fromEntries(mains) };
}

/** The first line of what a plugin prints for `--version`. */
export async function sayVersion(file: string, signal: AbortSignal): Promise<Said<string>> {
  const said = await run(file, { args: ['--version'], env: {}, stdin: '', signal });
  return 'error' in said ? said : { value: said.value.split('\n', 1)[0] ?? '' };
}

const Versions = v.object({ supportedVersions: v.array(v.string()) });

/** SPEC section 2 "VERSION". Plugins of the reference want a version on stdin. */
async function sayCniVersions(file: string, signal: AbortSignal): Promise<Said<string[]>> {
  const env = { CNI_COMMAND: 'VERSION' };
  const said = await run(file, { args: [], env, stdin: '{"cniVersion":"0.4.0"}', signal });
  if ('error' in said) return said;
  try {
    return { value: v.parse(Versions, JSON.parse(said.value)).supportedVersions };
  } catch {
    return { error: 'it does not answer VERSION as a CNI plugin does' };
  }
}

interface Program {
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly stdin: string;
  readonly signal: AbortSignal;
}

/** Runs a plugin as a runtime does, unless users other than root could have put it there. @returns what it prints */
function run(file: string, { args, env, stdin, signal }: Program): Promise<Said<string>> {
  const untrusted = distrust(file);
  if (untrusted !== undefined) return Promise.resolve({ error: `${untrusted.message}: run ${untrusted.hint}` });
  return new Promise((resolve) => {
    const child = execFile(file, args, { env, signal, timeout: versionTimeoutMs }, (error, stdout) => {
      resolve(error === null ? { value: stdout } : { error: messageOf(error).split('\n', 1)[0] ?? '' });
    });
    // A program may end without reading it.
    child.stdin?.on('error', () => undefined).end(stdin);
  });
}
