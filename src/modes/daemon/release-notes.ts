/**
 * Takes over the releases that plugins noted while no daemon took them (written in ../release-note.ts). A note is
 * removed when its release is owed in the durable state, and not before.
 */
import { readdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { CniCode, CniError } from '../../cni/errors.ts';
import type { Attachment } from '../../infoblox/identity.ts';
import { type Call, owedDir } from '../protocol.ts';
import { isDraft, noteName } from '../release-note.ts';
import { parseRequest } from './frame.ts';
import type { Log } from './log.ts';

/** Milliseconds after which nobody is writing a note any more. */
const longestWriting = 60_000;

export interface ReleaseNotesOptions {
  readonly socketDir: string;
  readonly driverName: string;
  /** Notes a DEL durably, so that it will be done. */
  readonly releaseLater: (call: Call) => Promise<void>;
  readonly log: Log;
}

export class ReleaseNotes {
  readonly #options: ReleaseNotesOptions;
  readonly #directory: string;
  /** Notes that were complained about already. */
  readonly #warned = new Set<string>();
  #taking: Promise<void> | undefined;

  constructor(options: ReleaseNotesOptions) {
    this.#options = options;
    this.#directory = owedDir(options.socketDir, options.driverName);
  }

  /** All notes that are there now. Asked again while it is at it, it does not begin anew. */
  takeAll(): Promise<void> {
    this.#taking ??= this.#takeAll().finally(() => {
      this.#taking = undefined;
    });
    return this.#taking;
  }

  /**
   * The note of one attachment: when this returns there is none, or what there is cannot be read and never will be.
   * @throws CniError 11 if there is one that cannot be taken over, and would undo later what is done now
   */
  async takeOf(attachment: Attachment): Promise<void> {
    try {
      await this.#take(noteName(attachment.network, attachment.containerId, attachment.ifName));
    } catch (error) {
      throw new CniError(
        CniCode.tryAgain,
        `an earlier release of this attachment is noted and cannot be taken over yet: ${reasonOf(error)}`,
        `The note is in ${this.#directory}.`,
      );
    }
  }

  async #takeAll(): Promise<void> {
    const files = this.#files();
    for (const name of files.filter(isDraft)) this.#removeIfOld(name);
    for (const name of files.filter((one) => one.endsWith('.json') && !one.startsWith('.'))) {
      try {
        await this.#take(name);
      } catch (error) {
        if (this.#warned.has(name)) continue;
        this.#warned.add(name);
        const file = `${this.#directory}/${name}`;
        this.#options.log.warn('cannot take over a release note yet', { file, reason: reasonOf(error) });
      }
    }
  }

  #files(): string[] {
    try {
      return readdirSync(this.#directory);
    } catch (error) {
      if (isAbsent(error)) return [];
      throw error;
    }
  }

  #read(file: string): string | undefined {
    try {
      return readFileSync(file, 'utf8');
    } catch (error) {
      if (isAbsent(error)) return undefined;
      throw error;
    }
  }

  /** The plugin that wrote it was killed. */
  #removeIfOld(draft: string): void {
    const file = `${this.#directory}/${draft}`;
    try {
      if (Date.now() - statSync(file).mtimeMs > longestWriting) rmSync(file);
    } catch (error) {
      if (!isAbsent(error))
        this.#options.log.warn('cannot remove half a release note', { file, reason: reasonOf(error) });
    }
  }

  /** Returns when the note is taken, absent or set aside; throws if it is still there. */
  async #take(name: string): Promise<void> {
    const { log, releaseLater } = this.#options;
    const file = `${this.#directory}/${name}`;
    const text = this.#read(file);
    if (text === undefined) return;
    try {
      const request = parseRequest(text);
      await releaseLater(request.params);
      rmSync(file, { force: true });
      this.#warned.delete(name);
      log.info('took over a release that the plugin had noted', { container: request.params.containerId });
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      renameSync(file, `${file}.unreadable`);
      log.error('set a release note aside that cannot be read', {
        file: `${file}.unreadable`,
        reason: reasonOf(error),
      });
    }
  }
}

function isAbsent(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
