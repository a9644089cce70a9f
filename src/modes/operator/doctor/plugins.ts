/** The plugins: is this driver's beside the main plugins, of this release, and do they speak the versions that are asked for? */
import { isSupported, supportedVersions } from '../../../cni/versions.ts';
import { versionLine } from '../../about.ts';
import type { NetworkConfiguration } from '../network-configurations.ts';
import { lookAtPlugins, type PluginDirectory, pluginPaths } from '../plugin-directories.ts';
import { type Check, checks, failure, ok, shared, type Verdict, warning } from './check.ts';

/** Makes the checks. @param driver file name of the IPAM plugin */
export function pluginChecks(
  driver: string,
  configurations: readonly NetworkConfiguration[],
  env: NodeJS.ProcessEnv,
): Check[] {
  const uses = configurations.flatMap(useOf);
  const types = uses.map(({ type }) => type);
  const look = shared((signal) =>
    Promise.all(pluginPaths(env).map((path) => lookAtPlugins(path, { driver, types, signal }))),
  );
  const installed = { driver, versionLine, executable: process.execPath };
  return checks('plugins', {
    'IPAM plugin': async (signal) => judgeDriver(await look(signal), installed),
    'main plugins': async (signal) => judgeMainPlugins(await look(signal), uses),
  });
}

/** A network configuration as far as the main plugin is concerned; `type` is its file name. */
type MainPluginUse = Readonly<Record<'file' | 'type' | 'cniVersion', string>>;

/** None if the configuration does not name a plugin by a file name. */
function useOf({ file, config: { type, cniVersion } }: NetworkConfiguration): MainPluginUse[] {
  if (typeof type !== 'string' || type === '' || type.includes('/')) return [];
  return [{ file, type, cniVersion: typeof cniVersion === 'string' && cniVersion !== '' ? cniVersion : '0.1.0' }];
}

/** What is installed on this host. */
interface Installed {
  /** File name of the IPAM plugin. */
  readonly driver: string;
  /** What it answers to `--version` if it is of the same build as this command. */
  readonly versionLine: string;
  /** Path of this executable, of which the plugin is a copy. */
  readonly executable: string;
}

/** Says whether a runtime finds the IPAM plugin, whichever directory it uses. */
export function judgeDriver(directories: readonly PluginDirectory[], installed: Installed): Verdict[] {
  const { driver, versionLine, executable } = installed;
  const served = directories.filter((directory) => directory.driver !== undefined || 'bridge' in directory.mains);
  if (served.length === 0) {
    const where = directories.length === 0 ? 'there is no plugin directory' : `no bridge in ${pathsOf(directories)}`;
    const fix = `install the CNI plugins, then ${driver} beside them; or name the runtime's plugin directories in CNI_PATH`;
    return [failure(`${where}, and no ${driver}`, fix)];
  }
  const isSomewhere = served.some((directory) => directory.driver !== undefined);
  return served.map(({ path, driver: said }) => {
    const file = `${path}/${driver}`;
    const fix = `run make install CNI_BIN_DIR=${path}, or install -m 0755 ${executable} ${file}`;
    if (said === undefined) {
      const what = `there is bridge in ${path}, but no ${driver} beside it`;
      return isSomewhere ? warning(what, `if the runtime looks there, ${fix}`) : failure(what, fix);
    }
    if ('error' in said) return failure(`cannot run ${file}: ${said.error}`, fix);
    if (said.value === versionLine) return ok(`${file} is ${versionLine}`);
    if (said.value.startsWith('infoblox-cni ')) return failure(`${file} is ${said.value}, this is ${versionLine}`, fix);
    return failure(`${file} is another program than this driver`, fix);
  });
}

/** Says which CNI versions the main plugins speak, and which network configurations ask for another one. */
export function judgeMainPlugins(directories: readonly PluginDirectory[], uses: readonly MainPluginUse[]): Verdict[] {
  const spoken = directories.flatMap(({ path, mains }) => {
    const newest = Object.entries(mains).flatMap(([name, said]) =>
      'value' in said ? [[name, newestOf(said.value)]] : [],
    );
    return [...Map.groupBy(newest, ([, version]) => version)].map(([version, plugins]) =>
      ok(`${plugins.map(([name]) => name).join(', ')} in ${path}: CNI up to ${version}`),
    );
  });
  const broken = directories.flatMap(({ path, mains }) =>
    Object.entries(mains).flatMap(([name, said]) =>
      'error' in said ? [warning(`cannot ask ${path}/${name} for its version: ${said.error}`, 'reinstall it')] : [],
    ),
  );
  return [...uses.flatMap((use) => judgeUse(directories, use)), ...broken, ...spoken];
}

function judgeUse(directories: readonly PluginDirectory[], { file, type, cniVersion }: MainPluginUse): Verdict[] {
  const holding = directories.filter(({ mains }) => Object.hasOwn(mains, type));
  if (holding.length === 0) {
    const fix = 'install it, correct "type", or name the directories of the runtime in CNI_PATH';
    return [failure(`${file} wants the main plugin ${type}, which is not in ${pathsOf(directories)}`, fix)];
  }
  const lacking = holding.flatMap(({ path, mains }) => {
    const said = mains[type];
    return said === undefined || 'error' in said || said.value.includes(cniVersion)
      ? []
      : [{ path, spoken: said.value }];
  });
  if (lacking.length === 0) return [];
  const judge = lacking.length === holding.length ? failure : warning;
  const where = lacking.map(({ path }) => `${path}/${type}`).join(', ');
  const fix = `set cniVersion to ${newestOf(lacking.flatMap(({ spoken }) => spoken))}, or install newer CNI plugins`;
  return [judge(`${file} asks for CNI ${cniVersion}, which ${where} does not speak`, fix)];
}

/** The newest version that this driver knows, too. */
function newestOf(versions: readonly string[]): string {
  const known = versions.filter(isSupported);
  return supportedVersions.findLast((version) => known.includes(version)) ?? versions.at(-1) ?? 'none';
}

function pathsOf(directories: readonly PluginDirectory[]): string {
  return directories.map(({ path }) => path).join(', ') || 'any plugin directory';
}
