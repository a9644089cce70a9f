/**
 * What plugin and daemon say to each other: newline-delimited JSON-RPC 2.0 on a unix socket, one request a connection,
 * one answer, and one notification that the answer has been passed on.
 * Loaded by the plugin process: no imports.
 */

/** Raised when a request or answer changes in a way that the other side must know of. */
export const protocolVersion = 1;

export const defaultSocketDir = '/run/cni';

/** Bytes of a request, and of what the plugin takes on stdin. */
export const largestConfig = 1024 * 1024;
/** Bytes of a frame: the configuration, escaped, and the environment. */
export const largestFrame = 2 * largestConfig + 64 * 1024;

/**
 * Milliseconds after which the plugin ends a call by itself, whatever the daemon does. `connect` is part of each. The
 * longest that the daemon may be told to take for an ADD stays below its limit.
 */
export const limits = { connect: 900, ADD: 65_000, DEL: 4_500, CHECK: 15_000, GC: 60_000, STATUS: 5_000 };

/** A JSON-RPC request; its method is the CNI command. */
export interface Call {
  readonly protocol: number;
  /** Release of the plugin, for messages. */
  readonly release: string;
  readonly containerId: string;
  readonly ifName: string;
  readonly netns: string;
  /** CNI_ARGS as it came. */
  readonly args: string;
  /** The network configuration as it came. */
  readonly config: Readonly<Record<string, unknown>>;
}

export interface RpcError {
  /** A CNI error code. */
  readonly code: number;
  readonly message: string;
  readonly data?: { readonly details?: string };
}

export function socketFile(socketDir: string, driverName: string): string {
  return `${socketDir}/${driverName}.sock`;
}

/** Where plugins leave the releases that no daemon took. */
export function owedDir(socketDir: string, driverName: string): string {
  return `${socketDir}/${driverName}.owed`;
}

/** One request, ready to send. */
export function requestFrame(method: string, params: Call): string {
  return `${JSON.stringify({ jsonrpc: '2.0', id: 1, method, params })}\n`;
}

/** One answer, ready to send. */
export function answerFrame(answer: { readonly result: unknown } | { readonly error: RpcError }): string {
  return `${JSON.stringify({ jsonrpc: '2.0', id: 1, ...answer })}\n`;
}

/** The plugin has passed the answer on to its caller. Without it an address that was given goes back. */
export const takenFrame = `${JSON.stringify({ jsonrpc: '2.0', method: 'taken' })}\n`;
