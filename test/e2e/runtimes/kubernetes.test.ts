/**
 * The DaemonSet's pod on a node, from the manifests built by kustomize and the image of `make image`, under Debian's
 * containerd with an imitated kubelet. Pods of the node then get their addresses from it.
 */
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { ConfigMap, PodSpec } from 'kubernetes-types/core/v1.js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isNote } from '../../../src/modes/release-note.ts';
import { buildOver, type Manifest, podOf } from '../deploy/manifests.ts';
import { dist } from '../program.ts';
import { criOf, loadImage, programs, startContainerd } from './containerd-host.ts';
import type { Cri, Pod } from './cri.ts';
import { type Files, Kubelet, type RunningPod } from './kubelet.ts';
import { imageLeftOut, leftOut, printTried, RuntimeHost } from './runtime-host.ts';

const isLeftOut =
  leftOut('the DaemonSet of Kubernetes', { ...programs, kustomize: 'kustomize' }) || imageLeftOut('Kubernetes');

const node = 'worker-3';
/** Waiting time, as the daemon answers DEL before it asks the grid. */
const release = { timeout: 60_000 };

let runtime: RuntimeHost;
let cri: Cri;
let kubelet: Kubelet;
let spec: PodSpec;
let files: Files;

beforeAll(async () => {
  if (isLeftOut) return;
  runtime = await RuntimeHost.start();
  const { host } = runtime;
  await runtime.makeWayForContainer();
  const settings = (name: string) => readFileSync(host.path(`/etc/infoblox-cni/${name}`), 'utf8');
  const manifests = buildOver('overlays/node-pool', overlay, {
    'daemon.env': settings('daemon.env'),
    'grid.pem': settings('grid.pem'),
  });
  spec = podOf(manifests);
  files = { ...configMapsOf(manifests), 'infoblox-cni-grid': { 'wapi-password': settings('wapi-password') } };
  // A node without the driver, with the main plugins in the directory of Kubernetes.
  await host.succeed(`rm -r /etc/infoblox-cni /var/lib/infoblox-cni /run/cni /usr/lib/cni/infoblox
    mkdir -p /opt/cni/bin && cp -L /usr/lib/cni/* /opt/cni/bin`);
  await startContainerd(runtime, '/opt/cni/bin');
  for (const archive of ['/run/busybox.tar', join(dist, 'infoblox-cni-daemon.oci.tar')])
    await loadImage(runtime, 'k8s.io', archive);
  cri = criOf(runtime);
  kubelet = new Kubelet(cri, host, node);
  printTried('containerd', 'runc', 'kustomize', 'containernetworking-plugins');
}, 120_000);

afterAll(() => runtime?.stop());

/** Runs a command of the operator. */
const overlay = `
configMapGenerator:
  - name: infoblox-cni
    namespace: infoblox-cni
    behavior: replace
    files: [daemon.env, grid.pem]
`;

function configMapsOf(manifests: readonly Manifest[]): Files {
  const maps = manifests.filter(({ kind }) => kind === 'ConfigMap') as unknown as readonly ConfigMap[];
  return Object.fromEntries(maps.map(({ metadata, data = {} }) => [metadata?.name ?? '', data]));
}

/** Returns the reservations of pods by their names on the grid. */
async function reserved(): Promise<Readonly<Record<string, string>>> {
  const pods = (await runtime.lan.reserved('default')).filter(({ comment }) => comment.includes(' container='));
  for (const { comment } of pods) expect(comment).toContain(` node=${node} network=pods `);
  return Object.fromEntries(pods.map(({ name, ipv4addr }) => [name, ipv4addr]));
}

const web = (name: string): Pod => ({ name, namespace: 'shop', uid: `5f0c2e9a-${name}` });
const onNode = (path: string) => runtime.host.path(path);

