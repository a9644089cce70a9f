import { randomBytes } from 'node:crypto';
import { protocolError } from '../errors.ts';
import type { Database } from '../store/database.ts';
import type { GridObject } from '../store/grid-objects.ts';
import { objectWithKey } from './address-status.ts';
import { type Arguments, isOn } from './arguments.ts';

const DEFAULT_MAX_RESULTS = -1000;
/** Abandoned searches are forgotten, oldest first. */
const MOST_OPEN_SEARCHES = 1000;

/** A page of results, and the ID of the next page. */
export interface ResultPage {
  readonly objects: GridObject[];
  readonly fields: readonly string[];
  readonly nextPageId?: string;
}

interface OpenSearch {
  readonly keys: readonly string[];
  readonly fields: readonly string[];
  readonly size: number;
}

/**
 * Implements `_max_results`, `_paging` and `_page_id`: cuts results, or serves them page by page from a snapshot of
 * their keys.
 */
export class ResultPages {
  readonly #open = new Map<string, OpenSearch>();

  /**
   * Returns the first page. A negative `_max_results` is an error if more objects match; a positive one cuts the list.
   */
  first(results: Iterable<GridObject>, fields: readonly string[], args: Arguments): ResultPage {
    const most = maxResults(args);
    const limit = Math.abs(most);
    const paging = isOn(args, '_paging');
    if (paging && !isOn(args, '_return_as_object')) {
      throw protocolError('_return_as_object needs to be enabled for paging requests.');
    }
    // Assumed wording.
    if (paging && most < 0) throw protocolError('_max_results needs to be positive for paging requests.');
    const objects: GridObject[] = [];
    for (const object of results) {
      if (objects.length === limit && most < 0) throw protocolError(`Result set too large (> ${limit})`);
      if (objects.length === limit && !paging) break;
      objects.push(object);
    }
    if (!paging || objects.length <= limit) return { objects, fields };
    const rest = { keys: objects.slice(limit).map(({ key }) => key), fields, size: limit };
    return { objects: objects.slice(0, limit), fields, nextPageId: this.#keep(rest) };
  }

  /** Returns the page of an earlier answer's ID, without objects deleted since. */
  next(db: Database, pageId: string): ResultPage {
    const open = this.#open.get(pageId);
    // Assumed wording.
    if (!open) throw protocolError(`Invalid page ID: ${pageId}`);
    const objects = open.keys.slice(0, open.size).flatMap((key) => objectWithKey(db, key) ?? []);
    const keys = open.keys.slice(open.size);
    if (keys.length === 0) return { objects, fields: open.fields };
    return { objects, fields: open.fields, nextPageId: this.#keep({ ...open, keys }) };
  }

  #keep(search: OpenSearch): string {
    const oldest = this.#open.keys().next().value;
    if (this.#open.size >= MOST_OPEN_SEARCHES && oldest !== undefined) this.#open.delete(oldest);
    const id = randomBytes(24).toString('hex');
    this.#open.set(id, search);
    return id;
  }
}

function maxResults({ options }: Arguments): number {
  const text = options.get('_max_results');
  if (text === undefined) return DEFAULT_MAX_RESULTS;
  const number = Number(text);
  if (/^-?\d+$/.test(text) && number !== 0) return number;
  throw protocolError(`Invalid value for _max_results: ${JSON.stringify(text)}: Must be integer type`);
}
