/**
 * The protocol between plugin and daemon: newline-delimited JSON-RPC 2.0 on a unix socket, one request per connection.
 * The daemon accepts the request at once and answers it later; the plugin confirms that it has passed the answer on.
 * Loaded by the plugin process: no imports.
 */

/**
 * Characters of each part of a trace context: `traceparent` has 55, and at least 512 of `tracestate` have to be passed
 * on (W3C Trace Context, "tracestate Limits").
 */
export const maxTraceContextLength = 512;

/** Raised when a request or answer changes incompatibly. */
export const protocolVersion = 1;

export const defaultSocketDir = '/run/cni';
export const defaultStateDir = '/var/lib/infoblox-cni';

const mebibyte = 1024 * 1024;

/** Bytes of a network configuration on stdin. */
export const maxConfigBytes = mebibyte;
/** The same for GC: about 170,000 attachments, each of which libcni sends under two keys. */
export const maxGcConfigBytes = 16 * mebibyte;
/** Bytes of a frame: the configuration, escaped, and the environment. */
export const maxFrameBytes = 2 * maxConfigBytes + 64 * 1024;
/** The same for GC, whose list does not grow when it is escaped. */
export const maxGcFrameBytes = maxGcConfigBytes + 64 * 1024;

/**
 * Milliseconds after which the plugin gives up a call, whatever the daemon does. The limit of ADD exceeds the highest
 * --add-timeout.
 */
export const callTimeoutsMs = { ADD: 65_000, DEL: 4_500, CHECK: 15_000, GC: 60_000, STATUS: 5_000 };

/** Milliseconds for the daemon to accept a call. A working daemon accepts at once, however slow the grid is. */
export const acceptTimeoutMs = 3_000;
/** Milliseconds that the plugin waits beyond the daemon's announced maximum. */
export const answerGraceMs = 5_000;

/** The sender's part of every request. */
export interface Sender {
  readonly protocol: number;
  /** The plugin's release, for messages. */
  readonly release: string;
  /** Unique hexadecimal digits. */
  readonly callId: string;
  /** The caller's TRACEPARENT and TRACESTATE (W3C Trace Context), unchecked. */
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
  /** The keys of the network configuration that the daemon reads, values unchanged: see sent-config.ts. */
  readonly config: Readonly<Record<string, unknown>>;
}

interface RpcError {
  /** A CNI error code. */
  readonly code: number;
  readonly message: string;
  readonly data?: { readonly details?: string };
}

/**
 * Makes the ID of a call. V8 seeds Math.random from the system's entropy; loading node:crypto would slow down the
 * plugin's start.
 */
export function newCallId(): string {
  const half = () => Math.random().toString(16).slice(2);
  return half() + half();
}

/**
 * Reads the monotonic clock, in milliseconds, for time limits. The first use of the global `performance` would load
 * eleven more Node modules, a twentieth of the plugin's start.
 */
export function milliseconds(): number {
  return process.uptime() * 1000;
}

/** Where a daemon listens. */
export interface DaemonPlace {
  /** Absolute path. */
  readonly socketDir: string;
  readonly driverName: string;
}

/** Returns the path of the socket. */
export function socketFile(socketDir: string, driverName: string): string {
  return `${socketDir}/${driverName}.sock`;
}

/** Returns the directory in which plugins record unanswered calls. */
export function owedDir(socketDir: string, driverName: string): string {
  return `${socketDir}/${driverName}.owed`;
}

/**
 * Makes a request, ready to send.
 * @param params the call of a plugin, or the parameters of an operator's command
 */
export function requestFrame(method: string, params: Call | Sender): string {
  return `${requestStart(method)}${JSON.stringify(params)}}\n`;
}

/**
 * The start of every GC request. The daemon recognises a GC by it before the request is complete, since only a GC may
 * send a large one.
 */
export const gcRequestStart = requestStart('GC');

function requestStart(method: string): string {
  return `{"jsonrpc":"2.0","id":1,"method":${JSON.stringify(method)},"params":`;
}

/**
 * Makes the message that the daemon has accepted the request.
 * @param milliseconds the maximum time until the answer
 */
export function acceptedFrame(milliseconds: number): string {
  return `${JSON.stringify({ jsonrpc: '2.0', method: 'accepted', params: { milliseconds } })}\n`;
}

/** Makes an answer, ready to send. */
export function answerFrame(answer: { readonly result: unknown } | { readonly error: RpcError }): string {
  return `${JSON.stringify({ jsonrpc: '2.0', id: 1, ...answer })}\n`;
}

/** Confirms that the plugin has passed the answer to its caller. Without it the daemon releases the address. */
export const takenFrame = `${JSON.stringify({ jsonrpc: '2.0', method: 'taken' })}\n`;
