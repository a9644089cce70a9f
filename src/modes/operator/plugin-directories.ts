/** Finds the plugins in this host's plugin directories, and asks them for their versions. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import * as v from 'valibot';
import { messageOf } from '../../errno.ts';
import { distrust } from '../../files/trusted-path.ts';
import { nearest } from '../daemon/config/command-line.ts';

/** Plugin directories of distributions, the CNI project and rkt (the same list as in deploy/install.sh). */
const usualDirectories = ['/opt/cni/bin', '/usr/lib/cni', '/usr/libexec/cni', '/usr/lib/rkt/plugins/net'];
/** Main plugins that call an IPAM plugin. */
const mainPlugins = ['bridge', 'macvlan', 'ipvlan', 'ptp', 'host-device'];
/** For one plugin to print its version. */
const versionTimeoutMs = 5_000;

/** A program's answer, or why it gave none. */
type Said<T> = { readonly value: T } | { readonly error: string };

export interface PluginDirectory {
  readonly path: string;
  /** The IPAM plugin's answer to `--version`; undefined if it is not installed. */
  readonly driver?: Said<string> | undefined;
  /** CNI versions of each installed main plugin, by its name. */
  readonly mains: Readonly<Record<string, Said<readonly string[]>>>;
}

/** Lists the plugin directories: those of CNI_PATH, or the usual ones that exist. */
export function pluginPaths(env: NodeJS.ProcessEnv): string[] {
  const named = (env.CNI_PATH ?? '').split(':').filter((path) => path !== '');
  return named.length > 0 ? named : usualDirectories.filter((path) => existsSync(path));
}

/** Says that a main plugin, which is in none of the directories, has nearly the name of a known one: a mistake wherever this runs. */
export function misspeltPlugin(type: unknown, paths: readonly string[]): string[] {
  if (typeof type !== 'string' || paths.some((path) => existsSync(join(path, type)))) return [];
  const meant = nearest(type, mainPlugins);
  return meant === undefined || meant === type ? [] : [`there is no main plugin ${type}; did you mean ${meant}?`];
}

/** Asks the plugins of a directory for their versions. @param types file names of further main plugins */
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

/** Returns the first line that a plugin prints for `--version`. */
export async function sayVersion(file: string, signal: AbortSignal): Promise<Said<string>> {
  const said = await run(file, ['--version'], { signal });
  return 'error' in said ? said : { value: said.value.split('\n', 1)[0] ?? '' };
}

const Versions = v.object({ supportedVersions: v.array(v.string()) });

/** Asks a plugin for its CNI versions (SPEC section 2 "VERSION"). The reference plugins require a version on stdin. */
async function sayCniVersions(file: string, signal: AbortSignal): Promise<Said<string[]>> {
  const said = await run(file, [], { env: { CNI_COMMAND: 'VERSION' }, stdin: '{"cniVersion":"0.4.0"}', signal });
  if ('error' in said) return said;
  try {
    return { value: v.parse(Versions, JSON.parse(said.value)).supportedVersions };
  } catch {
    return { error: 'it does not answer VERSION as a CNI plugin does' };
  }
}

/** Runs a plugin as a runtime does, unless users other than root could have replaced it. @returns its stdout */
function run(
  file: string,
  args: readonly string[],
  { env = {}, stdin = '', signal }: { env?: Record<string, string>; stdin?: string; signal: AbortSignal },
): Promise<Said<string>> {
  const untrusted = distrust(file);
  if (untrusted !== undefined) return Promise.resolve({ error: `${untrusted.message}: run ${untrusted.hint}` });
  return new Promise((resolve) => {
    const child = execFile(file, args, { env, signal, timeout: versionTimeoutMs }, (error, stdout) => {
      resolve(error === null ? { value: stdout } : { error: messageOf(error).split('\n', 1)[0] ?? '' });
    });
    // A program may end without reading stdin.
    child.stdin?.on('error', () => undefined).end(stdin);
  });
}
