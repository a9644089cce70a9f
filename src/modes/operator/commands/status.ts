/** `status` shows the health of this host on one screen. */
import { messageOf } from '../../../errno.ts';
import { writeRegularFile } from '../../../files/regular-file.ts';
import { UsageError } from '../../daemon/config/command-line.ts';
import type { Status } from '../../operator-protocol.ts';
import { renderPage } from '../../page.ts';
import { headline, writeStatus } from '../../status-text.ts';
import { folded } from '../../terminal-text.ts';
import { daemonPlace, defineCommand, json, type Outcome, text } from '../command.ts';
import { CommandError } from '../command-error.ts';
import { askDaemon } from '../daemon-connection.ts';
import { forTerminal } from '../output/results.ts';

const output = {
  ...json,
  html: text('', 'Write a page for people with leases and networks into this file'),
  probe: text('', 'For probes: say only whether the daemon is live (it answers) or ready (it can serve the next ADD)'),
};

export const status = defineCommand({
  examples: [
    ['status', 'One screen: what the daemon knows, and what is wrong'],
    ['status --json', 'The same for a program'],
    ['status --html=host.html', 'The same with all leases as a page for a browser'],
    ['status --probe=ready', 'Whether the next ADD can be served: exit status 0, or 1 with the reason'],
  ],
  groups: { Output: output, Daemon: daemonPlace },
  async run({ flags, socket }) {
    const [one, other] = ['html', 'json', 'probe'].filter((name) => flags[name]);
    if (other !== undefined) throw new UsageError(`--${other} does not go with --${one}`);
    if (flags.probe !== '') return probe(flags.probe, socket);
    const value = await askDaemon({ socket, method: 'operator/status', params: {} });
    if (flags.html !== '') await writePage(flags.html, value, socket);
    const text = () => (flags.html === '' ? screen(value, Date.now()) : `written to ${flags.html}\n`);
    return { value, text, failed: value.conditions.length > 0 };
  },
});

/** Probes the daemon as `/livez` and `/readyz` do. @throws CommandError if the daemon does not answer, or is not ready */
async function probe(kind: string, socket: string): Promise<Outcome> {
  if (kind !== 'live' && kind !== 'ready') throw new UsageError('--probe must be live or ready');
  const { notReady } = await askDaemon({ socket, method: 'operator/probe', params: {} });
  if (kind === 'ready' && notReady !== null) throw new CommandError(notReady.message, notReady.hint ?? undefined);
  return { text: () => 'ok\n' };
}

/** Writes the page, with all leases. @throws CommandError if the file cannot be written */
async function writePage(file: string, status: Status, socket: string): Promise<void> {
  const { leases } = await askDaemon({ socket, method: 'operator/leases', params: {} });
  try {
    // It tells where containers run: readable by root alone, like the socket.
    writeRegularFile(file, renderPage({ status, leases, now: Date.now() }));
  } catch (error) {
    throw new CommandError(`cannot write ${file}: ${messageOf(error)}`, 'name another file with --html');
  }
}

/** Makes the screen for people. @param now milliseconds since 1970 */
export function screen(status: Status, now: number): string {
  return [`${folded(headline(status), 0)}\n`, ...writeStatus(status, now, forTerminal)].join('\n');
}
