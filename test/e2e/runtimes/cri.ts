/**
 * The little of the Container Runtime Interface that a kubelet needs for a pod's sandbox: gRPC over a unix socket. Written by hand,
 * as Debian has no crictl. Numbers of fields are those of api.proto (kubernetes/cri-api, runtime/v1).
 */
import { connect } from 'node:http2';
import { connect as connectSocket } from 'node:net';

/** A message by the numbers of its fields. */
interface Message {
  readonly [field: number]: string | Message;
}

/** A pod as the kubelet describes it. */
export interface Pod {
  readonly name: string;
  readonly namespace: string;
  readonly uid: string;
}

export class Cri {
  readonly #socket: string;
  readonly #cgroup: string;

  /** @param cgroup the parent of its pods' control groups */
  constructor(socket: string, cgroup: string) {
    this.#socket = socket;
    this.#cgroup = cgroup;
  }

  /** @returns the sandbox's ID */
  async runPodSandbox({ name, namespace, uid }: Pod): Promise<string> {
    const metadata = { 1: name, 2: uid, 3: namespace };
    const answer = await this.#call('RunPodSandbox', { 1: { 1: metadata, 8: { 1: this.#cgroup } } });
    return textOf(answer, [1]);
  }

  /** The pod's address, as the runtime tells the kubelet. */
  async podAddress(id: string): Promise<string> {
    return textOf(await this.#call('PodSandboxStatus', { 1: id }), [1, 5, 1]);
  }

  async stopPodSandbox(id: string): Promise<void> {
    await this.#call('StopPodSandbox', { 1: id });
  }

  async removePodSandbox(id: string): Promise<void> {
    await this.#call('RemovePodSandbox', { 1: id });
  }

  /** @throws Error as the runtime answered */
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

/** gRPC's frame of a message: not compressed, its length in bytes. */
const prefixLength = 5;

function framed(message: Buffer): Buffer {
  const prefix = Buffer.alloc(prefixLength);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

/** Wire type of protocol buffers for texts and messages. */
const lengthDelimited = 2;

function encode(message: Message): Buffer {
  const fields = Object.entries(message).map(([field, value]) => {
    const content = typeof value === 'string' ? Buffer.from(value) : encode(value);
    return Buffer.concat([varint((Number(field) << 3) | lengthDelimited), varint(content.length), content]);
  });
  return Buffer.concat(fields);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  for (let rest = value; ; rest >>>= 7) {
    if (rest < 0x80) return Buffer.from([...bytes, rest]);
    bytes.push((rest & 0x7f) | 0x80);
  }
}

/** The text at a path of fields; empty if it is not there. */
function textOf(message: Buffer, [field, ...below]: readonly number[]): string {
  if (field === undefined) return message.toString('utf8');
  for (const [number, content] of fieldsOf(message)) {
    if (number === field && content !== undefined) return textOf(content, below);
  }
  return '';
}

/** The fields of a message; undefined for the content of numbers. */
function* fieldsOf(message: Buffer): Generator<[number, Buffer | undefined]> {
  let at = 0;
  const next = () => {
    let value = 0;
    for (let factor = 1; ; factor *= 0x80) {
      const byte = message[at++] ?? 0;
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
    }
  };
  while (at < message.length) {
    const key = next();
    const field = Math.floor(key / 8);
    if (key % 8 !== lengthDelimited) {
      next();
      yield [field, undefined];
      continue;
    }
    const length = next();
    yield [field, message.subarray(at, at + length)];
    at += length;
  }
}
