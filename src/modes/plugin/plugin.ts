/**
 * The plugin's role: environment and stdin in, the daemon asked, one JSON document or nothing out (SPEC section 2).
 * Loaded for every container operation, so it loads sockets and hashes only where it needs them.
 */
import { statSync } from 'node:fs';
import { peekVersion, readNetworkConfig } from '../../cni/call.ts';
import { type CallEnvironment, type Command, readEnvironment } from '../../cni/environment.ts';
import { CniCode, CniError, formatError } from '../../cni/errors.ts';
import { answerVersion, requireVersion, versionAnswer } from '../../cni/versions.ts';
import { errnoOf, messageOf } from '../../errno.ts';
import { distrust } from '../../files/trusted-path.ts';
import { version } from '../about.ts';
import {
  type Call,
  callTimeoutsMs,
  maxConfigBytes,
  maxGcConfigBytes,
  maxTraceContextLength,
  newCallId,
  protocolVersion,
  type Sender,
  socketFile,
} from '../protocol.ts';
import { type DaemonPlace, daemonPlace, sentConfig } from '../sent-config.ts';
import { printable } from '../terminal-text.ts';
import { complain, mustBeRoot, NoOutput, print, readStdin, rootHint } from './process.ts';

/** Milliseconds for stdin: callers write it before or while they start us. */
const stdinTimeoutMs = 5_000;
const versionStdinTimeoutMs = 1_000;

/**
 * Serves one call.
 * @returns the exit status; what belongs on stdout has been written
 */
export async function runPlugin(env: NodeJS.ProcessEnv): Promise<number> {
  let stdin: Buffer = Buffer.alloc(0);
  try {
    // An error of the environment is reported first, whatever stdin holds.
    const environment = readEnvironment(env);
    const { command } = environment;
    if (command === 'VERSION') {
      stdin = await readStdin(versionStdinTimeoutMs, maxConfigBytes).catch(() => stdin);
      print(versionAnswer(peekVersion(stdin)));
      return 0;
    }
    stdin = await readStdin(stdinTimeoutMs, command === 'GC' ? maxGcConfigBytes : maxConfigBytes);
    await serve({ ...environment, command }, stdin, env);
    return 0;
  } catch (error) {
    return fail(error, stdin);
  }
}

/**
 * Refuses a call of a runtime that took the daemon for a plugin: with default flags it would serve as root, perhaps in the place of
 * the daemon that should.
 * @returns the exit status
 */
export function refuseToBeAPlugin(): number {
  const error = new CniError(
    CniCode.invalidConfig,
    'infoblox-cni-daemon is the host service, not a CNI plugin',
    'Set "type" in the network configuration to "infoblox", and remove infoblox-cni-daemon from the plugin directory. To start the service by hand, unset CNI_COMMAND.',
  );
  return fail(error, Buffer.alloc(0));
}

/** Texts of the grid end up in a runtime's log and on a terminal, which characters in them must not command. */
function fail(error: unknown, stdin: Buffer): number {
  try {
    if (error instanceof NoOutput) throw error;
    const { code, message, details = '' } = asCniError(error);
    const shown = new CniError(code, printable(message), printable(details));
    print(formatError(shown, answerVersion(peekVersion(stdin))));
  } catch (failure) {
    const what = error instanceof NoOutput ? 'the daemon releases what it has allocated' : asCniError(error).message;
    complain(`${messageOf(failure)}: ${what}`);
  }
  return 1;
}

type ServedEnvironment = CallEnvironment & { readonly command: Exclude<Command, 'VERSION'> };

