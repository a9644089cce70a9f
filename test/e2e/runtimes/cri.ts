/**
 * The calls of the Container Runtime Interface that a kubelet needs for pods: gRPC over a unix socket, written by hand, as
 * Debian has no crictl. Field numbers are those of api.proto (kubernetes/cri-api, runtime/v1).
 */
import { connect } from 'node:http2';
import { connect as connectSocket } from 'node:net';
import { encode, type Message, messagesOf, numberOf, textOf } from './protocol-buffers.ts';

/** A pod in the description of the kubelet. */
export interface Pod {
  readonly name: string;
  readonly namespace: string;
  readonly uid: string;
}

export interface Executed {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

export class Cri {
  readonly #socket: string;
  readonly #cgroup: string;

  /** @param cgroup the parent of its pods' control groups */
  constructor(socket: string, cgroup: string) {
    this.#socket = socket;
    this.#cgroup = cgroup;
  }

  /** Tells whether pods with a network of their own can start, on which the kubelet's condition Ready depends. */
  async isNetworkReady(): Promise<boolean> {
    const conditions = messagesOf(await this.#call('Status', {}), [1, 1]);
    return conditions.some((one) => textOf(one, [1]) === 'NetworkReady' && numberOf(one, [2]) === 1);
  }

  /**
   * Starts a pod's sandbox.
   * @param security LinuxSandboxSecurityContext
   * @returns its ID
   */
  async runPodSandbox(pod: Pod, security: Message = {}): Promise<string> {
    return textOf(await this.#call('RunPodSandbox', { 1: this.#sandboxConfig(pod, security) }), [1]);
  }

  /** Returns the pod's address that the runtime reports to the kubelet. */
  async podAddress(id: string): Promise<string> {
    return textOf(await this.#call('PodSandboxStatus', { 1: id }), [1, 5, 1]);
  }

  async stopPodSandbox(id: string): Promise<void> {
    await this.#call('StopPodSandbox', { 1: id });
  }

  async removePodSandbox(id: string): Promise<void> {
    await this.#call('RemovePodSandbox', { 1: id });
  }

  /**
   * Creates a container of a pod and starts it.
   * @param sandbox with the security that it was started with
   * @param config ContainerConfig
   * @returns its ID
   */
  async startContainer(sandbox: { id: string; pod: Pod; security: Message }, config: Message): Promise<string> {
    const { id, pod, security } = sandbox;
    const request = { 1: id, 2: config, 3: this.#sandboxConfig(pod, security) };
    const container = textOf(await this.#call('CreateContainer', request), [1]);
    await this.#call('StartContainer', { 1: container });
    return container;
  }

  /** @returns the exit code; undefined while it runs */
  async exitCodeOf(container: string): Promise<number | undefined> {
    const status = await this.#call('ContainerStatus', { 1: container });
    return numberOf(status, [1, 3]) === exited ? numberOf(status, [1, 7]) : undefined;
  }

  /** Runs a program in a container, like `kubectl exec`. */
  async exec(container: string, command: readonly string[]): Promise<Executed> {
    const answer = await this.#call('ExecSync', { 1: container, 2: command });
    return { stdout: textOf(answer, [1]), stderr: textOf(answer, [2]), exitCode: numberOf(answer, [3]) };
  }

  /** @param patience seconds until it is killed */
  async stopContainer(container: string, patience: number): Promise<void> {
    await this.#call('StopContainer', { 1: container, 2: patience });
  }

  #sandboxConfig({ name, namespace, uid }: Pod, security: Message): Message {
    const linux = { 1: this.#cgroup, 2: security };
    return { 1: { 1: name, 2: uid, 3: namespace }, 3: podLogs(uid), 8: linux };
  }

  /** @throws Error with the answer of the runtime */
  #call(method: string, request: Message): Promise<Buffer> {
    const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
    const session = connect('http://localhost', { createConnection: () => connectSocket(this.#socket) });
    session.once('error', reject);
    const path = `/runtime.v1.RuntimeService/${method}`;
    const call = session.request({
      ':method': 'POST',
      ':path': path,
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    const chunks: Buffer[] = [];
    let status: Record<string, unknown> = {};
    for (const event of ['response', 'trailers'] as const) {
      call.on(event, (headers: object) => {
        status = { ...status, ...headers };
      });
    }
    call.on('data', (chunk: Buffer) => chunks.push(chunk));
    call.once('error', reject);
    call.once('end', () => {
      session.close();
      if (status['grpc-status'] === '0') resolve(Buffer.concat(chunks).subarray(prefixLength));
      else reject(new Error(`${method}: ${decodeURIComponent(String(status['grpc-message']))}`));
    });
    call.end(framed(encode(request)));
    return promise;
  }
}

/** ContainerState of an ended container. */
const exited = 2;

/** Directory of a pod's logs, on its host. */
export function podLogs(uid: string): string {
  return `/run/pod-logs/${uid}`;
}

/** Makes the gRPC frame of a message: uncompressed, with its length in bytes. */
const prefixLength = 5;

function framed(message: Buffer): Buffer {
  const prefix = Buffer.alloc(prefixLength);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}
