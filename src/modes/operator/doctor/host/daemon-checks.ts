/** The running daemon: its socket, its release, and whether it was started with the flags that count now. */

import { statSync } from 'node:fs';
import { distrust, octal, type UntrustedPath } from '../../../../infoblox/host/trusted-path.ts';
import { commit, version } from '../../../build-info.ts';
import type { Options } from '../../../daemon/config/options.ts';
import { ago } from '../../../duration.ts';
import type { Status } from '../../../operator-protocol.ts';
import { askDaemon, startHint } from '../../daemon-connection.ts';
import type { Check } from '../check.ts';
import { failure, ok, type Verdict, warning } from '../finding.ts';

const group = 'host';

/**
 * Makes the checks of the daemon.
 * @param socket the path of its socket
 * @param user the check without which the socket cannot be used
 */
export function daemonChecks(socket: string, options: Options, user: Check): readonly [Check, Check] {
  const socketFile: Check = {
    ...{ group, title: 'socket', needs: [user] },
    run: () => judgeSocket(socket, lookAtSocket(socket)),
  };
  const daemon: Check = {
    ...{ group, title: 'daemon', needs: [socketFile] },
    run: async () => {
      const status = await askDaemon({ socket, method: 'operator/status', params: {} });
      return judgeDaemon(status, { version, commit, options, now: Date.now() });
    },
  };
  return [socketFile, daemon];
}

interface SocketFacts {
  /** What is wrong with its owner or mode, or that of a directory above it. */
  readonly untrusted?: UntrustedPath | undefined;
  readonly isSocket: boolean;
  /** Its permission bits are among them. */
  readonly mode: number;
}

function lookAtSocket(path: string): SocketFacts | undefined {
  const untrusted = distrust(path);
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats === undefined && untrusted === undefined) return undefined;
  return { untrusted, isSocket: stats?.isSocket() === true, mode: stats?.mode ?? 0 };
}

/** Says whether plugins can trust the socket. @param facts undefined if it is absent */
export function judgeSocket(path: string, facts: SocketFacts | undefined): Verdict[] {
  if (facts === undefined) {
    return [failure(`the daemon is not running: there is no ${path}`, startHint)];
  }
  const { untrusted, isSocket, mode } = facts;
  if (untrusted !== undefined) return [failure(`${untrusted.message}: plugins refuse it`, `run ${untrusted.hint}`)];
  if (!isSocket) return [failure(`${path} is no socket`, 'remove it, then restart the daemon')];
  if ((mode & 0o077) === 0) return [ok(`${path}, mode ${octal(mode)}`)];
  return [failure(`${path} can be used by users other than root (mode ${octal(mode)})`, `run chmod 0600 ${path}`)];
}

/** What a daemon is compared with. */
interface Expected {
  readonly version: string;
  readonly commit: string;
  /** Milliseconds since 1970. */
  readonly now: number;
  readonly options: Pick<
    Options,
    'gridHosts' | 'wapiPort' | 'wapiVersion' | 'wapiUsername' | 'stateDir' | 'clusterName' | 'nodeName'
  >;
}

/** Conditions of which containers do not start, or have an address that is not theirs, and which no check of this command can see. */
const failing: readonly string[] = [
  'grid-read-only',
  'network-refused',
  'notes-ignored',
  'reservation-lost',
  'state-not-writable',
];

/** Says whether the daemon that runs is the one that is installed and configured, and what it complains of itself. */
export function judgeDaemon(status: Status, { version, commit, now, options }: Expected): Verdict[] {
  const runs = `infoblox-cni ${status.version} (${status.commit})`;
  const restart = 'run systemctl restart infoblox-cni-daemon (containers keep their addresses)';
  const verdicts: Verdict[] = [];
  if (status.version !== version || status.commit !== commit) {
    verdicts.push(failure(`${runs} is running, but ${version} (${commit}) is installed`, restart));
  } else verdicts.push(ok(`${runs} answers, running for ${ago(status.startedAt, now)}`));
  const differences = differingFlags(status, options);
  if (differences.length > 0) {
    const what = `the running daemon has another ${differences.join(', ')} than configured now`;
    verdicts.push(warning(what, `if the change is meant, ${restart}`));
  }
  for (const { kind, message, hint, since } of status.conditions) {
    const what = `it reports ${kind} for ${ago(since, now)}: ${message}`;
    verdicts.push(failing.includes(kind) ? failure(what, hint ?? undefined) : warning(what, hint ?? undefined));
  }
  return verdicts;
}

/** Names the flags whose value the running daemon does not have. */
function differingFlags({ grid, ...status }: Status, options: Expected['options']): string[] {
  const pairs: readonly (readonly [string, unknown, unknown])[] = [
    ['--grid-host', grid.hosts.join(), options.gridHosts.join()],
    ['--wapi-port', grid.port, options.wapiPort],
    ['--wapi-version', grid.wapiVersion, options.wapiVersion],
    ['--wapi-username', grid.user, options.wapiUsername],
    ['--state-dir', status.stateDir, options.stateDir],
    ['--cluster-name', status.cluster, options.clusterName],
    ['--node-name', status.node, options.nodeName],
  ];
  return pairs.filter(([, its, ours]) => its !== ours).map(([flag]) => flag);
}
