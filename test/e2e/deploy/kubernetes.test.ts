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

describe.skipIf(leftOut).each(['base', 'overlays/multus', 'overlays/node-pool'])('deploy/kubernetes/%s', (name) => {
  const manifests = leftOut ? [] : build(join(kubernetes, name));
  const pod = leftOut ? undefined : podOf(manifests);

  test('is what the API of Kubernetes takes', () => {
    expect(complaints(manifests)).toBe('');
  });

  test('runs the image of this release, as `make image` names it', () => {
    const images = containersOf(manifests).map(({ image }) => image);
    expect(images).toEqual(Array(2).fill(`localhost/infoblox-cni-daemon:${version}`));
  });

  test('asks the API server for nothing: no RBAC, no service account, no token', () => {
    const kinds = new Set(manifests.map(({ kind }) => kind));
    expect(
      [...kinds].filter(
        (kind) => !['Namespace', 'ConfigMap', 'DaemonSet', 'NetworkAttachmentDefinition'].includes(kind),
      ),
    ).toEqual([]);
    expect(pod?.automountServiceAccountToken).toBe(false);
    expect([pod?.serviceAccountName, pod?.serviceAccount]).toEqual([undefined, undefined]);
  });

  test('gives its containers no privilege', () => {
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

  test('shows each container only the directories of the host that it needs', () => {
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

  test('sees the network namespaces of pods that are started later, by either name', () => {
    const mounts = containersOf(manifests)
      .at(-1)
      ?.volumeMounts?.filter((mount) => mount.name === 'namespaces');
    expect(mounts?.map(({ mountPath, mountPropagation }) => [mountPath, mountPropagation])).toEqual([
      ['/run/netns', 'HostToContainer'],
      ['/var/run/netns', 'HostToContainer'],
    ]);
  });

  test('runs on every node that it is for, first of all and on the network of the node', () => {
    expect(pod?.tolerations).toEqual([{ operator: 'Exists' }]);
    expect(pod?.priorityClassName).toBe('system-node-critical');
    expect(pod?.hostNetwork).toBe(true);
    // The cluster's DNS may wait for an address from here.
    expect(pod?.dnsPolicy).toBe(name === 'overlays/node-pool' ? 'Default' : 'ClusterFirstWithHostNet');
  });

  test('is admitted by a namespace that says what it is', () => {
    const { metadata } = find<Namespace>(manifests, 'Namespace');
    expect(metadata?.labels?.['pod-security.kubernetes.io/enforce']).toBe('privileged');
    for (const {
      kind,
      metadata: { namespace },
    } of manifests.filter(({ kind }) => ['ConfigMap', 'DaemonSet'].includes(kind)))
      expect(namespace, kind).toBe(metadata?.name);
  });

  test('replaces one daemon after another, never two on a node, and lets calls end', () => {
    expect(find<DaemonSet>(manifests, 'DaemonSet').spec?.updateStrategy?.rollingUpdate?.maxSurge).toBe(0);
    expect((pod?.terminationGracePeriodSeconds ?? 0) * 1000).toBeGreaterThan(callTimeoutsMs.ADD);
  });

  test('restarts a daemon that is stuck, and none because the grid is away', () => {
    const daemon = containersOf(manifests).at(-1);
    const asks = (kind: string) => ({ exec: { command: [...(daemon?.command ?? []), 'status', `--probe=${kind}`] } });
    expect(daemon?.startupProbe).toMatchObject(asks('live'));
    expect(daemon?.livenessProbe).toMatchObject(asks('live'));
    expect(daemon?.readinessProbe).toMatchObject(asks('ready'));
  });

  test('is probed over the socket, which root alone reaches: no port is open that others could keep busy', () => {
    expect(optionsOf(manifests).metricsListen).toBeUndefined();
  });

  test('hands the daemon flags that it takes, secrets from the Secret, the password by file, and the name of the node', () => {
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

  test('names networks that the driver takes', () => {
    // The interface is one of the nodes'.
    const ofThisHost = (remark: string) => /\bmaster eth1\b/.test(remark);
    for (const text of networksOf(manifests)) {
      expect(checkText(text, optionsOf(manifests)).filter((remark) => !ofThisHost(remark))).toEqual([]);
    }
    expect(networksOf(manifests)).toHaveLength(name === 'base' ? 0 : 1);
  });

  test('puts the network configuration in place with the last word of the init container', () => {
    const args = containersOf(manifests)[0]?.args ?? [];
    expect(args[0]).toBe('install-plugin');
    expect(args.filter((arg) => !arg.startsWith('-')).slice(1)).toEqual(
      name === 'overlays/node-pool' ? ['/etc/infoblox-cni-networks/10-pods.conflist'] : [],
    );
  });
});

describe.skipIf(leftOut)('an overlay of an operator', () => {
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

  test('names the image once for both containers', () => {
    const images = containersOf(buildOver('base', own, { 'daemon.env': env })).map(({ image }) => image);
    expect(images).toEqual(Array(2).fill(`registry.example.com/network/infoblox-cni-daemon:${version}`));
  });

  test('has changed flags rolled out, since the pods name them by their content', () => {
    const [one, other] = [env, env.replace('cni', 'other')].map((text) =>
      buildOver('base', own, { 'daemon.env': text }),
    );
    const settings = (manifests: readonly Manifest[] = []) =>
      podOf(manifests).volumes?.[0]?.projected?.sources?.[0]?.configMap?.name;
    expect(settings(one)).toBe(find<Manifest>(one ?? [], 'ConfigMap').metadata.name);
    expect(settings(other)).not.toBe(settings(one));
  });
});

test.skipIf(leftOut)('a mistake in a manifest is noticed', () => {
  const manifests = build(join(kubernetes, 'base'));
  const daemonSet = find<DaemonSet>(manifests, 'DaemonSet');
  const wrong = (change: object) =>
    complaints([{ ...daemonSet, spec: { ...daemonSet.spec, ...change } } as unknown as Manifest]);
  expect(wrong({ template: { spec: { ...podOf(manifests), hostNetwrok: true } } })).toContain('hostNetwrok');
  expect(wrong({ template: { spec: { ...podOf(manifests), hostNetwork: 'yes' } } })).toContain('hostNetwork');
  expect(wrong({ template: undefined })).toContain('template');
});

/** The options of the daemon in a pod on a node called NODE. */
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
  // The interfaces are those of a node.
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
