import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DaemonSet } from 'kubernetes-types/apps/v1.js';
import type { Namespace } from 'kubernetes-types/core/v1.js';
import { describe, expect, test } from 'vitest';
import { parseFlags, readEnvironmentFile } from '../../../src/modes/daemon/config/command-line.ts';
import { type Options, readOptions } from '../../../src/modes/daemon/config/options.ts';
import { checkNetworkFiles } from '../../../src/modes/operator/network-configurations.ts';
import { callTimeoutsMs } from '../../../src/modes/protocol.ts';
import {
  build,
  buildOver,
  complaints,
  containersOf,
  fileIn,
  find,
  kubernetes,
  type Manifest,
  podOf,
} from './manifests.ts';

const { version } = JSON.parse(readFileSync(join(import.meta.dirname, '../../../package.json'), 'utf8'));

/** In CI, where everything is installed, the tests fail instead of being skipped. */
const leftOut = spawnSync('kustomize', ['version']).error !== undefined && process.env.CI === undefined;
if (leftOut) process.stderr.write('left out: the manifests for Kubernetes are not built, this host has no kustomize\n');

const shipped = ['base', 'overlays/multus', 'overlays/node-pool'].map((name) => ({
  name,
  manifests: leftOut ? [] : build(join(kubernetes, name)),
}));

