/**
 * The parts of a kubelet that the DaemonSet's pod needs. It lays out the volumes like the kubelet, and starts the containers
 * one after another as the manifest says. It refuses unknown fields, so that no part of a manifest is ignored.
 */
import { randomUUID } from 'node:crypto';
import { chmodSync, copyFileSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Container, PodSpec, Volume, VolumeMount, VolumeProjection } from 'kubernetes-types/core/v1.js';
import { until } from '../../fixture/host.ts';
import type { Cri, Executed, Pod } from './cri.ts';
import { podLogs } from './cri.ts';
import type { IsolatedHost } from './isolated-host.ts';
import type { Message } from './protocol-buffers.ts';

/** Contents of ConfigMaps and Secrets by the names of object and file. */
export type Files = Readonly<Record<string, Readonly<Record<string, string>>>>;

/** NamespaceMode: of the node, of a container. */
const [ofNode, ofContainer] = [2, 1];
/** MountPropagation. */
const propagations: Readonly<Record<string, number>> = { None: 0, HostToContainer: 1 };
/** SecurityProfile with the default of the runtime. */
const runtimeDefault = {};
const mebibyte = 2 ** 20;

export class Kubelet {
  readonly #cri: Cri;
  readonly #host: IsolatedHost;
  readonly #node: string;

  constructor(cri: Cri, host: IsolatedHost, node: string) {
    this.#cri = cri;
    this.#host = host;
    this.#node = node;
  }

