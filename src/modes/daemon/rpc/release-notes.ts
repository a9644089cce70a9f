/**
 * Takes over the notes that plugins left while the daemon did not answer: of releases, and of unanswered ADDs. A note is removed only after
 * its content is in the durable state.
 */
import { lstatSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { CniCode, CniError } from '../../../cni/errors.ts';
import { isErrno, messageOf } from '../../../errno.ts';
import { IrregularFile, readRegularFile } from '../../../files/regular-file.ts';
import { distrust, type UntrustedPath } from '../../../files/trusted-path.ts';
import { type Clock, repeat } from '../../../infoblox/concurrency/clock.ts';
import type { Conditions } from '../../../infoblox/conditions.ts';
import { GridError } from '../../../infoblox/errors.ts';
import type { Log } from '../../../infoblox/log.ts';
import type { Attachment } from '../../../infoblox/mark.ts';
import { type Call, type DaemonPlace, owedDir } from '../../protocol.ts';
import { isNote, maxNoteBytes, noteName } from '../../release-note.ts';
import { parseCall } from './request.ts';

/** Interval of the search for notes: a plugin may leave one while the daemon is slow. */
const lookIntervalMs = 15_000;

interface ReleaseNotesDeps extends DaemonPlace {
  /** Records a DEL durably. `at`: when the runtime called it, milliseconds since 1970. */
  readonly release: (call: Call, at: number) => Promise<unknown>;
  /** Records durably that an ADD got no answer. */
  readonly recordUnanswered: (call: Call) => Promise<void>;
  readonly conditions: Conditions;
  readonly clock: Clock;
  readonly log: Log;
}

export class ReleaseNotes {
  readonly #deps: ReleaseNotesDeps;
  readonly #directory: string;
  /** Notes already warned about. */
  readonly #warned = new Set<string>();

  constructor(deps: ReleaseNotesDeps) {
    this.#deps = deps;
    this.#directory = owedDir(deps.socketDir, deps.driverName);
  }

  /** Takes over all notes, now and periodically, until the signal fires. */
  async keepTaking(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#deps;
    const take = () =>
      this.takeAll(signal).catch((error) =>
        log.warn('cannot read release notes', { directory: this.#directory, reason: messageOf(error) }),
      );
    await take();
    await repeat(clock, { intervalMs: lookIntervalMs, signal }, take);
  }

  /**
   * Takes over the note of one attachment, or sets it aside if unreadable: afterwards there is none.
   * @throws CniError 11 if that is impossible: the note could later undo the ADD
   */
  async takeOf(attachment: Attachment): Promise<void> {
    const untrusted = this.#distrust();
    if (untrusted !== undefined) {
      const what = `cannot tell whether a release of this attachment is recorded: ${untrusted.message}`;
      throw new CniError(CniCode.tryAgain, what, `Run ${untrusted.hint}.`);
    }
    try {
      await this.#take(noteName(attachment.network, attachment.containerId, attachment.ifName));
    } catch (error) {
      throw new CniError(
        CniCode.tryAgain,
        `cannot take over the recorded release of this attachment: ${messageOf(error)}`,
        `The note is in ${this.#directory}.`,
      );
    }
  }

  /** Takes over all current notes. */
  async takeAll(signal?: AbortSignal): Promise<void> {
    if (this.#distrust() !== undefined) return;
    for (const name of this.#files().filter(isNote)) {
      if (signal?.aborted) return;
      try {
        // After an outage there may be thousands: let calls run in between.
        await this.#deps.clock.turn();
        await this.#take(name);
      } catch (error) {
        if (this.#warned.has(name)) continue;
        this.#warned.add(name);
        const file = `${this.#directory}/${name}`;
        this.#deps.log.warn('cannot take over a release note; will retry', { file, reason: messageOf(error) });
      }
    }
  }

  /** Checks the directory each time: if others can write to it, notes are neither read nor removed. */
  #distrust(): UntrustedPath | undefined {
    const { conditions } = this.#deps;
    const untrusted = distrust(this.#directory, 'group');
    if (untrusted === undefined) conditions.clear('notes-ignored');
    else {
      const { message, hint } = untrusted;
      conditions.raise('notes-ignored', new GridError('state', message, { hint: `run ${hint}` }));
    }
    return untrusted;
  }

  #files(): string[] {
    try {
      return readdirSync(this.#directory);
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return [];
      throw error;
    }
  }

  /** Takes over a note or sets it aside. @throws if it is still there */
  async #take(name: string): Promise<void> {
    const { log, release, recordUnanswered } = this.#deps;
    const file = `${this.#directory}/${name}`;
    try {
      // The plugin and the directory belong to root; the service's user may write to the directory.
      const owner = lstatSync(this.#directory, { throwIfNoEntry: false })?.uid;
      const note = readRegularFile(file, { maxBytes: maxNoteBytes, owner });
      if (note === undefined) return;
      const { method, params } = parseCall(note.bytes.toString());
      if (method === 'DEL') await release(params, note.modifiedAt);
      else await recordUnanswered(params);
      rmSync(file, { force: true });
      this.#warned.delete(name);
      const container = params.containerId;
      if (method === 'DEL') log.info('recorded release taken over', { container });
      else log.debug('note of an unanswered ADD taken over', { container });
    } catch (error) {
      if (!(error instanceof SyntaxError || error instanceof IrregularFile)) throw error;
      const aside = `${file}.unreadable`;
      renameSync(file, aside);
      log.error('unreadable release note set aside', { file: aside, reason: messageOf(error) });
    }
  }
}
