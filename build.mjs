/**
 * Builds the one executable: CommonJS scripts inside a stripped copy of the pinned Node. The plugin's, which every container
 * start pays for, is the main one; the others are assets that are compiled only when they are used.
 *
 *   node build.mjs [--arch x64|arm64] [--outdir DIR]
 *
 * Beside it: THIRD-PARTY-LICENSES, which it also holds for --licenses, an SBOM, infoblox-cni.cdx.json, and share/ with manual pages
 * and completion scripts.
 *
 * Equal sources, commit and strip give equal bytes: no code cache, no snapshot, no date, no path of the building machine.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { constants } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { brotliCompressSync } from 'node:zlib';
import { LicenceError, licenceTexts, makeSbom } from './build-licences.mjs';

const root = dirname(fileURLToPath(import.meta.url));
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const hostArch = process.arch;
const nodeVersion = manifest.optionalDependencies[`node-linux-${hostArch}`];

/** The links that give the executable its other two names. */
const LINKS = ['infoblox', 'infoblox-cni-daemon'];
/** The scripts that are assets, compressed, and where each begins. */
const ASSETS = {
  'daemon.cjs': 'src/modes/daemon/main.ts',
  'operator.cjs': 'src/modes/operator/main.ts',
  'tracing.cjs': 'src/modes/daemon/tracing/open-telemetry.ts',
};
/** What goes beside the executable. */
const LICENCES = 'THIRD-PARTY-LICENSES';
const SBOM = 'infoblox-cni.cdx.json';
const SHARE = 'share';
/** MiB of V8's heap: with what is outside of it, less than MemoryMax of the unit. */
const MAX_HEAP_MIB = 320;
const STRIP = { x64: 'x86_64-linux-gnu-strip', arm64: 'aarch64-linux-gnu-strip' };

class BuildError extends Error {}

function say(text) {
  console.log(`build: ${text}`);
}

