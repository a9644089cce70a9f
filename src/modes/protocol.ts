/**
 * What plugin and daemon say to each other: newline-delimited JSON-RPC 2.0 on a unix socket. One request a connection; the
 * daemon accepts it at once and answers it later; the plugin confirms that it has passed the answer on.
 * Loaded by the plugin process: no imports.
 */

/**
 * Characters of each part of a trace context: `traceparent` has 55, and of `tracestate` at least 512 are to be passed on (W3C Trace
 * Context, "tracestate Limits").
 */
export const maxTraceContextLength = 512;

/** Raised when a request or answer changes in a way that the other side must know of. */
export const protocolVersion = 1;

export const defaultSocketDir = '/run/cni';
export const defaultStateDir = '/var/lib/infoblox-cni';

const mebibyte = 1024 * 1024;

/** Bytes of a network configuration on stdin. */
export const maxConfigBytes = mebibyte;
/** The same for GC: about 170,000 attachments, since libcni names each of them under two keys. */
export const maxGcConfigBytes = 16 * mebibyte;
/** Bytes of a frame: the configuration, escaped, and the environment. */
export const maxFrameBytes = 2 * maxConfigBytes + 64 * 1024;
/** The same for GC, whose list holds nothing that grows when it is written anew. */
export const maxGcFrameBytes = maxGcConfigBytes + 64 * 1024;

/**
 * Milliseconds after which the plugin ends a call by itself, whatever the daemon does. The highest --add-timeout stays below
 * the limit of ADD.
 */
export const callTimeoutsMs = { ADD: 65_000, DEL: 4_500, CHECK: 15_000, GC: 60_000, STATUS: 5_000 };

/** Milliseconds for a daemon to accept a call: one that works does so at once, however slow the grid is. */
export const acceptTimeoutMs = 3_000;
/** Milliseconds that a plugin waits for the answer beyond the time that the daemon has said it will take at most. */
export const answerGraceMs = 5_000;

/** What every request says of who sends it. */
export interface Sender {
  readonly protocol: number;
  /** Release of the plugin, for messages. */
  readonly release: string;
  /** Hexadecimal digits that no other call has. */
  readonly callId: string;
  /** The caller's place in a trace, as its TRACEPARENT and TRACESTATE have it (W3C Trace Context). Whoever reads it checks it. */
  readonly traceparent?: string | undefined;
  readonly tracestate?: string | undefined;
}

/** The parameters of a plugin's request; its method is the CNI command. */
export interface Call extends Sender {
  readonly containerId: string;
  readonly ifName: string;
  readonly netns: string;
  /** CNI_ARGS as it came. */
  readonly args: string;
  /** What the daemon reads of the network configuration, values as they came: sent-config.ts picks it. */
  readonly config: Readonly<Record<string, unknown>>;
}

interface RpcError {
  /** A CNI error code. */
  readonly code: number;
  readonly message: string;
  readonly data?: { readonly details?: string };
}

/** Makes the ID of a call. V8 seeds this from the system's entropy; loading node:crypto would cost a start of the plugin more. */
export function newCallId(): string {
  const half = () => Math.random().toString(16).slice(2);
  return half() + half();
}

/** Returns the path of the socket. */
export function socketFile(socketDir: string, driverName: string): string {
  return `${socketDir}/${driverName}.sock`;
}

/** Returns the directory in which plugins record the calls that no daemon answered. */
export function owedDir(socketDir: string, driverName: string): string {
  return `${socketDir}/${driverName}.owed`;
}

/** Makes a request, ready to send. @param params the call of a plugin, or what an operator's command asks */
export function requestFrame(method: string, params: Call | (Sender & Record<string, unknown>)): string {
  return `${requestStart(method)}${JSON.stringify(params)}}\n`;
}

/** How every request of a GC begins: known before it is whole, so that only a GC may send a large one. */
export const gcRequestStart = requestStart('GC');

function requestStart(method: string): string {
  return `{"jsonrpc":"2.0","id":1,"method":${JSON.stringify(method)},"params":`;
}

/**
 * Makes the message that the daemon has read the request and works on it.
 * @param milliseconds that it will take at most
 */
export function acceptedFrame(milliseconds: number): string {
  return `${JSON.stringify({ jsonrpc: '2.0', method: 'accepted', params: { milliseconds } })}\n`;
}

/** Makes an answer, ready to send. */
export function answerFrame(answer: { readonly result: unknown } | { readonly error: RpcError }): string {
  return `${JSON.stringify({ jsonrpc: '2.0', id: 1, ...answer })}\n`;
}

/** The plugin has passed the answer on to its caller. Without it the daemon releases the address. */
export const takenFrame = `${JSON.stringify({ jsonrpc: '2.0', method: 'taken' })}\n`;
