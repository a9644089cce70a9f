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
  /** The JSON sent, its raw text if it is none, undefined when there was none. */
  readonly body: unknown;
  /** Status sent to the client; 0 while unanswered, and for good when no answer was sent. */
  readonly status: number;
  /** Number of the TLS connection, from 1 in the order of acceptance. */
  readonly connection: number;
  /** True when the request logged in, by Basic authentication or a client certificate, instead of using a session. */
  readonly login: boolean;
  /** True when it carried user and password. */
  readonly basic: boolean;
  /** SHA-256 fingerprint of the client certificate, if one was shown. */
  readonly certificate: string | undefined;
  /** The User-Agent header. */
  readonly agent: string;
}

/** A record that the exchange still fills in. */
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