function megabytes(bytes) {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

/** A SEA blob fits only the Node that wrote it, so everything here runs under the pinned one. */
function useThePinnedNode() {
  if (process.version === `v${nodeVersion}`) return;
  const pinned = join(root, 'node_modules', '.bin', 'node');
  if (!existsSync(pinned) || realpathSync(pinned) === realpathSync(process.execPath)) {
    throw new BuildError(
      `this needs Node ${nodeVersion} from node_modules (found ${process.version}): run "make setup"`,
    );
  }
  const run = spawnSync(pinned, process.argv.slice(1), { stdio: 'inherit' });
  process.exit(run.status ?? 1);
}

/** The commit that is built, marked when the tree differs from it; a packager without git names it in COMMIT. */
function commit() {
  if (process.env.COMMIT) return process.env.COMMIT;
  const args = ['describe', '--always', '--dirty', '--abbrev=12', '--exclude=*'];
  const run = spawnSync('git', args, { cwd: root, encoding: 'utf8' });
  return run.status === 0 ? run.stdout.trim() : 'unknown';
}

/**
 * Of the assets. V8 keeps the text of a script while it runs, in twice its size if a comment has one letter that is not ASCII.
 * The licences that comments name are in a file of their own. What is compiled as a function can `require`, not `import()`.
 */
const ASSET_OPTIONS = { minifyWhitespace: true, legalComments: 'none', supported: { 'dynamic-import': false } };

/**
 * What is bundled of a library of which little is used: V8 keeps the text of everything that is bundled. ofetch's entry for Node
 * brings a second HTTP client, for Nodes without fetch.
 */
const SUBSETS = { undici: 'build-undici.mjs', ofetch: 'node_modules/ofetch/dist/index.mjs' };
const useSubsets = {
  name: 'use-subsets',
  setup({ onResolve }) {
    const filter = new RegExp(`^(${Object.keys(SUBSETS).join('|')})$`);
    onResolve({ filter }, ({ path }) => ({ path: join(root, SUBSETS[path]) }));
  },
};

/** Bundles one script into the stage; returns esbuild's account of what went into it. */
async function bundle(entry, outfile, options = {}) {
  const { build } = await import('esbuild');
  if (!existsSync(join(root, entry))) throw new BuildError(`${entry} is missing`);
  const result = await build({
    absWorkingDir: root,
    entryPoints: [entry],
    outfile,
    bundle: true,
    preserveSymlinks: true, // a node_modules that is a link shall leave no trace in the names of files
    platform: 'node',
    format: 'cjs',
    target: `node${nodeVersion}`,
    define: { __VERSION__: JSON.stringify(manifest.version), __COMMIT__: JSON.stringify(commit()) },
    plugins: [useSubsets],
    metafile: true,
    logLevel: 'warning',
    ...options,
    write: false, // esbuild's own process would make the stage anew that an interrupted build has just removed
  });
  writeFileSync(outfile, result.outputFiles[0].contents);
  const files = Object.keys(result.metafile.inputs).length;
  say(`${entry}: ${files} files, ${(statSync(outfile).size / 1e3).toFixed(0)} kB`);
  return result.metafile;
}

/** What the plugin's script may hold: every byte is paid for at each container start. */
const LEAN = [
  /^src\/main\.ts$/,
  /^src\/cni\//,
  /^src\/modes\/[^/]+\.ts$/,
  /^src\/modes\/plugin\//,
  /^src\/infoblox\/host\//,
];

/** Refuses libraries, and anything of the daemon or the grid, in the plugin's script. */
function keepThePluginLean({ inputs }) {
  const foreign = Object.keys(inputs).filter((file) => !LEAN.some((allowed) => allowed.test(file)));
  if (foreign.length > 0) {
    throw new BuildError(`the plugin's script must hold no more than it needs, but has:\n  ${foreign.join('\n  ')}`);
  }
}

/** The directory of the pinned Node for the target: from node_modules, or from npm, checked against the lock file. */
function nodeFor(arch) {
  const name = `node-linux-${arch}`;
  const installed = join(root, 'node_modules', name);
  if (existsSync(join(installed, 'bin', 'node'))) return installed;
  const cache = join(root, '.cache');
  const version = manifest.optionalDependencies[name];
  const archive = join(cache, `${name}-${version}.tgz`);
  mkdirSync(cache, { recursive: true });
  if (!existsSync(archive)) {
    say(`fetching ${name}@${version} from npm`);
    execFileSync('npm', ['pack', `${name}@${version}`, '--silent', '--pack-destination', cache], { cwd: root });
  }
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
  const wanted = lock.packages[`node_modules/${name}`].integrity;
  const found = `sha512-${createHash('sha512').update(readFileSync(archive)).digest('base64')}`;
  if (found !== wanted) {
    rmSync(archive);
    throw new BuildError(`${name}@${version} is not what package-lock.json names (${found}); removed, try again`);
  }
  const target = join(cache, `${name}-${version}`);
  mkdirSync(target, { recursive: true });
  execFileSync('tar', ['-xzf', archive, '-C', target, '--strip-components=1', 'package/bin/node', 'package/LICENSE']);
  return target;
}

/** Copies Node and strips the copy. Only before the injection: afterwards strip would ruin the executable. */
function strippedCopy(arch, node, target) {
  copyFileSync(node, target);
  chmodSync(target, 0o755);
  const before = statSync(target).size;
  const tool = arch === hostArch ? 'strip' : STRIP[arch];
  const run = spawnSync(tool, [target], { encoding: 'utf8' });
  if (run.error) {
    const source = arch === hostArch ? 'binutils' : `binutils-${arch === 'arm64' ? 'aarch64' : 'x86-64'}-linux-gnu`;
    say(`NOT STRIPPED: no ${tool} here, the executable is almost 20 MB larger (Debian: apt-get install ${source})`);
  } else if (run.status !== 0) {
    throw new BuildError(`${tool} failed: ${run.stderr.trim()}`);
  } else {
    say(`stripped Node ${nodeVersion} for ${arch}: ${megabytes(before)} -> ${megabytes(statSync(target).size)}`);
  }
}

/** Makes the executable in the stage. */
async function inject(arch, stage, node, output) {
  const sea = createRequire(import.meta.url)('@yao-pkg/pkg/lib-es5/sea.js').default;
  // pkg works in a directory that it makes under TMPDIR. Naming the scripts from there keeps the stage's own name out of
  // the blob, which records the main script's path.
  process.env.TMPDIR = stage;
  const assets = [...Object.keys(ASSETS), LICENCES];
  for (const name of assets) {
    writeFileSync(join(stage, `${name}.br`), brotliCompressSync(readFileSync(join(stage, name))));
  }
  await sea(join(stage, 'plugin.cjs'), {
    nodePath: node,
    useLocalNode: true, // the blob may come from this very Node: the target's may be of another architecture
    targets: [{ platform: 'linux', arch, nodeRange: `node${nodeVersion}`, output }],
    seaConfig: {
      main: '../plugin.cjs',
      assets: Object.fromEntries(assets.map((name) => [name, `../${name}.br`])),
      // SIGUSR1 would open Node's inspector, through which any local user runs code as root; OPENSSL_CONF would load code.
      execArgv: ['--disable-sigusr1', '--openssl-config=/dev/null', `--max-old-space-size=${MAX_HEAP_MIB}`],
      execArgvExtension: 'none', // a NODE_OPTIONS in a runtime's environment must not alter the plugin
      disableExperimentalSEAWarning: true,
      useCodeCache: false,
      useSnapshot: false,
    },
  });
  chmodSync(output, 0o755);
}

/** Runs the executable as its users will: from an empty directory, with an empty environment. */
function tryOut(directory) {
  const empty = join(directory, 'empty');
  mkdirSync(empty);
  const trials = [
    ['infoblox', [], { CNI_COMMAND: 'VERSION' }, /"supportedVersions"/],
    ['infoblox-cni', ['--version'], {}, /./],
    ['infoblox-cni', ['--help'], {}, /./],
    ['infoblox-cni', ['--licenses'], {}, /./],
    ['infoblox-cni-daemon', ['--version'], {}, /./],
    ['infoblox-cni-daemon', ['help'], {}, /./],
  ];
  for (const [name, args, env, expected] of trials) {
    const input = '{"cniVersion":"1.0.0"}';
    const run = spawnSync(join(directory, name), args, { cwd: empty, env, input, encoding: 'utf8', timeout: 20_000 });
    const title = [...Object.entries(env).map((pair) => pair.join('=')), name, ...args].join(' ');
    if (run.status !== 0 || !expected.test(run.stdout)) {
      throw new BuildError(
        `${title}: ${run.error?.message ?? `exit ${run.status ?? run.signal}`}\n${run.stdout}${run.stderr}`,
      );
    }
    say(`tried  ${title}  ->  ${run.stdout.trim().split('\n')[0]}`);
  }
}

/**
 * Where a build is made before it is moved in. Its name holds the process ID: what a killed build has left is told from
 * what another one is making now.
 */
function makeStage(outdir) {
  for (const name of readdirSync(outdir)) {
    const pid = /^\.build-(\d+)-/.exec(name)?.[1];
    if (pid !== undefined && !isRunning(Number(pid))) remove(join(outdir, name));
  }
  const stage = mkdtempSync(join(outdir, `.build-${process.pid}-`));
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.once(signal, () => {
      remove(stage);
      console.error('build: interrupted');
      process.exit(128 + constants.signals[signal]);
    });
  }
  return stage;
}

