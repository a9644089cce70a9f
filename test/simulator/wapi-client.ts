import { readFileSync } from 'node:fs';
import { Agent, request } from 'undici';
import type { Grid } from './grid.ts';

/** An answer, with the accessors that tests need. */
export class ClientAnswer {
  readonly status: number;
  readonly text: string;
  readonly headers: Record<string, string | string[] | undefined>;

  constructor(status: number, text: string, headers: Record<string, string | string[] | undefined>) {
    this.status = status;
    this.text = text;
    this.headers = headers;
  }

  /** The parsed body. @throws SyntaxError if it is not JSON */
  get json(): unknown {
    return JSON.parse(this.text);
  }

  /** The members of a JSON object: one grid object, or an error with its `Error`, `code` and `text`. */
  get object(): Record<string, unknown> {
    const { json } = this;
    return isRecord(json) ? json : {};
  }

  /** The objects of a list; empty if the body is not a list. */
  get rows(): Record<string, unknown>[] {
    const { json } = this;
    return Array.isArray(json) ? json.filter(isRecord) : [];
  }

  /** Status and text of an error, which tests compare. */
  get error(): string {
    return `${this.status} ${this.object.text}`;
  }
}

export interface CallOptions {
  readonly query?: Record<string, string>;
  readonly body?: unknown;
  readonly headers?: Record<string, string>;
  /** WAPI version; default 2.5. */
  readonly version?: string;
}

/**
 * A WAPI client for the simulator's own tests: verifies the certificate and sends Basic authentication with every
 * request.
 */
export class WapiClient {
  readonly #grid: Grid;
  readonly #agent: Agent;

  constructor(grid: Grid, connections = 4) {
    this.#grid = grid;
    this.#agent = new Agent({ connections, connect: { ca: readFileSync(grid.caFile) } });
  }

  get(target: string, query: Record<string, string> = {}): Promise<ClientAnswer> {
    return this.call('GET', target, { query });
  }

  create(type: string, body: unknown, query: Record<string, string> = {}): Promise<ClientAnswer> {
    return this.call('POST', type, { body, query });
  }

  update(reference: string, body: unknown, query: Record<string, string> = {}): Promise<ClientAnswer> {
    return this.call('PUT', reference, { body, query });
  }

  delete(reference: string, query: Record<string, string> = {}): Promise<ClientAnswer> {
    return this.call('DELETE', reference, { query });
  }

  /** Calls `_function` of an object. */
  run(reference: string, name: string, body: unknown = {}): Promise<ClientAnswer> {
    return this.call('POST', reference, { query: { _function: name }, body });
  }

  async call(
    method: 'GET' | 'POST' | 'PUT' | 'DELETE',
    target: string,
    options: CallOptions = {},
  ): Promise<ClientAnswer> {
    const { query = {}, body, headers = this.basic(), version = '2.5' } = options;
    const search = new URLSearchParams(query).toString();
    const url = `${this.#grid.url}/wapi/v${version}/${target}${search === '' ? '' : `?${search}`}`;
    const answer = await request(url, {
      method,
      dispatcher: this.#agent,
      headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
      body: body === undefined ? null : JSON.stringify(body),
    });
    const text = await answer.body.text();
    return new ClientAnswer(answer.statusCode, text, answer.headers);
  }

  basic(password = this.#grid.password): Record<string, string> {
    return { authorization: `Basic ${Buffer.from(`${this.#grid.username}:${password}`).toString('base64')}` };
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
