/**
 * Tells the state of this host from a copy of it. An epoch, a random number that each start and each end of a daemon renews, stands in
 * the state and, for as long as the host runs, in a file beside the socket. A state with another one was put back or copied: leases have
 * come and gone since, and what it would release may be what a container uses by now.
 */
import { randomBytes } from 'node:crypto';
import * as v from 'valibot';
import { messageOf } from '../../errno.ts';
import { readRegularFile, writeRegularFile } from '../../files/regular-file.ts';
import { refuseUntrusted } from '../../files/trusted-path.ts';
import type { LeaseStore } from '../../infoblox/lease/store/lease-store.ts';
import type { Log } from '../../infoblox/log.ts';
import { owedDir, socketFile } from '../protocol.ts';

/** Hidden among the notes. */
const fileName = '.epoch';
const maxFileBytes = 4096;

/** What the file says: in which boot, and which epochs the state may have. It has two while one follows the other. */
const Written = v.object({ bootId: v.string(), epochs: v.array(v.string()) });

interface EpochDeps {
  readonly socketDir: string;
  readonly driverName: string;
  /** Null: it cannot be read, and nothing is told. */
  readonly bootId: string | null;
  readonly log: Pick<Log, 'debug'>;
}

export class Epoch {
  readonly #deps: EpochDeps;
  readonly #directory: string;
  /** Whose epochs can be compared: a daemon of another socket has a file of its own. */
  readonly #socket: string;

  constructor(deps: EpochDeps) {
    this.#deps = deps;
    this.#directory = owedDir(deps.socketDir, deps.driverName);
    this.#socket = socketFile(deps.socketDir, deps.driverName);
  }

  /**
   * Tells whether a state is not the one that the last daemon of this boot has written.
   * @param recorded what the state says; undefined if no daemon has served with it
   */
  isCopy(recorded: string | undefined): boolean {
    const { epoch, socket } = parse(recorded);
    const written = this.#read();
    if (written === undefined || epoch === undefined || socket !== this.#socket) return false;
    return written.bootId === this.#deps.bootId && !written.epochs.includes(epoch);
  }

  /**
   * Renews the epoch of a state that is in use, in an order in which no crash makes a copy of it. Never throws: where it cannot be renewed
   * it stays.
   */
  async renew(store: Pick<LeaseStore, 'fact' | 'setFact' | 'durable'>): Promise<void> {
    const { bootId, log } = this.#deps;
    if (bootId === null) return;
    const { epoch = '' } = parse(store.fact('epoch'));
    const next = randomBytes(8).toString('hex');
    try {
      this.#write({ bootId, epochs: [epoch, next] });
      store.setFact('epoch', `${next} ${this.#socket}`);
      await store.durable();
      this.#write({ bootId, epochs: [next] });
    } catch (error) {
      log.debug('cannot renew the epoch of the state', { reason: messageOf(error) });
    }
  }

  #read(): v.InferOutput<typeof Written> | undefined {
    try {
      refuseUntrusted(this.#directory, 'group');
      const file = readRegularFile(`${this.#directory}/${fileName}`, { maxBytes: maxFileBytes });
      return file && v.parse(Written, JSON.parse(file.bytes.toString()));
    } catch (error) {
      this.#deps.log.debug('cannot read the epoch beside the socket', { reason: messageOf(error) });
      return undefined;
    }
  }

  #write(written: v.InferOutput<typeof Written>): void {
    refuseUntrusted(this.#directory, 'group');
    // In place, and not synced: what a crash spoils tells nothing, and a host that loses its power boots.
    writeRegularFile(`${this.#directory}/${fileName}`, JSON.stringify(written));
  }
}

function parse(recorded = ''): { readonly epoch?: string | undefined; readonly socket?: string | undefined } {
  const [, epoch, socket] = /^(\S+) (.+)$/.exec(recorded) ?? [];
  return { epoch, socket };
}
