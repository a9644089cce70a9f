/** The HTTP server behind `--metrics-listen`: a few pages that are read, for whoever reaches the address. */
import { createServer, type ServerResponse } from 'node:http';
import { messageOf } from '../../../infoblox/host/errno.ts';
import { StartError } from '../start-error.ts';

/** Limits of a client, in milliseconds, and of all: it may be anybody who reaches the address. */
const clients = { request: 5_000, idle: 10_000, connections: 32 };

export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

export interface Page {
  /** HTTP status; 200 if absent. */
  readonly status?: number;
  /** Content type; plain text if absent. */
  readonly type?: string;
  readonly text: string;
}

/** Makes a page for each path. */
export type Pages = Readonly<Record<string, () => Page | Promise<Page>>>;

/**
 * Serves pages. One that cannot be made is a 500 with the reason.
 * @returns what ends it
 * @throws StartError if the address cannot be listened at
 */
export async function servePages({ host, port }: ListenAddress, pages: Pages): Promise<() => void> {
  const limits = {
    headersTimeout: clients.request,
    requestTimeout: clients.request,
    keepAliveTimeout: clients.idle,
    connectionsCheckingInterval: 1_000,
  };
  const server = createServer(limits, ({ method, url = '' }, response) => {
    if (method === 'GET' || method === 'HEAD') return void answer(pages, url, response);
    response.writeHead(405, { allow: 'GET, HEAD' }).end();
  });
  server.timeout = clients.idle; // also for one that does not read its answer
  server.maxConnections = clients.connections;
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => {
      const fix = 'give --metrics-listen another port, or another address of this host';
      reject(new StartError(`cannot serve metrics at --metrics-listen ${host}:${port}: ${error.message}`, fix));
    });
    server.listen(port, host, resolve);
  });
  return () => {
    server.close();
    server.closeAllConnections();
  };
}

async function answer(pages: Pages, url: string, response: ServerResponse): Promise<void> {
  const failed = (error: unknown): Page => ({ status: 500, text: `${messageOf(error)}\n` });
  const { status = 200, type = 'text/plain; charset=utf-8', text } = await pageAt(pages, url).catch(failed);
  response.writeHead(status, { 'content-type': type }).end(text);
}

/** A probe may add a query, as `/readyz?verbose`. */
async function pageAt(pages: Pages, url: string): Promise<Page> {
  const [path = ''] = url.split('?');
  const page = Object.hasOwn(pages, path) ? pages[path] : undefined;
  return page?.() ?? { status: 404, text: `try ${Object.keys(pages).join(', ')}\n` };
}
