/**
 * The plugin's role: environment and stdin in, the daemon asked, one JSON document or nothing out (SPEC section 2).
 * Loaded for every container operation, so it loads sockets and hashes only where it needs them.
 */
import { existsSync, statSync, writeSync } from 'node:fs';
import { peekVersion, readNetworkConfig } from '../../cni/call.ts';
import { type CallEnvironment, type Command, readEnvironment } from '../../cni/environment.ts';
import { CniCode, CniError, formatError } from '../../cni/errors.ts';
import { answerVersion, requireVersion, versionAnswer } from '../../cni/versions.ts';
import { errnoOf, isErrno } from '../../infoblox/host/errno.ts';
import { version } from '../build-info.ts';
import {
  type Call,
  defaultSocketDir,
  largestConfig,
  largestGcConfig,
  limits,
  newCallId,
  protocolVersion,
  socketFile,
} from '../protocol.ts';
import { mustBeRoot, rootHint } from './permission.ts';
import { refuseForeignSocket } from './socket-trust.ts';
import { readStdin } from './stdin.ts';

/** Milliseconds for stdin: callers write it before or while they start us. */
const stdinLimit = 5_000;
const versionStdinLimit = 1_000;

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Serves one call.
 * @returns the exit status; what belongs on stdout has been written
 */
export async function runPlugin(env: Environment): Promise<number> {
  let stdin: Buffer = Buffer.alloc(0);
  try {
    // What is wrong with the environment is told first, whatever stdin holds.
    const environment = readEnvironment(env);
    const { command } = environment;
    if (command === 'VERSION') {
      stdin = await readStdin(versionStdinLimit, largestConfig).catch(() => stdin);
      print(versionAnswer(peekVersion(stdin)));
      return 0;
    }
    stdin = await readStdin(stdinLimit, command === 'GC' ? largestGcConfig : largestConfig);
    await serve(command, environment, stdin, env);
    return 0;
  } catch (error) {
    return fail(error, stdin);
  }
}

function fail(error: unknown, stdin: Buffer): number {
  try {
    if (error instanceof NoOutput) throw error;
    print(formatError(asCniError(error), answerVersion(peekVersion(stdin))));
  } catch (failure) {
    const text = failure instanceof Error ? failure.message : String(failure);
    const what = error instanceof NoOutput ? 'an address that was given goes back' : asCniError(error).message;
    complain(`${text}: ${what}`);
  }
  return 1;
}

async function serve(
  command: Exclude<Command, 'VERSION'>,
  environment: CallEnvironment,
  stdin: Buffer,
  env: Environment,
): Promise<void> {
  const { containerId, ifName, netns, args } = environment;
  const { name, config, cniVersion } = readNetworkConfig(stdin);
  requireVersion(cniVersion, command);
  refuseOwnNamespace(environment, env);
  const { socketDir, driverName } = readIpam(config);
  const file = socketFile(socketDir, driverName);
  refuseForeignSocket(file);
  const callId = newCallId();
  const call = { protocol: protocolVersion, release: version, callId, containerId, ifName, netns, args, config };
  const { callDaemon, NoAnswer } = await import('./daemon-client.ts');
  try {
    await callDaemon({ file, method: command, call, limit: limits[command] }, (result) => {
      if (result !== undefined && result !== null) print(result);
    });
  } catch (error) {
    const failure = asCniError(error);
    if (command === 'DEL' && isOurs(failure)) return leaveNote(socketDir, driverName, name, call, failure);
    const hasAnswer = error instanceof NoAnswer ? !error.asked : error instanceof CniError;
    if (command === 'ADD' && !hasAnswer) await leaveUnanswered(socketDir, driverName, call);
    if (command === 'STATUS' && error instanceof NoAnswer) {
      throw new CniError(CniCode.notAvailable, error.message, error.details);
    }
    throw error;
  }
}

/** True for a failure that the caller can do nothing about: a runtime that does not repeat its DEL must lose nothing. */
function isOurs({ code }: CniError): boolean {
  return code === CniCode.tryAgain || code === CniCode.io || code === CniCode.unexpected;
}