async function serve(environment: ServedEnvironment, stdin: Buffer, env: NodeJS.ProcessEnv): Promise<void> {
  const { command, containerId, ifName, netns, args } = environment;
  const { config, cniVersion: written } = readNetworkConfig(stdin);
  const cniVersion = requireVersion(written, command);
  refuseOwnNamespace(environment, env);
  const place = daemonPlace(config);
  const file = socketFile(place.socketDir, place.driverName);
  refuseForeignSocket(file);
  const call = {
    protocol: protocolVersion,
    release: version,
    callId: newCallId(),
    ...traceContext(env),
    containerId,
    ifName,
    netns,
    args,
    config: sentConfig(command, config),
  };
  const { callDaemon, incompatible, NoAnswer } = await import('./daemon-client.ts');
  const { isAddResult } = await import('../../cni/result-check.ts');
  try {
    await callDaemon({ file, method: command, call, limit: callTimeoutsMs[command] }, (result) => {
      if (command === 'ADD' ? !isAddResult(result, cniVersion) : result !== null) throw incompatible(file);
      if (command === 'ADD') print(result);
    });
  } catch (error) {
    const failure = asCniError(error);
    if (command === 'DEL' && isOurs(failure)) return recordRelease(place, call, failure);
    const hasAnswer = error instanceof NoAnswer ? !error.asked : error instanceof CniError;
    if (command === 'ADD' && !hasAnswer) await recordUnanswered(place, call);
    if (command === 'STATUS' && error instanceof NoAnswer) {
      throw new CniError(CniCode.notAvailable, error.message, error.details);
    }
    throw error;
  }
}

/**
 * Refuses an ADD for the plugin's own namespace, which would configure the host (SPEC section 5 "Error", code 8). The
 * reference refuses a DEL, too, but one for `/proc/PID/ns/net` finds the host's namespace there once the PID is another process:
 * it has an address to release like any other.
 * @throws CniError 8, unless CNI_NETNS_OVERRIDE is set
 */
function refuseOwnNamespace({ command, netns }: CallEnvironment, env: NodeJS.ProcessEnv): void {
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

/**
 * Refuses a socket that users other than root could have put there. A missing socket is reported by connect().
 * @throws CniError 7, which DEL tells its caller as well: no note goes into such a directory either
 */
function refuseForeignSocket(file: string): void {
  const untrusted = distrust(file);
  if (untrusted === undefined) return;
  throw new CniError(
    CniCode.invalidConfig,
    `cannot trust what answers at ${file}: ${untrusted.message}`,
    `Run ${untrusted.hint}, or use another "socket-dir" in the network configuration and the same --socket-dir of the daemon.`,
  );
}

/**
 * Takes the caller's place in a trace out of the environment (OpenTelemetry specification, "Environment Variables as Context
 * Propagation Carriers"). It is passed on unread: the daemon ignores what is none. What is longer than any is left out, so that it cannot
 * make the request too long.
 */
export function traceContext({
  TRACEPARENT,
  TRACESTATE,
}: NodeJS.ProcessEnv): Pick<Sender, 'traceparent' | 'tracestate'> {
  return { traceparent: bounded(TRACEPARENT), tracestate: bounded(TRACESTATE) };
}

function bounded(text: string | undefined): string | undefined {
  return text !== undefined && text.length <= maxTraceContextLength ? text : undefined;
}

/** True for a failure that the caller can do nothing about: a runtime that does not repeat its DEL must lose nothing. */
function isOurs({ code }: CniError): boolean {
  return code === CniCode.tryAgain || code === CniCode.io || code === CniCode.unexpected;
}

/** A DEL without a daemon succeeds, as its release is carried out later. */
async function recordRelease(place: DaemonPlace, call: Call, reason: CniError): Promise<void> {
  const { leaveNote } = await import('./leave-note.ts');
  try {
    leaveNote(place, 'DEL', call);
  } catch (error) {
    const what = `${reason.message}; and the release cannot be recorded for later: ${messageOf(error)}`;
    throw new CniError(CniCode.tryAgain, what, reason.details);
  }
  complain(`${reason.message}; release recorded; the daemon will retry it`);
}

/** The daemon may have reserved an address that nobody was told. A runtime need not say so: rkt forgets a failed ADD. */
async function recordUnanswered(place: DaemonPlace, call: Call): Promise<void> {
  const { leaveNote } = await import('./leave-note.ts');
  try {
    leaveNote(place, 'ADD', call);
  } catch (error) {
    complain(`cannot record that this ADD got no answer: ${messageOf(error)}`);
  }
}

function asCniError(error: unknown): CniError {
  if (error instanceof CniError) return error;
  const refusal = mustBeRoot(errnoOf(error));
  if (refusal !== undefined) return new CniError(CniCode.tryAgain, refusal, rootHint);
  return new CniError(CniCode.unexpected, `unexpected failure of the plugin: ${messageOf(error)}`);
}
