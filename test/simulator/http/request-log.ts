/** One request as the grid saw it. */
export interface RequestRecord {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly method: string;
  /** As sent, without the query. */
  readonly path: string;
  /** Object type of the path, also for references; `logout` for a logout, empty for the base URL. */
  readonly type: string;
  /** Decoded; repeated arguments are joined by commas. */
  readonly query: Readonly<Record<string, string>>;
  /** The parsed JSON; the raw text if it is not JSON; undefined without a body. */
  readonly body: unknown;
  /** Status sent to the client; 0 before the answer, or if none was sent. */
  readonly status: number;
  /** Number of the TLS connection, counted from 1. */
  readonly connection: number;
  /** Whether the request logged in, by Basic authentication or a client certificate, instead of using a session. */
  readonly login: boolean;
  /** Whether it carried user and password. */
  readonly basic: boolean;
  /** SHA-256 fingerprint of the client certificate, if one was shown. */
  readonly certificate: string | undefined;
  /** The User-Agent header. */
  readonly agent: string;
}

/** A record of a request in progress. */
export type OpenRecord = { -readonly [Key in keyof RequestRecord]: RequestRecord[Key] };

export function queryRecord(query: URLSearchParams): Record<string, string> {
  const record: Record<string, string> = {};
  for (const [key, value] of query) record[key] = record[key] === undefined ? value : `${record[key]},${value}`;
  return record;
}

export function bodyRecord(text: string): unknown {
  if (text === '') return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