async function leaveNote(socketDir: string, driverName: string, network: string, call: Call, reason: CniError) {
  const { leaveReleaseNote } = await import('../release-note.ts');
  const isNew = !existsSync(socketDir);
  try {
    leaveReleaseNote(socketDir, driverName, network, call);
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    throw new CniError(
      CniCode.tryAgain,
      `${reason.message}; and the release cannot be noted for later: ${text}`,
      reason.details,
    );
  }
  const fate = isNew
    ? `release recorded, but ${socketDir} did not exist: no daemon reads it there unless that is its --socket-dir`
    : 'release recorded; the daemon will retry it';
  complain(`${reason.message}; ${fate}`);
}

/** The daemon may have reserved an address that nobody was told. A runtime need not say so: rkt forgets a failed ADD. */
async function leaveUnanswered(socketDir: string, driverName: string, call: Call & { callId: string }): Promise<void> {
  const { leaveUnansweredNote } = await import('../release-note.ts');
  try {
    leaveUnansweredNote(socketDir, driverName, call);
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    complain(`cannot record that this ADD got no answer: ${text}`);
  }
}

/** Where the daemon listens. All else under `ipam` is judged by the daemon. */
function readIpam(config: Readonly<Record<string, unknown>>): { socketDir: string; driverName: string } {
  const { ipam } = config;
  if (typeof ipam !== 'object' || ipam === null || Array.isArray(ipam)) {
    throw new CniError(
      CniCode.invalidConfig,
      'the network configuration has no "ipam" object',
      'Add "ipam": {"type": "infoblox", "subnet": "..."} to it.',
    );
  }
  const { type, 'socket-dir': socketDir = defaultSocketDir } = ipam as Record<string, unknown>;
  if (typeof type !== 'string' || type === '' || type.includes('/')) {
    throw new CniError(
      CniCode.invalidConfig,
      'ipam.type in the network configuration is not the name of this plugin',
      'Set it to the plugin\'s file name, "infoblox", which is also the daemon\'s --driver-name.',
    );
  }
  if (typeof socketDir !== 'string' || !socketDir.startsWith('/')) {
    throw new CniError(
      CniCode.invalidConfig,
      'ipam.socket-dir in the network configuration is not an absolute path',
      `Set it to the daemon's --socket-dir, ${defaultSocketDir} if that is not set.`,
    );
  }
  return { socketDir, driverName: type };
}

/**
 * An ADD for the caller's own namespace would plumb the host; the reference refuses it with code 8 unless told. It
 * refuses a DEL, too, but a DEL for `/proc/PID/ns/net` finds the host's namespace there once the PID is another process:
 * it has an address to release like any other.
 */
function refuseOwnNamespace({ command, netns }: CallEnvironment, env: Environment): void {
  if (command !== 'ADD' || /^(1|true)$/i.test(env.CNI_NETNS_OVERRIDE ?? '')) return;
  try {
    const [own, given] = [statSync('/proc/self/ns/net'), statSync(netns)];
    if (own.ino !== given.ino || own.dev !== given.dev) return;
  } catch {
    return;
  }
  throw new CniError(
    CniCode.ownNamespace,
    `CNI_NETNS ${netns} is the network namespace that the plugin runs in`,
    "Name the container's network namespace, or set CNI_NETNS_OVERRIDE=true if this is meant.",
  );
}

function asCniError(error: unknown): CniError {
  if (error instanceof CniError) return error;
  const refusal = mustBeRoot(errnoOf(error));
  if (refusal !== undefined) return new CniError(CniCode.tryAgain, refusal, rootHint);
  const text = error instanceof Error ? error.message : String(error);
  return new CniError(CniCode.unexpected, `unexpected failure of the plugin: ${text}`);
}

/** For people: runtimes log what comes on stderr. Nothing depends on it. */
function complain(text: string): void {
  try {
    writeSync(2, `${text}\n`);
  } catch {
    // Nobody listens.
  }
}

/** Nobody can be told anything on stdout. */
class NoOutput extends Error {}

/** Written in full before the process ends, also to a pipe whose reader is slow. */
function print(document: unknown): void {
  let rest = Buffer.from(`${JSON.stringify(document)}\n`);
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(1, rest));
    } catch (error) {
      if (!isErrno(error, 'EAGAIN')) throw new NoOutput(`cannot write to stdout (${errnoOf(error) ?? error})`);
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
    }
  }
}