describe.skipIf(leftOut)('the Kubernetes API', () => {
  test('accepts all shipped manifests', () => {
    expect(complaints(shipped.flatMap(({ manifests }) => manifests))).toEqual([]);
  });

  test('refuses mistakes: an unknown field, a wrong type, a missing field', () => {
    const manifests = shipped[0]?.manifests ?? [];
    const daemonSet = find<DaemonSet>(manifests, 'DaemonSet');
    const wrong = [
      { template: { spec: { ...podOf(manifests), hostNetwrok: true } } },
      { template: { spec: { ...podOf(manifests), hostNetwork: 'yes' } } },
      { template: undefined },
    ].map((change) => ({ ...daemonSet, spec: { ...daemonSet.spec, ...change } }) as unknown as Manifest);
    expect(complaints(wrong)).toEqual([
      expect.stringMatching(/hostNetwrok.* does not exist in type 'PodSpec'/),
      expect.stringMatching(/"hostNetwork": "yes".* not assignable to type 'boolean/),
      expect.stringContaining("Property 'template' is missing"),
    ]);
  });
});

describe.skipIf(leftOut).each(shipped)('deploy/kubernetes/$name', ({ name, manifests }) => {
  const pod = leftOut ? undefined : podOf(manifests);

  test('runs the image of this release by the name of `make image`', () => {
    const images = containersOf(manifests).map(({ image }) => image);
    expect(images).toEqual(Array(2).fill(`localhost/infoblox-cni-daemon:${version}`));
  });

  test('does not use the API server: no RBAC, no service account, no token', () => {
    const kinds = new Set(manifests.map(({ kind }) => kind));
    expect(
      [...kinds].filter(
        (kind) => !['Namespace', 'ConfigMap', 'DaemonSet', 'NetworkAttachmentDefinition'].includes(kind),
      ),
    ).toEqual([]);
    expect(pod?.automountServiceAccountToken).toBe(false);
    expect([pod?.serviceAccountName, pod?.serviceAccount]).toEqual([undefined, undefined]);
  });

  test('gives its containers no privileges', () => {
    expect(pod?.securityContext).toEqual({ runAsUser: 0, runAsGroup: 0, seccompProfile: { type: 'RuntimeDefault' } });
    expect([pod?.hostPID, pod?.hostIPC, pod?.shareProcessNamespace]).toEqual([undefined, undefined, undefined]);
    for (const { name, securityContext, ports } of containersOf(manifests)) {
      expect(securityContext, name).toEqual({
        ...{ privileged: false, allowPrivilegeEscalation: false, readOnlyRootFilesystem: true },
        capabilities: { drop: ['ALL'] },
      });
      expect(ports, name).toBeUndefined();
    }
  });

  test('mounts only the needed directories of the host in each container', () => {
    const host = new Map(
      pod?.volumes?.flatMap(({ name, hostPath }) => (hostPath === undefined ? [] : [[name, hostPath.path]])),
    );
    const seen = Object.fromEntries(
      containersOf(manifests).map(({ name, volumeMounts = [] }) => {
        return [
          name,
          volumeMounts.flatMap((mount) =>
            host.has(mount.name) ? [`${host.get(mount.name)}${mount.readOnly ? ', read-only' : ''}`] : [],
          ),
        ];
      }),
    );
    expect(seen).toEqual({
      'install-plugin': expect.arrayContaining(['/opt/cni/bin']),
      daemon: ['/run/cni', '/var/lib/infoblox-cni', '/run/netns, read-only', '/run/netns, read-only'],
    });
    const configurations = name === 'overlays/node-pool' ? ['/etc/cni/net.d'] : [];
    expect(new Set(seen['install-plugin'])).toEqual(new Set(['/opt/cni/bin', ...configurations]));
  });

  test('sees the network namespaces of later pods under both paths', () => {
    const mounts = containersOf(manifests)
      .at(-1)
      ?.volumeMounts?.filter((mount) => mount.name === 'namespaces');
    expect(mounts?.map(({ mountPath, mountPropagation }) => [mountPath, mountPropagation])).toEqual([
      ['/run/netns', 'HostToContainer'],
      ['/var/run/netns', 'HostToContainer'],
    ]);
  });

  test('runs on every intended node, with priority and on the network of the node', () => {
    expect(pod?.tolerations).toEqual([{ operator: 'Exists' }]);
    expect(pod?.priorityClassName).toBe('system-node-critical');
    expect(pod?.hostNetwork).toBe(true);
    // The cluster's DNS may depend on an address of this driver.
    expect(pod?.dnsPolicy).toBe(name === 'overlays/node-pool' ? 'Default' : 'ClusterFirstWithHostNet');
  });

  test('is admitted by a namespace with the label `privileged`', () => {
    const { metadata } = find<Namespace>(manifests, 'Namespace');
    expect(metadata?.labels?.['pod-security.kubernetes.io/enforce']).toBe('privileged');
    for (const {
      kind,
      metadata: { namespace },
    } of manifests.filter(({ kind }) => ['ConfigMap', 'DaemonSet'].includes(kind)))
      expect(namespace, kind).toBe(metadata?.name);
  });

  test('replaces one daemon after another, never runs two on a node, and lets calls end', () => {
    expect(find<DaemonSet>(manifests, 'DaemonSet').spec?.updateStrategy?.rollingUpdate?.maxSurge).toBe(0);
    expect((pod?.terminationGracePeriodSeconds ?? 0) * 1000).toBeGreaterThan(callTimeoutsMs.ADD);
  });

  test('restarts a stuck daemon, but none because of an outage of the grid', () => {
    const daemon = containersOf(manifests).at(-1);
    const asks = (kind: string) => ({ exec: { command: [...(daemon?.command ?? []), 'status', `--probe=${kind}`] } });
    expect(daemon?.startupProbe).toMatchObject(asks('live'));
    expect(daemon?.livenessProbe).toMatchObject(asks('live'));
    expect(daemon?.readinessProbe).toMatchObject(asks('ready'));
  });

  test('is probed over the socket, which only root can reach, and opens no port for others', () => {
    expect(optionsOf(manifests).metricsListen).toBeUndefined();
  });

  test('gives the daemon valid flags, secrets from the Secret, the password by file, and the name of the node', () => {
    expect(optionsOf(manifests)).toMatchObject({
      nodeName: 'NODE',
      stateDir: '/var/lib/infoblox-cni',
      socketDir: '/run/cni',
    });
    expect(fileIn(manifests, 'daemon.env')).toContain('--ssl-verify=pin');
    const daemon = containersOf(manifests).at(-1);
    expect(daemon?.env).toEqual([
      { name: 'NODE_NAME', valueFrom: { fieldRef: { fieldPath: 'spec.nodeName' } } },
      {
        name: 'OTEL_EXPORTER_OTLP_HEADERS',
        valueFrom: { secretKeyRef: { name: 'infoblox-cni-grid', key: 'otlp-headers', optional: true } },
      },
      { name: 'TMPDIR', value: optionsOf(manifests).stateDir },
    ]);
    expect(daemon?.args?.join(' ')).not.toMatch(/--wapi-password[= ]/);
  });

  test('has network configurations that the driver accepts', () => {
    // The interface exists on the nodes.
    const ofThisHost = (remark: string) => /\bmaster eth1\b/.test(remark);
    for (const text of networksOf(manifests)) {
      expect(checkText(text, optionsOf(manifests)).filter((remark) => !ofThisHost(remark))).toEqual([]);
    }
    expect(networksOf(manifests)).toHaveLength(name === 'base' ? 0 : 1);
  });

  test('installs the network configuration with the last command of the init container', () => {
    const args = containersOf(manifests)[0]?.args ?? [];
    expect(args[0]).toBe('install-plugin');
    expect(args.filter((arg) => !arg.startsWith('-')).slice(1)).toEqual(
      name === 'overlays/node-pool' ? ['/etc/infoblox-cni-networks/10-pods.conflist'] : [],
    );
  });
});

describe.skipIf(leftOut)('an operator’s overlay', () => {
  const own = `
images:
  - name: localhost/infoblox-cni-daemon
    newName: registry.example.com/network/infoblox-cni-daemon
configMapGenerator:
  - name: infoblox-cni
    namespace: infoblox-cni
    behavior: replace
    files: [daemon.env]
`;
  const env = "DAEMON_FLAGS='--grid-host=grid.example.com --wapi-username=cni'\n";

  test('sets the image once for both containers', () => {
    const images = containersOf(buildOver('base', own, { 'daemon.env': env })).map(({ image }) => image);
    expect(images).toEqual(Array(2).fill(`registry.example.com/network/infoblox-cni-daemon:${version}`));
  });

  test('rolls out changed flags, as the pods refer to them by a hash', () => {
    const [one, other] = [env, env.replace('cni', 'other')].map((text) =>
      buildOver('base', own, { 'daemon.env': text }),
    );
    const settings = (manifests: readonly Manifest[] = []) =>
      podOf(manifests).volumes?.[0]?.projected?.sources?.[0]?.configMap?.name;
    expect(settings(one)).toBe(find<Manifest>(one ?? [], 'ConfigMap').metadata.name);
    expect(settings(other)).not.toBe(settings(one));
  });
});

/** Returns the options of the daemon in a pod on a node called NODE. */
function optionsOf(manifests: readonly Manifest[]): Options {
  const { args = [] } = containersOf(manifests).at(-1) ?? {};
  const [file, ...flags] = args.map((arg) => arg.replace('$(NODE_NAME)', 'NODE'));
  expect(file).toBe('--environment-file=/etc/infoblox-cni/daemon.env');
  const { daemonFlags } = inFile(fileIn(manifests, 'daemon.env'), (path) => readEnvironmentFile(path, 'required'));
  return readOptions(parseFlags([...daemonFlags, ...flags]), {});
}

function networksOf(manifests: readonly Manifest[]): string[] {
  const attachments = manifests.filter(({ kind }) => kind === 'NetworkAttachmentDefinition');
  const files = manifests.filter(({ metadata }) => metadata.name.startsWith('infoblox-cni-networks-'));
  return [
    ...attachments.map(({ spec }) => (spec as { config: string }).config),
    ...files.flatMap(({ data }) => Object.values(data as Record<string, string>)),
  ];
}

function checkText(text: string, options: Options) {
  const { found, errors } = inFile(text, (file) => checkNetworkFiles([file], options));
  // The interfaces exist on a node.
  const remarks = found
    .flatMap(({ remarks }) => remarks)
    .filter((remark) => !/does not exist on this host/.test(remark));
  return [...errors.map(({ message }) => message), ...remarks];
}

function inFile<T>(text: string, use: (file: string) => T): T {
  const directory = mkdtempSync(join(tmpdir(), 'infoblox-cni-kubernetes-'));
  try {
    const file = join(directory, 'file');
    writeFileSync(file, text);
    expect(readFileSync(file, 'utf8')).toBe(text);
    return use(file);
  } finally {
    rmSync(directory, { recursive: true });
  }
}
