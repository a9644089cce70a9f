/**
 * Builds the executable: CommonJS scripts inside a stripped copy of the pinned Node. The plugin's script, which every
 * container start loads, is the main one. The others are assets, compiled only when used.
 *
 *   node build.mjs [--arch x64|arm64] [--outdir DIR]
 *
 * Also writes THIRD-PARTY-LICENSES (which --licenses prints), the SBOM infoblox-cni.cdx.json, and share/ with manual
 * pages and completion scripts.
 *
 * Equal sources, commit and strip give equal bytes: no code cache, snapshot, date or path of the build machine.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import { constants } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { brotliCompressSync, constants as zlib } from 'node:zlib';
import { build } from 'esbuild';
import { licenceTexts, makeSbom } from './build-licences.mjs';
import { architectures, nodeFor, strippedCopy } from './build-node.mjs';

const root = dirname(fileURLToPath(import.meta.url));
const manifest = JSON.parse(fs.readFileSync(join(root, 'package.json'), 'utf8'));
const hostArch = process.arch;
const nodeVersion = manifest.optionalDependencies[`node-linux-${hostArch}`];

/** The links that give the executable its other two names. */
const LINKS = ['infoblox', 'infoblox-cni-daemon'];
/** The compressed assets and the entry of each. */
const ASSETS = {
  'daemon.cjs': 'src/modes/daemon/main.ts',
  'operator.cjs': 'src/modes/operator/main.ts',
  'tracing.cjs': 'src/modes/daemon/tracing/open-telemetry.ts',
};
const LICENCES = 'THIRD-PARTY-LICENSES';
const SBOM = 'infoblox-cni.cdx.json';
const SHARE = 'share';
/** Sources that the plugin's script may contain: each container start loads all of it, as root. */
const LEAN = /^src\/(main\.ts$|errno\.ts$|cni\/|files\/|modes\/[^/]+\.ts$|modes\/plugin\/)/;
/** MiB of V8's heap. With the memory outside of it, the total stays below the unit's MemoryMax. */
const MAX_HEAP_MIB = 320;
const EXEC_ARGV = [
  // SIGUSR1 would open Node's inspector, which lets any local user run code as root; OPENSSL_CONF would load code.
  '--disable-sigusr1',
  '--openssl-config=/dev/null',
  `--max-old-space-size=${MAX_HEAP_MIB}`,
  // A compiler thread keeps the memory of its largest compilation. More V8 flags for the daemon are in src/main.ts.
  '--no-concurrent-recompilation',
];

function say(text) {
  console.log(`build: ${text}`);
}

function megabytes(file) {
  return `${(fs.statSync(file).size / 1e6).toFixed(1)} MB`;
}

/** Returns the commit, marked if the tree differs from it. Packagers without git set COMMIT. */
function commit() {
  if (process.env.COMMIT) return process.env.COMMIT;
  const args = ['describe', '--always', '--dirty', '--abbrev=12', '--exclude=*'];
  const run = spawnSync('git', args, { cwd: root, encoding: 'utf8' });
  return run.status === 0 ? run.stdout.trim() : 'unknown';
}

/** Bundles one script into the stage; returns its esbuild metafile. */
async function bundle(entry, outfile, options = {}) {
  const result = await build({
    absWorkingDir: root,
    entryPoints: [entry],
    outfile,
    bundle: true,
    preserveSymlinks: true, // file names must not depend on whether node_modules is a link
    platform: 'node',
    format: 'cjs',
    target: `node${nodeVersion}`,
    define: { __VERSION__: JSON.stringify(manifest.version), __COMMIT__: JSON.stringify(commit()) },
    metafile: true,
    logLevel: 'warning',
    ...options,
    write: false, // else esbuild's process could re-create the stage that an interrupted build has removed
  });
  fs.writeFileSync(outfile, result.outputFiles[0].contents);
  say(`${entry}: ${Object.keys(result.metafile.inputs).length} files, ${megabytes(outfile)}`);
  return result.metafile;
}

/** Bundles all scripts; returns their metafiles by name. */
async function bundleAll(stage) {
  const plugin = await bundle('src/main.ts', join(stage, 'plugin.cjs'));
  const foreign = Object.keys(plugin.inputs).filter((file) => !LEAN.test(file));
  if (foreign.length > 0) throw new Error(`the plugin's script must not contain\n  ${foreign.join('\n  ')}`);
  const metafiles = { 'plugin.cjs': plugin };
  for (const [name, entry] of Object.entries(ASSETS)) {
    // Whitespace and licence comments go: V8 keeps the text of a running script, and the licences have their own file.
    // Code compiled as a function can `require`, but not `import()`.
    const options = { minifyWhitespace: true, legalComments: 'none', supported: { 'dynamic-import': false } };
    metafiles[name] = await bundle(entry, join(stage, name), options);
  }
  return metafiles;
}

