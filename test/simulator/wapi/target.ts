import { protocolError } from '../errors.ts';
import type { Json, Values } from '../store/grid-objects.ts';

/** The target of a request's path. `reference` is the whole `type/opaque:tail`; absent, it is the type. */
export interface WapiTarget {
  readonly version: string;
  readonly type: string;
  readonly reference?: string;
}

/** Parses `/wapi/v<version>/<type or reference>`; undefined for other paths. Clients may escape colons. */
export function parseTarget(path: string): WapiTarget | undefined {
  const match = /^\/wapi\/v([^/]+)(?:\/(.*))?$/.exec(path);
  if (!match) return undefined;
  const [, version = '', escaped = ''] = match;
  const rest = unescaped(escaped);
  const [type = '', opaque] = rest.split('/', 2);
  return opaque === undefined || opaque === '' ? { version, type } : { version, type, reference: rest };
}

/**
 * Parses the JSON object in a body; an absent body is an empty object. Throws for anything else, and for other content
 * types.
 */
export function parseBody({ body, contentType }: { body: string; contentType: string }): Values {
  if (body === '') return {};
  // Assumed wordings: only JSON is simulated (a real grid also takes XML and forms).
  if (!/^application\/json\b/i.test(contentType)) throw protocolError(`Unsupported content type: ${contentType}`);
  const value = parseJson(body);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw protocolError('Structure expected in request body');
  }
  return value;
}

function parseJson(text: string): Json {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw protocolError(`JSON Decoding: ${error instanceof Error ? error.message : error}`);
  }
}

/** Unescapes a reference once. Its tail keeps its own escapes (`%20`, `%3A`), which a client may escape again. */
function unescaped(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
