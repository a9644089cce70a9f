/**
 * Takes over what plugins recorded while no daemon answered them: releases, and ADDs without an answer. A note is removed
 * when what it says stands in the durable state, and not before.
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
import { type Call, owedDir } from '../../protocol.ts';
import { isNote, maxNoteBytes, noteName } from '../../release-note.ts';
import { parseCall } from './request.ts';

/** Between looks for notes, which a plugin may leave while the daemon is slow. */
const lookIntervalMs = 15_000;

interface ReleaseNotesDeps {
  readonly socketDir: string;
  readonly driverName: string;
  /** Records a DEL durably, so that it will be carried out. `at`: when it was called, milliseconds since 1970. */
  readonly release: (call: Call, at: number) => Promise<unknown>;
  /** Records durably that the caller of an ADD got no answer. */
  readonly recordUnanswered: (call: Call) => Promise<void>;
  readonly conditions: Conditions;
  readonly clock: Clock;
  readonly log: Log;
}

export class ReleaseNotes {
  readonly #deps: ReleaseNotesDeps;
  readonly #directory: string;
  /** Notes that were complained about already. */
  readonly #warned = new Set<string>();

  constructor(deps: ReleaseNotesDeps) {
    this.#deps = deps;
    this.#directory = owedDir(deps.socketDir, deps.driverName);
  }

  /** Takes all notes over, now and from time to time, until the signal fires. */
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
   * Takes over the release note of one attachment: when this returns there is none any more; an unreadable one is set aside.
   * @throws CniError 11 if there is one that cannot be taken over, and would undo later what is done now
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

  /** Takes over all notes that are there now. */
  async takeAll(signal?: AbortSignal): Promise<void> {
    if (this.#distrust() !== undefined) return;
    for (const name of this.#files().filter(isNote)) {
      if (signal?.aborted) return;
      try {
        // Thousands may lie there after an outage: calls come in between.
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

  /** Looked at each time: what others can write to is neither read nor tidied up. */
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

  /** Returns when the note is taken, absent or set aside; throws if it is still there. */
  async #take(name: string): Promise<void> {
    const { log, release, recordUnanswered } = this.#deps;
    const file = `${this.#directory}/${name}`;
    try {
      // Plugins are root's, as the directory is; the service's own user may write to it.
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
