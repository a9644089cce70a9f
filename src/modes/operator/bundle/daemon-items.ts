/** What a support bundle says by asking: the daemon, its metrics, and the findings of `doctor`. */
import type { ListenAddress } from '../../daemon/metrics/listener.ts';
import type { Progress } from '../../operator-protocol.ts';
import type { ServiceSettings } from '../command.ts';
import { askDaemon } from '../daemon-connection.ts';
import type { Finding } from '../doctor/check.ts';
import { diagnose, type Examined } from '../doctor/diagnose.ts';
import { readSettings } from '../grid.ts';
import { type Fields, shape } from './fields.ts';
import { type Item, item, jsonItem } from './item.ts';

const metricsTimeoutMs = 5_000;
/** Bytes: 50 networks and what each process has make less than 100 KiB. */
const maxMetricsBytes = 1024 * 1024;

export const statusShape = shape(
  { plain: 'version commit startedAt driver stateDir oldestRelease', cluster: 'cluster', host: 'node formerNames' },
  {
    grid: shape({
      plain: 'answeredAt port wapiVersion trust isLoggedIn certificateEndsAt clientCertificateEndsAt',
      host: 'hosts inUse',
      user: 'user',
    }),
    conditions: shape({ plain: 'kind since', text: 'subject message hint' }),
    networks: shape({ plain: 'bound total used', network: 'name', view: 'view', address: 'cidr' }),
    leases: shape({ plain: 'pending bound resting releasing' }),
    errors: shape({ plain: 'at message', text: 'error hint' }),
  },
);
export const leasesShape = {
  leases: shape({
    plain: 'ifName phase createdAt dueAt attempts inDoubt sandbox',
    mark: 'mark',
    network: 'network',
    container: 'containerId',
    view: 'view',
    address: 'address',
    workload: 'workload',
    text: 'netns',
  }),
};
const findingShape = shape({ plain: 'level group title', text: 'message fix' });

/** Labels of metrics, beside those that only this program and Node name. */
const labelShape = { network: 'network', view: 'view', host: 'host', file: 'text' } as const;

/** Collects them; the daemon may be down, and so may the grid. */
export async function daemonItems(
  { wrongFlags, ...examined }: Examined & Pick<ServiceSettings, 'wrongFlags'>,
  fields: Fields,
  onProgress: (progress: Progress) => void,
): Promise<Item[]> {
  const { socket } = examined;
  // The defaults would lead to somebody else's grid.
  const examine = async () => {
    if (wrongFlags !== null) throw new Error(`DAEMON_FLAGS are wrong: ${fields.write('text', wrongFlags)}`);
    const findings = await diagnose(examined, { onProgress });
    return fields.select(
      findings.map((finding) => headed(finding, fields)),
      findingShape,
    );
  };
  const status = await jsonItem('status.json', async () =>
    fields.select(await askDaemon({ socket, method: 'operator/status', params: {} }), statusShape),
  );
  return [
    status,
    await jsonItem('leases.json', async () =>
      fields.select(await askDaemon({ socket, method: 'operator/leases', params: {} }), leasesShape),
    ),
    await item('metrics', async () => {
      // Without the daemon, any user of this host may listen in its place.
      if (!status.isThere) throw new Error('the daemon does not answer');
      return metrics(listenAddress(examined), fields);
    }),
    await jsonItem('doctor.json', examine),
  ];
}

function listenAddress(examined: Examined): ListenAddress | undefined {
  try {
    return readSettings(examined).metricsListen;
  } catch {
    throw new Error('the flags are not accepted: see doctor.json');
  }
}

/** A finding whose heading has the name of a grid host or a network as the bundle writes it. */
function headed(finding: Finding, fields: Fields): Finding {
  const { group, title, about } = finding;
  if (about === undefined) return finding;
  if (group === 'grid') return { ...finding, title: `${fields.write('host', about)}${title.slice(about.length)}` };
  return { ...finding, group: `network ${fields.write('network', about)}` };
}

async function metrics(address: ListenAddress | undefined, fields: Fields): Promise<string> {
  if (address === undefined) throw new Error('--metrics-listen is off');
  // What listens at all addresses is reached at loopback.
  const host = { '0.0.0.0': '127.0.0.1', '::': '::1' }[address.host] ?? address.host;
  const url = `http://${host.includes(':') ? `[${host}]` : host}:${address.port}/metrics`;
  const text = await fetchText(url);
  return text
    .split('\n')
    .filter((line) => /^(?:# (?:HELP|TYPE) )?(?:infoblox_cni|process|nodejs)_/.test(line))
    .map((line) =>
      line.replace(
        /\b(network|view|host|file)="((?:[^"\\]|\\.)*)"/g,
        (_, name: keyof typeof labelShape, value) => `${name}="${fields.write(labelShape[name], value)}"`,
      ),
    )
    .map((line) => `${line}\n`)
    .join('');
}

/** Reads a small text, from that address and no other. @throws Error */
async function fetchText(url: string): Promise<string> {
  const answer = await fetch(url, { redirect: 'manual', signal: AbortSignal.timeout(metricsTimeoutMs) });
  if (!answer.ok) throw new Error(`${url} answers ${answer.status}`);
  const chunks: Uint8Array[] = [];
  let left = maxMetricsBytes;
  for await (const chunk of answer.body ?? []) {
    left -= chunk.byteLength;
    if (left < 0) throw new Error(`${url} answers more than ${maxMetricsBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}