  /**
   * Starts a pod on the node's network: its volumes, its init containers one after another, and then its container.
   * @throws Error with the output of an init container that fails
   */
  async start(spec: PodSpec, files: Files): Promise<RunningPod> {
    refuseUnknown('the pod', spec, podFields);
    const pod: Pod = { name: `infoblox-cni-${randomUUID().slice(0, 5)}`, namespace: 'infoblox-cni', uid: randomUUID() };
    for (const directory of [podLogs(pod.uid), podFiles(pod)])
      mkdirSync(this.#host.path(directory), { recursive: true });
    // A pod on the node's network has the same resolv.conf and hosts as the node.
    copyFileSync(this.#host.path('/etc/hosts'), this.#host.path(hostsOf(pod)));
    const volumes = new Map(spec.volumes?.map((volume) => [volume.name, this.#makeVolume(pod, volume, files)]));
    const security = { 1: { 1: ofNode, 2: ofContainer }, 9: runtimeDefault };
    const sandbox = { id: await this.#cri.runPodSandbox(pod, security), pod, security };
    for (const container of spec.initContainers ?? []) {
      const id = await this.#cri.startContainer(sandbox, this.#configOf({ pod, spec, volumes, files }, container));
      await until(`${container.name} ends`, async () => (await this.#cri.exitCodeOf(id)) !== undefined, 60_000);
      const log = readFileSync(this.#host.path(logOf(pod, container)), 'utf8');
      if ((await this.#cri.exitCodeOf(id)) !== 0) throw new Error(`${container.name}: ${log}`);
    }
    const [container] = spec.containers;
    if (container === undefined || spec.containers.length > 1) throw new Error('not one container');
    const id = await this.#cri.startContainer(sandbox, this.#configOf({ pod, spec, volumes, files }, container));
    return new RunningPod({ cri: this.#cri, host: this.#host, sandbox: sandbox.id, container: id, pod, spec });
  }

  /** @returns its path on the host */
  #makeVolume(pod: Pod, { name, ...source }: Volume, files: Files): string {
    const { hostPath, configMap, projected, ...others } = source;
    refuseUnknown(`volume ${name}`, others, []);
    if (hostPath !== undefined) {
      if (hostPath.type !== 'DirectoryOrCreate') throw new Error(`volume ${name} is a ${hostPath.type}`);
      mkdirSync(this.#host.path(hostPath.path), { recursive: true, mode: 0o755 });
      return hostPath.path;
    }
    const sources: readonly VolumeProjection[] = projected?.sources ?? [configMap === undefined ? {} : { configMap }];
    const objects = sources.map((one) => one.configMap?.name ?? one.secret?.name ?? '');
    const mode = projected?.defaultMode ?? configMap?.defaultMode ?? 0o644;
    const path = `${podFiles(pod)}/volumes/${name}`;
    layOut(this.#host.path(path), Object.assign({}, ...objects.map((object) => contentOf(files, object))), mode);
    return path;
  }

  /** Makes a ContainerConfig. */
  #configOf({ pod, spec, volumes, files }: PodParts, container: Container): Message {
    refuseUnknown(container.name, container, containerFields);
    const { name, image = '', command = [], args = [], volumeMounts = [] } = container;
    const env = (container.env ?? []).flatMap(({ name, value, valueFrom: { fieldRef, secretKeyRef: of } = {} }) => {
      if (value !== undefined) return [{ name, value }];
      if (fieldRef?.fieldPath === 'spec.nodeName') return [{ name, value: this.#node }];
      const secret = of && contentOf(files, of.name ?? '')[of.key];
      if (secret === undefined && of?.optional !== true) throw new Error(`${name} is from elsewhere`);
      return secret === undefined ? [] : [{ name, value: secret }];
    });
    const expand = (text: string) => env.reduce((all, { name, value }) => all.replaceAll(`$(${name})`, value), text);
    const mounts = volumeMounts.map((mount) => mountOf(mount, volumes.get(mount.name)));
    return {
      ...{ 1: { 1: name }, 2: { 1: image }, 3: command.map(expand), 4: args.map(expand) },
      6: env.map(({ name, value }) => ({ 1: name, 2: value })),
      7: [...mounts, { 1: '/etc/hosts', 2: hostsOf(pod) }],
      11: `${name}.log`,
      15: { 1: { 4: bytesOf(container.resources?.limits?.memory) }, 2: securityOf(spec, container) },
    };
  }
}

/** The inputs for a container beside its manifest. */
interface PodParts {
  readonly pod: Pod;
  readonly spec: PodSpec;
  readonly volumes: ReadonlyMap<string, string>;
  readonly files: Files;
}

interface Parts {
  readonly cri: Cri;
  readonly host: IsolatedHost;
  readonly sandbox: string;
  readonly container: string;
  readonly pod: Pod;
  readonly spec: PodSpec;
}

/** A pod of one container. */
export class RunningPod {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Returns the ID of its container. */
  get id(): string {
    return this.#parts.container;
  }

  /** Returns the output of one of its containers. */
  log(name: string): string {
    const { host, pod } = this.#parts;
    return readFileSync(host.path(logOf(pod, { name })), 'utf8');
  }

  /** Runs a command in its container, like `kubectl exec`. */
  exec(...command: string[]): Promise<Executed> {
    return this.#parts.cri.exec(this.#parts.container, command);
  }

  /** Runs the command of a probe in its container. */
  probe(kind: 'livenessProbe' | 'readinessProbe' | 'startupProbe'): Promise<Executed> {
    const command = this.#parts.spec.containers[0]?.[kind]?.exec?.command;
    if (command === undefined) throw new Error(`the ${kind} runs no command`);
    return this.exec(...command);
  }

  /** Ends it like a rollout, and waits for the end. */
  async end(): Promise<void> {
    const { cri, sandbox, container, spec } = this.#parts;
    await cri.stopContainer(container, spec.terminationGracePeriodSeconds ?? 0);
    await cri.stopPodSandbox(sandbox);
    await cri.removePodSandbox(sandbox);
  }
}

/** The fields of a pod that are imitated, or irrelevant on a single node. */
const podFields = [
  ...['containers', 'initContainers', 'volumes', 'hostNetwork', 'securityContext', 'terminationGracePeriodSeconds'],
  ...['automountServiceAccountToken', 'dnsPolicy', 'enableServiceLinks', 'nodeSelector', 'priorityClassName'],
  'tolerations',
];
const containerFields = [
  ...['name', 'image', 'imagePullPolicy', 'command', 'args', 'env', 'resources', 'securityContext', 'volumeMounts'],
  ...['livenessProbe', 'readinessProbe', 'startupProbe', 'terminationMessagePolicy'],
];

function refuseUnknown(what: string, fields: object, known: readonly string[]): void {
  const unknown = Object.keys(fields).filter((field) => !known.includes(field));
  if (unknown.length > 0) throw new Error(`${what} has ${unknown.join(', ')}, which this kubelet does not know`);
}

function contentOf(files: Files, object: string): Readonly<Record<string, string>> {
  const content = files[object];
  if (content === undefined) throw new Error(`there is no ${object}`);
  return content;
}

/** Writes files like the kubelet: into a new directory, to which it moves a link when they change. */
function layOut(directory: string, files: Readonly<Record<string, string>>, mode: number): void {
  const payload = '..2026_01_07_08_02_27.0000000001';
  mkdirSync(join(directory, payload), { recursive: true });
  chmodSync(directory, 0o1777);
  symlinkSync(payload, join(directory, '..data'));
  for (const [name, text] of Object.entries(files)) {
    writeFileSync(join(directory, payload, name), text, { mode });
    symlinkSync(`..data/${name}`, join(directory, name));
  }
}

/** Makes a Mount. */
function mountOf({ mountPath, readOnly = false, mountPropagation = 'None', ...rest }: VolumeMount, path = ''): Message {
  refuseUnknown(mountPath, rest, ['name']);
  const propagation = propagations[mountPropagation];
  if (propagation === undefined) throw new Error(`no propagation ${mountPropagation}`);
  return { 1: mountPath, 2: path, 3: readOnly, 5: propagation };
}

/** Makes a LinuxContainerSecurityContext. */
function securityOf(
  { hostNetwork, securityContext: ofPod = {} }: PodSpec,
  { name, securityContext }: Container,
): Message {
  const { runAsUser = 0, runAsGroup = 0, seccompProfile, ...more } = ofPod;
  refuseUnknown('the security context of the pod', more, []);
  const {
    privileged = false,
    readOnlyRootFilesystem = false,
    allowPrivilegeEscalation,
    capabilities,
    ...rest
  } = securityContext ?? {};
  refuseUnknown(`the security context of ${name}`, rest, []);
  if (!hostNetwork || seccompProfile?.type !== 'RuntimeDefault') throw new Error('not the security of the DaemonSet');
  return {
    ...{ 1: { 1: capabilities?.add ?? [], 2: capabilities?.drop ?? [] }, 2: privileged },
    ...{ 3: { 1: ofNode, 2: ofContainer }, 5: { 1: runAsUser }, 12: { 1: runAsGroup } },
    ...{ 7: readOnlyRootFilesystem, 11: allowPrivilegeEscalation === false, 15: runtimeDefault },
  };
}

function bytesOf(quantity: string | number = ''): number {
  const [, mebibytes] = /^(\d+)Mi$/.exec(String(quantity)) ?? [];
  if (mebibytes === undefined) throw new Error(`not a quantity of memory: ${quantity}`);
  return Number(mebibytes) * mebibyte;
}

function podFiles({ uid }: Pod): string {
  return `/var/lib/kubelet/pods/${uid}`;
}

/** Writes the pod's own /etc/hosts. */
function hostsOf(pod: Pod): string {
  return `${podFiles(pod)}/etc-hosts`;
}

function logOf({ uid }: Pod, { name }: { readonly name: string }): string {
  return `${podLogs(uid)}/${name}.log`;
}