/** Makes the executable in the stage. */
async function inject(arch, stage, output) {
  const sea = createRequire(import.meta.url)('@yao-pkg/pkg/lib-es5/sea.js').default;
  // pkg works in a directory under TMPDIR. The blob records the path of the main script, so scripts are named relative
  // to it: the stage's random name stays out of the blob.
  process.env.TMPDIR = stage;
  const assets = [...Object.keys(ASSETS), LICENCES];
  // The highest quality would take thirty times as long to save 70 kB.
  const params = { [zlib.BROTLI_PARAM_QUALITY]: 9 };
  for (const name of assets) {
    fs.writeFileSync(join(stage, `${name}.br`), brotliCompressSync(fs.readFileSync(join(stage, name)), { params }));
  }
  await sea(join(stage, 'plugin.cjs'), {
    nodePath: join(stage, 'node'),
    useLocalNode: true, // this Node makes the blob: the target's may be of another architecture
    targets: [{ platform: 'linux', arch, nodeRange: `node${nodeVersion}`, output }],
    seaConfig: {
      main: '../plugin.cjs',
      assets: Object.fromEntries(assets.map((name) => [name, `../${name}.br`])),
      execArgv: EXEC_ARGV,
      execArgvExtension: 'none', // a NODE_OPTIONS in a runtime's environment must not alter the plugin
      disableExperimentalSEAWarning: true,
      useCodeCache: false,
      useSnapshot: false,
    },
  });
  fs.chmodSync(output, 0o755);
}

/** Smoke-tests the executable in each role, from another directory and with an empty environment. */
function tryOut(stage) {
  for (const [title, name, args, env, expected] of [
    ['CNI_COMMAND=VERSION infoblox', 'infoblox', [], { CNI_COMMAND: 'VERSION' }, '"supportedVersions"'],
    ['infoblox-cni --licenses', 'infoblox-cni', ['--licenses'], {}, 'node'],
    ['infoblox-cni-daemon --version', 'infoblox-cni-daemon', ['--version'], {}, manifest.version],
    ['infoblox-cni-daemon help', 'infoblox-cni-daemon', ['help'], {}, 'Usage'],
  ]) {
    const options = { cwd: '/', env, input: '{}', encoding: 'utf8', timeout: 20_000 };
    const { status, stdout, stderr, error } = spawnSync(join(stage, name), args, options);
    if (status !== 0 || !stdout.includes(expected)) throw new Error(`${title}: ${error ?? status}\n${stdout}${stderr}`);
  }
}

/** Makes a temporary directory inside `outdir` that is removed when this process ends. */
function makeStage(outdir) {
  const stage = fs.mkdtempSync(join(outdir, '.build-'));
  // A child process of an interrupted build may still write there.
  process.once('exit', () => fs.rmSync(stage, { recursive: true, force: true, maxRetries: 10 }));
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.once(signal, () => process.exit(128 + constants.signals[signal]));
  }
  return stage;
}

/** Builds in the stage and moves the result to `outdir` once it works: a failed build keeps the last good one. */
async function main({ arch = hostArch, outdir = join(root, arch === hostArch ? 'dist' : `dist/${arch}`) }) {
  // A SEA blob works only with the Node version that made it.
  if (process.version !== `v${nodeVersion}`) throw new Error(`this needs Node ${nodeVersion}: make build has it`);
  if (!architectures.includes(arch)) throw new Error(`--arch ${arch}: must be ${architectures.join(' or ')}`);
  fs.mkdirSync(outdir, { recursive: true });
  const stage = makeStage(resolve(outdir));
  const metafiles = await bundleAll(stage);
  const nodeDirectory = nodeFor(arch, manifest.optionalDependencies[`node-linux-${arch}`]);
  const node = { version: nodeVersion, licence: join(nodeDirectory, 'LICENSE') };
  const sbom = makeSbom({ root, stage, node, metafiles, commit: commit() });
  fs.writeFileSync(join(stage, SBOM), `${JSON.stringify(sbom, null, 2)}\n`);
  fs.writeFileSync(join(stage, LICENCES), licenceTexts(sbom));
  say(`${SBOM}, ${LICENCES}: ${sbom.components.map(({ name }) => name).join(', ')}`);
  say(`Node ${nodeVersion} for ${arch}, ${strippedCopy(arch, join(nodeDirectory, 'bin/node'), join(stage, 'node'))}`);
  await inject(arch, stage, join(stage, 'infoblox-cni'));
  for (const link of LINKS) fs.symlinkSync('infoblox-cni', join(stage, link));
  if (arch === hostArch) tryOut(stage);
  else say(`not tried out: an ${arch} executable does not run on ${hostArch}`);
  execFileSync(process.execPath, ['deploy/manual/write.ts', join(stage, SHARE)], { cwd: root });
  fs.rmSync(join(outdir, SHARE), { recursive: true, force: true }); // rename(2) replaces only an empty directory
  for (const name of ['infoblox-cni', ...LINKS, LICENCES, SBOM, SHARE]) {
    fs.renameSync(join(stage, name), join(outdir, name));
  }
  const executable = join(outdir, 'infoblox-cni');
  say(`${relative(process.cwd(), executable)}: ${megabytes(executable)}`);
}

try {
  await main(parseArgs({ options: { arch: { type: 'string' }, outdir: { type: 'string' } } }).values);
} catch (error) {
  console.error(`build failed: ${error.message}`);
  process.exitCode = 1;
}
