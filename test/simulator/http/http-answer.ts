import type { ServerResponse } from 'node:http';

/** A complete HTTP answer. Like a real grid, sends successes chunked and errors with a Content-Length. */
export interface HttpAnswer {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
  readonly cookie?: string;
}

export function send(response: ServerResponse, { status, contentType, body, cookie }: HttpAnswer): void {
  const framing = status < 400 ? { 'transfer-encoding': 'chunked' } : { 'content-length': Buffer.byteLength(body) };
  response.writeHead(status, {
    'content-type': contentType,
    'cache-control': 'no-cache, no-store',
    ...framing,
    ...(cookie === undefined ? {} : { 'set-cookie': cookie }),
    ...(status === 401 ? { 'www-authenticate': 'Basic realm="InfoBlox ONE Platform"' } : {}),
  });
  response.end(body);
}
