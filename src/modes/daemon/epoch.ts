/**
 * Detects an outdated copy of the state. Each start and each end of a daemon writes a new random epoch into the state and into a file
 * beside the socket, which lives until reboot. A state with another epoch was restored or copied. Leases have changed since, so its
 * releases could hit addresses that are now in use.
 */
import { randomBytes } from 'node:crypto';
import * as v from 'valibot';
import { messageOf } from '../../errno.ts';
import { readRegularFile, writeRegularFile } from '../../files/regular-file.ts';
import { refuseUntrusted } from '../../files/trusted-path.ts';
import type { LeaseStore } from '../../infoblox/lease/store/lease-store.ts';
import type { Log } from '../../infoblox/log.ts';
import { type DaemonPlace, owedDir, socketFile } from '../protocol.ts';

/** In the directory of the release notes. */
const fileName = '.epoch';
const maxFileBytes = 4096;

/** The file: the boot, and the epochs that the state may have; two during a renewal. */
const Written = v.object({ bootId: v.string(), epochs: v.array(v.string()) });

interface EpochDeps extends DaemonPlace {
  /** Null if unreadable: no copy is detected. */
  readonly bootId: string | null;
  readonly log: Pick<Log, 'debug'>;
}

export class Epoch {
  readonly #deps: EpochDeps;
  readonly #directory: string;
  /** Only epochs of the same socket are compared: each socket has its own file. */
  readonly #socket: string;

  constructor(deps: EpochDeps) {
    this.#deps = deps;
    this.#directory = owedDir(deps.socketDir, deps.driverName);
    this.#socket = socketFile(deps.socketDir, deps.driverName);
  }

  /**
   * Tells whether a state is a copy: not the one that the last daemon of this boot wrote.
   * @param recorded the epoch in the state; undefined if no daemon has used it
   */
  isCopy(recorded: string | undefined): boolean {
    const { epoch, socket } = parse(recorded);
    const written = this.#read();
    if (written === undefined || epoch === undefined || socket !== this.#socket) return false;
    return written.bootId === this.#deps.bootId && !written.epochs.includes(epoch);
  }

  /**
   * Renews the epoch of the state in use. The file allows both epochs until the state is written, so a crash never makes the state look
   * like a copy. Never throws: after an error the old epoch stays.
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
    // In place and without fsync: a damaged file detects nothing, and a power failure ends the boot anyway.
    writeRegularFile(`${this.#directory}/${fileName}`, JSON.stringify(written));
  }
}

function parse(recorded = ''): { readonly epoch?: string | undefined; readonly socket?: string | undefined } {
  const [, epoch, socket] = /^(\S+) (.+)$/.exec(recorded) ?? [];
  return { epoch, socket };
}