describe.skipIf(isLeftOut)('the pod of the overlay for a node pool', () => {
  let daemon: RunningPod;

  test('lets pods start only after its init container, which installs the network configuration last', async () => {
    const { plugins } = JSON.parse(Object.values(files).flatMap((data) => data['10-pods.conflist'] ?? [])[0] ?? '');
    rmSync(onNode('/opt/cni/bin/portmap'));
    expect(plugins.map(({ type }: { type: string }) => type)).toContain('portmap');
    await expect(kubelet.start(spec, files)).rejects.toThrow(/names portmap, not in \/opt\/cni\/bin/);
    for (const path of ['/opt/cni/bin/infoblox', '/etc/cni/net.d/10-pods.conflist'])
      expect(existsSync(onNode(path)), path).toBe(false);
    expect(await cri.isNetworkReady()).toBe(false);

    await runtime.host.succeed('cp /usr/lib/cni/portmap /opt/cni/bin');
    daemon = await kubelet.start(spec, files);
    expect(readFileSync(onNode('/opt/cni/bin/infoblox')).equals(readFileSync(join(dist, 'infoblox-cni')))).toBe(true);
    expect(daemon.log('install-plugin').trim().split('\n').at(-1)).toMatch(/ installed \/etc\/cni\/net\.d\/10-pods/);
    await expect.poll(() => cri.isNetworkReady(), release).toBe(true);
  });

  test('is live and ready by the probes of the manifest', async () => {
    for (const kind of ['startupProbe', 'livenessProbe', 'readinessProbe'] as const)
      await expect.poll(async () => (await daemon.probe(kind)).exitCode, release).toBe(0);
  });

  test('runs as user 0 without capabilities, without a way to get one, and without writable files outside its directories', async () => {
    const tasks = await runtime.host.succeed('ctr -n k8s.io task ls');
    const pid = new RegExp(`^${daemon.id} +(\\d+)`, 'm').exec(tasks)?.[1];
    const status = readFileSync(onNode(`/proc/${pid}/status`), 'utf8');
    expect(status).toMatch(/^Uid:\t0\t0\t0\t0$/m);
    for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'])
      expect(status).toMatch(new RegExp(`^${set}:\t0+$`, 'm'));
    expect(status).toMatch(/^NoNewPrivs:\t1$/m);
    expect(status).toMatch(/^Seccomp:\t2$/m);
    const mounts = readFileSync(onNode(`/proc/${pid}/mounts`), 'utf8');
    const writable = [...mounts.matchAll(/^\S+ (\S+) \S+ rw\b/gm)].flatMap(([, place = '']) => place);
    const ofRuntime = /^\/(proc|sys|dev)(\/|$)/;
    const own = writable.filter((place) => !ofRuntime.test(place)).sort();
    // The kubelet's copy for this pod, and the parts of the node that the manifest mounts.
    expect(own).toEqual(['/etc/hosts', '/run/cni', '/var/lib/infoblox-cni']);
  });

  test('gives pods of the node their addresses, and sees that they are alive', async () => {
    const id = await cri.runPodSandbox(web('web-1'));
    const address = await cri.podAddress(id);
    expect(await reserved()).toEqual({ 'shop/web-1': address });
    runtime.lan.addRouter('10.20.0.1/22');
    await runtime.host.succeed(
      'namespace=$(ls -d /run/netns/cni-*) && nsenter --net=$namespace busybox ping -c1 -w5 10.20.0.1',
    );
    for (const leases of [
      await daemon.exec('infoblox-cni-daemon', 'leases'),
      await runtime.host.run('/opt/cni/bin/infoblox-cni-daemon leases'),
    ]) {
      expect(leases).toMatchObject({ exitCode: 0, stdout: expect.stringMatching(/shop\/web-1 .*\balive\b/) });
      expect(leases.stdout).toContain(address);
    }
    expect((await daemon.exec('infoblox-cni-daemon', 'status')).stdout).toMatch(/^well$/m);
  });

  test('runs the commands of the operator with its settings', async () => {
    const doctor = await daemon.exec('infoblox-cni-daemon', 'doctor', `--node-name=${node}`);
    expect(doctor.stdout).toMatch(/ok +login: as "\S+" at grid\.example\.com\n/);
    expect(doctor.stdout).toMatch(/ok +daemon: .* answers/);
    expect(doctor.stdout).not.toContain('was started with other values');
    const file = '/var/lib/infoblox-cni/bundle.tar.gz';
    const bundle = await daemon.exec('infoblox-cni-daemon', 'support-bundle', `--output=${file}`);
    expect(bundle).toMatchObject({ exitCode: 0, stdout: expect.not.stringContaining('without status') });
    expect(await runtime.host.succeed(`tar -tzf ${file}`)).toMatch(/leases\.json$/m);
  });

  test('can be replaced while pods keep their addresses, and takes over the DELs in between', async () => {
    const web2 = await cri.runPodSandbox(web('web-2'));
    const before = await reserved();
    await daemon.end();
    await cri.stopPodSandbox(web2);
    expect(readdirSync(onNode('/run/cni/infoblox.owed')).filter(isNote)).toHaveLength(1);
    await expect(cri.runPodSandbox(web('web-3'))).rejects.toThrow(/11|daemon/);
    daemon = await kubelet.start(spec, files);
    for (const line of daemon.log('install-plugin').trim().split('\n')) expect(line).toMatch(/ is up to date$/);
    await expect.poll(reserved, release).toEqual({ 'shop/web-1': before['shop/web-1'] });
    await cri.removePodSandbox(web2);
    const web3 = await cri.runPodSandbox(web('web-3'));
    expect(await reserved()).toMatchObject({ 'shop/web-3': await cri.podAddress(web3) });
  });

  test('releases the addresses of pods that ended without a DEL', async () => {
    expect(Object.keys(await reserved())).toEqual(['shop/web-1', 'shop/web-3']);
    await runtime.host.end('containerd', 'KILL');
    await runtime.host.succeed('for namespace in $(ls /run/netns); do ip netns del $namespace; done');
    await expect.poll(reserved, release).toEqual({});
  });
});
