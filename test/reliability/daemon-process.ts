/**
 * The daemon as a process of its own that tests can kill: the sources as they are, run by the pinned Node. Differs from
 * the real entry in three ways that only tests need: a shortened doubtWindow, a ready line, and a death at a chosen write
 * to the durable state.
 */
import type { DoubtWindow } from '../../src/infoblox/lease/doubt.ts';
import type { SqliteLeaseStore } from '../../src/infoblox/lease/store/sqlite-store.ts';
import { parseFlags } from '../../src/modes/daemon/config/command-line.ts';
import { readOptions } from '../../src/modes/daemon/config/options.ts';
import { startDaemon } from '../../src/modes/daemon/daemon.ts';
import { createLog } from '../../src/modes/daemon/log/log.ts';
import { intercept } from '../infoblox/lease/intercept.ts';

/** What a test says to the process, in the environment variable RELIABILITY_TEST as JSON. */
export interface ProcessSettings {
  /** Milliseconds. */
  readonly doubtWindow: DoubtWindow;
}

/** Message from the test to the process, over the channel of child_process.fork. */
export interface DieAtWrite {
  /** Counted from the message on, the first is 1. */
  readonly write: number;
  readonly moment: 'before' | 'after';
}

/** Messages from the process: it listens; it knows when to die; the state has been written. */
export type ProcessMessage =
  | { readonly kind: 'ready' | 'resigned' }
  | { readonly kind: 'write'; readonly what: string };

let death: DieAtWrite | undefined;
let writes = 0;

const say = (message: ProcessMessage) => process.send?.(message);

/** SIGKILL from within: nothing of this process runs any more, as if the kernel had ended it at this very write. */
function dieIf(moment: DieAtWrite['moment']): void {
  if (death?.write === writes && death.moment === moment) process.kill(process.pid, 'SIGKILL');
}

/** What is about to be committed. */
let applied: string[] = [];

const aroundCommit = (commit: () => void) => {
  const what = applied.join(', ');
  applied = [];
  writes += 1;
  dieIf('before');
  commit();
  say({ kind: 'write', what });
  dieIf('after');
};

const wrapStore = (store: SqliteLeaseStore) =>
  intercept(store, (method, args, run) => {
    if (method === 'setFact') applied.push(`${method} ${args[0]}`);
    if (method === 'apply' || method === 'setWhole') applied.push(method);
    return run();
  });

process.on('message', (message: DieAtWrite) => {
  writes = 0;
  death = message;
  say({ kind: 'resigned' });
});
// A test that ends without killing its processes leaves none behind.
process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));

const { doubtWindow } = JSON.parse(process.env.RELIABILITY_TEST ?? '') as ProcessSettings;
const options = readOptions(parseFlags(process.argv.slice(2)), process.env, { isTerminal: false });
await startDaemon(options, createLog(options.logLevel, options.logFormat), {
  ...{ doubtWindow, wrapStore, aroundCommit },
});
say({ kind: 'ready' });
