/** What a support bundle says by asking: the daemon, its metrics, and the findings of `doctor`. */
import type { ListenAddress } from '../../daemon/metrics/listener.ts';
import type { Progress } from '../../operator-protocol.ts';
import type { ServiceSettings } from '../command.ts';
import { askDaemon } from '../daemon-connection.ts';
import { diagnose, type Examined } from '../doctor/diagnose.ts';
import { readSettings } from '../grid.ts';
import { type Item, item, jsonItem } from './item.ts';

/** Milliseconds for the metrics. */
const patience = 5_000;

/** Collects them; the daemon may be down, and so may the grid. */
export async function daemonItems(
  { wrongFlags, ...examined }: Examined & Pick<ServiceSettings, 'wrongFlags'>,
  onProgress: (progress: Progress) => void,
): Promise<Item[]> {
  const { socket } = examined;
  // The defaults would lead to somebody else's grid.
  const examine = () => {
    if (wrongFlags !== null) throw new Error(`DAEMON_FLAGS are wrong: ${wrongFlags}`);
    return diagnose(examined, { onProgress });
  };
  return [
    await jsonItem('status.json', () => askDaemon({ socket, method: 'operator/status', params: {} })),
    await jsonItem('leases.json', () => askDaemon({ socket, method: 'operator/leases', params: {} })),
    await item('metrics', () => metrics(readSettings(examined).metricsListen)),
    await jsonItem('doctor.json', examine),
  ];
}

async function metrics(address: ListenAddress | undefined): Promise<string> {
  if (address === undefined) throw new Error('--metrics-listen is off');
  // What listens at all addresses is reached at loopback.
  const host = { '0.0.0.0': '127.0.0.1', '::': '::1' }[address.host] ?? address.host;
  const url = `http://${host.includes(':') ? `[${host}]` : host}:${address.port}/metrics`;
  const answer = await fetch(url, { signal: AbortSignal.timeout(patience) });
  if (!answer.ok) throw new Error(`${url} answers ${answer.status}`);
  return answer.text();
}
