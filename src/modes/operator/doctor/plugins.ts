/** Checks the plugins: this driver is installed beside the main plugins in this release, and they support the configured CNI versions. */
import { isSupported, supportedVersions } from '../../../cni/versions.ts';
import { versionLine } from '../../about.ts';
import { calledName } from '../command.ts';
import type { NetworkConfiguration } from '../network-configurations.ts';
import { lookAtPlugins, type PluginDirectory, pluginPaths } from '../plugin-directories.ts';
import { type Check, checks, failure, ok, shared, type Verdict, warning } from './check.ts';

/** Makes the checks of plugins. @param driver file name of the IPAM plugin */
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
  const installed = { driver, versionLine };
  return checks('plugins', {
    'IPAM plugin': async (signal) => judgeDriver(await look(signal), installed),
    'main plugins': async (signal) => judgeMainPlugins(await look(signal), uses),
  });
}

/** The fields of a network configuration that concern its main plugin; `type` is the plugin's file name. */
type MainPluginUse = Readonly<Record<'file' | 'type' | 'cniVersion', string>>;

/** Returns the use of a main plugin; none if `type` is not a file name. */
function useOf({ file, config: { type, cniVersion } }: NetworkConfiguration): MainPluginUse[] {
  if (typeof type !== 'string' || type === '' || type.includes('/')) return [];
  return [{ file, type, cniVersion: typeof cniVersion === 'string' && cniVersion !== '' ? cniVersion : '0.1.0' }];
}

/** The driver that is installed on this host. */
interface Installed {
  /** File name of the IPAM plugin. */
  readonly driver: string;
  /** Answer to `--version` of a plugin of this build. */
  readonly versionLine: string;
}

/** Judges whether a runtime finds the IPAM plugin in any plugin directory. */
export function judgeDriver(directories: readonly PluginDirectory[], installed: Installed): Verdict[] {
  const { driver, versionLine } = installed;
  const served = directories.filter((directory) => directory.driver !== undefined || 'bridge' in directory.mains);
  if (served.length === 0) {
    const where = directories.length === 0 ? 'there is no plugin directory' : `no bridge in ${pathsOf(directories)}`;
    const fix = `install the CNI plugins, then ${driver} beside them; or name the runtime's plugin directories in CNI_PATH`;
    return [failure(`${where}, and no ${driver}`, fix)];
  }
  const isSomewhere = served.some((directory) => directory.driver !== undefined);
  return served.map(({ path, driver: said }) => {
    const file = `${path}/${driver}`;
    const named = driver === 'infoblox' ? '' : ` --driver-name=${driver}`;
    const fix = `run ${calledName} install-plugin --bin-dir=${path}${named}`;
    if (said === undefined) {
      const what = `there is bridge in ${path}, but no ${driver} beside it`;
      return isSomewhere ? warning(what, `if the runtime looks there, ${fix}`) : failure(what, fix);
    }
    if ('error' in said) return failure(`cannot run ${file}: ${said.error}`, fix);
    if (said.value === versionLine) return ok(`${file} is ${versionLine}`);
    if (said.value.startsWith('infoblox-cni ')) return failure(`${file} is ${said.value}, this is ${versionLine}`, fix);
    return failure(`${file} is not this driver`, fix);
  });
}

/** Reports the CNI versions of the main plugins, and network configurations that ask for another version. */
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

/** Returns the newest version that this driver supports, too. */
function newestOf(versions: readonly string[]): string {
  const known = versions.filter(isSupported);
  return supportedVersions.findLast((version) => known.includes(version)) ?? versions.at(-1) ?? 'none';
}

function pathsOf(directories: readonly PluginDirectory[]): string {
  return directories.map(({ path }) => path).join(', ') || 'any plugin directory';
}
