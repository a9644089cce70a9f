/**
 * The plugin's role (SPEC section 2): reads environment and stdin, asks the daemon, writes one JSON document or
 * nothing. Loaded for every container operation, so it loads sockets and hashes only where it needs them.
 */
import { statSync } from 'node:fs';
import { peekVersion, readNetworkConfig } from '../../cni/call.ts';
import { type CallEnvironment, type Command, readEnvironment } from '../../cni/environment.ts';
import { CniCode, CniError, formatError } from '../../cni/errors.ts';
import { answerVersion, requireVersion, versionAnswer } from '../../cni/versions.ts';
import { errnoOf, messageOf, mustBeRoot, rootHint } from '../../errno.ts';
import { distrust } from '../../files/trusted-path.ts';
import { version } from '../about.ts';
import {
  type Call,
  callTimeoutsMs,
  type DaemonPlace,
  maxConfigBytes,
  maxGcConfigBytes,
  maxTraceContextLength,
  newCallId,
  protocolVersion,
  type Sender,
  socketFile,
} from '../protocol.ts';
import { daemonPlace, sentConfig } from '../sent-config.ts';
import { printable } from '../terminal-text.ts';
import { complain, NoOutput, print, readStdin } from './process.ts';

/** Milliseconds to read stdin; callers write it before or while they start the plugin. */
const stdinTimeoutMs = 5_000;
const versionStdinTimeoutMs = 1_000;

/**
 * Serves one call, including its output on stdout.
 * @returns the exit status
 */
export async function runPlugin(env: NodeJS.ProcessEnv): Promise<number> {
  let stdin: Buffer = Buffer.alloc(0);
  try {
    // Errors of the environment are reported before those of stdin.
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
 * Refuses to start the daemon from a runtime that calls it as a plugin: with default flags it would run as root,
 * perhaps in place of the real daemon.
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

/** Prints an error, its texts escaped: texts of the grid end up in a runtime's log and on terminals. */
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
  const { callDaemon, incompatible, NoAnswer } = await import('../daemon-client.ts');
  const { isAddResult } = await import('../../cni/result-check.ts');
  try {
    await callDaemon({ file, method: command, call, limitMs: callTimeoutsMs[command] }, (result) => {
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
 * reference refuses DEL, too. This plugin does not: once the PID is another process, a DEL for `/proc/PID/ns/net` sees
 * the host's namespace there, and its address still has to be released.
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
 * Refuses a socket that users other than root could have created. A missing socket is reported by connect().
 * @throws CniError 7, for DEL too: a note in such a directory could not be trusted either
 */
function refuseForeignSocket(file: string): void {
  const untrusted = distrust(file);
  if (untrusted === undefined) return;
  throw new CniError(
    CniCode.invalidConfig,
    `cannot trust the socket ${file}: ${untrusted.message}`,
    `Run ${untrusted.hint}, or use another "socket-dir" in the network configuration and the same --socket-dir of the daemon.`,
  );
}

/**
 * Reads the trace context from the environment (OpenTelemetry specification, "Environment Variables as Context
 * Propagation Carriers"). The daemon ignores malformed values; over-long ones are dropped here, since they would make
 * the request too long.
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

/** Tells whether the failure is on this side of the call. Then a DEL must not depend on the runtime's retry. */
function isOurs({ code }: CniError): boolean {
  return code === CniCode.tryAgain || code === CniCode.io || code === CniCode.unexpected;
}

/** Records the release of a DEL that the daemon could not answer, and so lets it succeed. */
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

/**
 * Records an unanswered ADD: the daemon may have reserved an address. A runtime need not send DEL; rkt forgets a failed
 * ADD.
 */
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
