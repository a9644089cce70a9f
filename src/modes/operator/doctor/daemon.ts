/** The running daemon: its socket, its release, and whether it was started with the flags that count now. */
import { statSync } from 'node:fs';
import { distrust, octal } from '../../../files/trusted-path.ts';
import { commit, version } from '../../about.ts';
import type { Options } from '../../daemon/config/options.ts';
import type { Status } from '../../operator-protocol.ts';
import { ago } from '../../quantity.ts';
import { askDaemon, startHint } from '../daemon-connection.ts';
import { type Check, checks } from './check.ts';
import { failure, ok, type Verdict, warning } from './finding.ts';

/** Makes the checks. @param socket its path */
export function daemonChecks(socket: string, options: Options): Check[] {
  return checks('host', {
    socket: { needs: ['user'], run: () => judgeSocket(socket, lookAtSocket(socket)) },
    daemon: {
      needs: ['socket'],
      run: async () => {
        const status = await askDaemon({ socket, method: 'operator/status', params: {} });
        return judgeDaemon(status, { version, commit, options, now: Date.now() });
      },
    },
  });
}

function lookAtSocket(path: string) {
  const untrusted = distrust(path);
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats === undefined && untrusted === undefined) return undefined;
  return { untrusted, isSocket: stats?.isSocket() === true, mode: stats?.mode ?? 0 };
}

/** Says whether plugins can trust the socket. @param facts undefined if it is absent */
export function judgeSocket(path: string, facts: ReturnType<typeof lookAtSocket>): Verdict[] {
  if (facts === undefined) return [failure(`the daemon is not running: there is no ${path}`, startHint)];
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

const restart = 'run systemctl restart infoblox-cni-daemon (containers keep their addresses)';

/** Says whether the daemon that runs is the one that is installed and configured, and what it complains of itself. */
export function judgeDaemon(status: Status, { version, commit, now, options }: Expected): Verdict[] {
  const runs = `infoblox-cni ${status.version} (${status.commit})`;
  const isInstalled = status.version === version && status.commit === commit;
  const differences = differingFlags(status, options).join(', ');
  const differ = `the running daemon has another ${differences} than configured now`;
  return [
    isInstalled
      ? ok(`${runs} answers, running for ${ago(status.startedAt, now)}`)
      : failure(`${runs} is running, but ${version} (${commit}) is installed`, restart),
    ...(differences === '' ? [] : [warning(differ, `if the change is meant, ${restart}`)]),
    ...status.conditions.map((condition) => judgeCondition(condition, now)),
  ];
}

/** Conditions of which containers do not start, or have an address that is not theirs, and which no check of this command can see. */
const failing: readonly string[] = [
  'grid-read-only',
  'network-refused',
  'notes-ignored',
  'reservation-lost',
  'state-not-writable',
];

function judgeCondition({ kind, message, hint, since }: Status['conditions'][number], now: number): Verdict {
  const judge = failing.includes(kind) ? failure : warning;
  return judge(`it reports ${kind} for ${ago(since, now)}: ${message}`, hint);
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