function isRunning(pid) {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return error.code !== 'ESRCH';
  }
}

/** Removes a directory in which a child of an interrupted build may still be writing. */
function remove(directory) {
  rmSync(directory, { recursive: true, force: true, maxRetries: 10 });
}

async function main() {
  useThePinnedNode();
  const { values } = parseArgs({ options: { arch: { type: 'string' }, outdir: { type: 'string' } } });
  const arch = values.arch || hostArch;
  if (!Object.hasOwn(STRIP, arch)) throw new BuildError(`--arch ${arch}: must be x64 or arm64`);
  const native = arch === hostArch;
  const outdir = resolve(values.outdir ?? join(root, native ? 'dist' : `dist/${arch}`));
  mkdirSync(outdir, { recursive: true });
  // Made aside and moved in when it is known to work: a failed build leaves the last good one as it was.
  const stage = makeStage(outdir);
  try {
    const executable = join(stage, 'infoblox-cni');
    const plugin = await bundle('src/main.ts', join(stage, 'plugin.cjs'));
    keepThePluginLean(plugin);
    const metafiles = { 'plugin.cjs': plugin };
    for (const [name, entry] of Object.entries(ASSETS)) {
      metafiles[name] = await bundle(entry, join(stage, name), ASSET_OPTIONS);
    }
    const nodeDirectory = nodeFor(arch);
    const node = { version: nodeVersion, licence: join(nodeDirectory, 'LICENSE') };
    const sbom = makeSbom({ root, stage, node, metafiles, commit: commit() });
    writeFileSync(join(stage, SBOM), `${JSON.stringify(sbom, null, 2)}\n`);
    writeFileSync(join(stage, LICENCES), licenceTexts(sbom));
    say(`${SBOM}, ${LICENCES}: ${sbom.components.map(({ name }) => name).join(', ')}`);
    strippedCopy(arch, join(nodeDirectory, 'bin', 'node'), join(stage, 'node'));
    await inject(arch, stage, join(stage, 'node'), executable);
    for (const link of LINKS) symlinkSync('infoblox-cni', join(stage, link));
    if (native) tryOut(stage);
    else say(`not tried out: an ${arch} executable does not run on ${hostArch}`);
    execFileSync(process.execPath, ['deploy/manual/write.ts', join(stage, SHARE)], { cwd: root });
    remove(join(outdir, SHARE)); // a directory is moved over none but an empty one
    for (const name of ['infoblox-cni', ...LINKS, LICENCES, SBOM, SHARE])
      renameSync(join(stage, name), join(outdir, name));
  } finally {
    remove(stage);
  }
  say(
    `${relative(process.cwd(), join(outdir, 'infoblox-cni'))}: ${megabytes(statSync(join(outdir, 'infoblox-cni')).size)}`,
  );
}

main().catch((error) => {
  console.error(
    `build failed: ${error instanceof BuildError || error instanceof LicenceError ? error.message : error.stack}`,
  );
  process.exitCode = 1;
});
