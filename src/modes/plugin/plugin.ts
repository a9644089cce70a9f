/**
 * The plugin's role: environment and stdin in, the daemon asked, one JSON document or nothing out (SPEC section 2).
 * Loaded for every container operation, so it loads sockets and hashes only where it needs them.
 */
import { existsSync } from 'node:fs';
import { peekVersion, readNetworkConfig } from '../../cni/call.ts';
import { type CallEnvironment, type Command, readEnvironment } from '../../cni/environment.ts';
import { CniCode, CniError, formatError } from '../../cni/errors.ts';
import { answerVersion, requireVersion, versionAnswer } from '../../cni/versions.ts';
import { errnoOf, messageOf } from '../../infoblox/host/errno.ts';
import { version } from '../build-info.ts';
import {
  type Call,
  largestConfig,
  largestGcConfig,
  limits,
  newCallId,
  protocolVersion,
  socketFile,
} from '../protocol.ts';
import { type DaemonPlace, daemonPlace, sentConfig } from '../sent-config.ts';
import { refuseForeignSocket } from './foreign-socket.ts';
import { complain, NoOutput, print } from './output.ts';
import { refuseOwnNamespace } from './own-namespace.ts';
import { mustBeRoot, rootHint } from './permission.ts';
import { readStdin } from './stdin.ts';
import { traceContext } from './trace-context.ts';

/** Milliseconds for stdin: callers write it before or while they start us. */
const stdinLimit = 5_000;
const versionStdinLimit = 1_000;

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
      stdin = await readStdin(versionStdinLimit, largestConfig).catch(() => stdin);
      print(versionAnswer(peekVersion(stdin)));
      return 0;
    }
    stdin = await readStdin(stdinLimit, command === 'GC' ? largestGcConfig : largestConfig);
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

function fail(error: unknown, stdin: Buffer): number {
  try {
    if (error instanceof NoOutput) throw error;
    print(formatError(asCniError(error), answerVersion(peekVersion(stdin))));
  } catch (failure) {
    const what = error instanceof NoOutput ? 'the daemon releases what it has allocated' : asCniError(error).message;
    complain(`${messageOf(failure)}: ${what}`);
  }
  return 1;
}

type ServedEnvironment = CallEnvironment & { readonly command: Exclude<Command, 'VERSION'> };

async function serve(environment: ServedEnvironment, stdin: Buffer, env: NodeJS.ProcessEnv): Promise<void> {
  const { command, containerId, ifName, netns, args } = environment;
  const { name, config, cniVersion } = readNetworkConfig(stdin);
  requireVersion(cniVersion, command);
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
  const { callDaemon, NoAnswer } = await import('./daemon-client.ts');
  try {
    await callDaemon({ file, method: command, call, limit: limits[command] }, (result) => {
      if (result !== undefined && result !== null) print(result);
    });
  } catch (error) {
    const failure = asCniError(error);
    if (command === 'DEL' && isOurs(failure)) return recordRelease(place, { network: name, call }, failure);
    const hasAnswer = error instanceof NoAnswer ? !error.asked : error instanceof CniError;
    if (command === 'ADD' && !hasAnswer) await recordUnanswered(place, call);
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

async function recordRelease(
  place: DaemonPlace,
  { network, call }: { readonly network: string; readonly call: Call },
  reason: CniError,
): Promise<void> {
  const { leaveReleaseNote } = await import('./leave-note.ts');
  const { socketDir } = place;
  const isNew = !existsSync(socketDir);
  try {
    leaveReleaseNote(place, network, call);
  } catch (error) {
    const what = `${reason.message}; and the release cannot be recorded for later: ${messageOf(error)}`;
    throw new CniError(CniCode.tryAgain, what, reason.details);
  }
  const fate = isNew
    ? `release recorded, but ${socketDir} did not exist: no daemon reads it there unless that is its --socket-dir`
    : 'release recorded; the daemon will retry it';
  complain(`${reason.message}; ${fate}`);
}

/** The daemon may have reserved an address that nobody was told. A runtime need not say so: rkt forgets a failed ADD. */
async function recordUnanswered(place: DaemonPlace, call: Call): Promise<void> {
  const { leaveUnansweredNote } = await import('./leave-note.ts');
  try {
    leaveUnansweredNote(place, call);
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
