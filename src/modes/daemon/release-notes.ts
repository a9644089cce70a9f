/**
 * Takes over the releases that plugins noted while no daemon took them (written in ../release-note.ts). A note is
 * removed when its release is owed in the durable state, and not before.
 */
import { readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import type { Attachment } from '../../infoblox/identity.ts';
import { type Call, owedDir } from '../protocol.ts';
import { noteName } from '../release-note.ts';
import { parseRequest } from './frame.ts';
import type { Log } from './log.ts';

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

  constructor(options: ReleaseNotesOptions) {
    this.#options = options;
    this.#directory = owedDir(options.socketDir, options.driverName);
  }

  /** All notes that are there now. */
  async takeAll(): Promise<void> {
    for (const name of this.#names()) await this.#take(name);
  }

  /** The note of one attachment, if there is one. */
  async takeOf(attachment: Attachment): Promise<void> {
    const name = noteName(attachment.network, attachment.containerId, attachment.ifName);
    if (this.#names().includes(name)) await this.#take(name);
  }

  #names(): string[] {
    try {
      return readdirSync(this.#directory).filter((name) => name.endsWith('.json') && !name.startsWith('.'));
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
      throw error;
    }
  }

  async #take(name: string): Promise<void> {
    const { log, releaseLater } = this.#options;
    const file = `${this.#directory}/${name}`;
    try {
      const request = parseRequest(readFileSync(file, 'utf8'));
      await releaseLater(request.params);
      rmSync(file, { force: true });
      this.#warned.delete(file);
      log.info('took over a release that the plugin had noted', { container: request.params.containerId });
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return;
      const reason = error instanceof Error ? error.message : String(error);
      if (error instanceof SyntaxError) {
        renameSync(file, `${file}.unreadable`);
        log.error('set a release note aside that cannot be read', { file: `${file}.unreadable`, reason });
      } else if (!this.#warned.has(file)) {
        this.#warned.add(file);
        log.warn('cannot take over a release note yet', { file, reason });
      }
    }
  }
}
