/** The HTTP server behind `--metrics-listen`: a few read-only pages for everyone who can reach the address. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { isIP, type Socket } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { messageOf } from '../../../errno.ts';
import { StartError } from '../start-error.ts';

const maxConnections = 32;
/** Milliseconds for one request, from the connection to the end of its answer. */
const maxConnectionMs = 10_000;

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

/**
 * Makes a page.
 * @param host the request's `Host` header, possibly empty
 */
type PageMaker = (host: string) => Page | Promise<Page>;
/** The pages by path. */
export type Pages = Readonly<Record<string, PageMaker>>;

/**
 * Serves pages, one request per connection. A page that fails is a 500 with the reason.
 * @returns a function that stops the server
 * @throws StartError if it cannot listen at the address
 */
export async function servePages({ host, port }: ListenAddress, pages: Pages): Promise<() => void> {
  const server = createServer((request, response) => void answer(pages, request, response));
  limitConnections(server);
  await once(server.listen(port, host), 'listening').catch((error) => {
    const fix = 'give --metrics-listen another port, or another address of this host';
    throw new StartError(`cannot serve metrics at --metrics-listen ${host}:${port}: ${error.message}`, fix);
  });
  return () => {
    server.close();
    server.closeAllConnections();
  };
}

/**
 * Caches a page for all clients, so that a flood of requests does not slow down calls of containers.
 * @param lifetimeMs how long to serve a page; 0 for the requests of one turn of the event loop
 */
export function shared(make: () => Promise<Page>, lifetimeMs: number): () => Promise<Page> {
  let page: Promise<Page> | undefined;
  const forget = () => {
    page = undefined;
  };
  return () => {
    if (page === undefined) {
      page = turn().then(make);
      page.then(() => (lifetimeMs === 0 ? forget() : setTimeout(forget, lifetimeMs).unref()), forget);
    }
    return page;
  };
}

/**
 * Refuses requests whose `Host` is neither an address nor a name of this host. Otherwise a browser that was led here by
 * another name (DNS rebinding) would let that site's scripts read the page.
 */
export function forOwnNames(names: readonly string[], make: PageMaker): PageMaker {
  const known = [...new Set(['localhost', ...names].map((name) => name.toLowerCase()))];
  return (host) => {
    const name = URL.parse(`http://${host}`)?.hostname.replace(/^\[|\]$/g, '') ?? '';
    if (isIP(name) !== 0 || known.includes(name)) return make(host);
    return { status: 421, text: `ask for this host by its address, or as ${known.join(' or ')}\n` };
  };
}

/** Limits connections: the oldest are closed to make room for new ones. */
function limitConnections(server: ReturnType<typeof createServer>): void {
  const connections = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    const [oldest] = connections;
    if (oldest !== undefined && connections.size >= maxConnections) {
      connections.delete(oldest);
      oldest.destroy();
    }
    const timer = setTimeout(() => socket.destroy(), maxConnectionMs);
    connections.add(socket);
    socket.once('close', () => {
      clearTimeout(timer);
      connections.delete(socket);
    });
  });
}

async function answer(pages: Pages, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { method, url = '', headers } = request;
  response.shouldKeepAlive = false;
  if (method !== 'GET' && method !== 'HEAD') return void response.writeHead(405, { allow: 'GET, HEAD' }).end();
  const failed = (error: unknown): Page => ({ status: 500, text: `${messageOf(error)}\n` });
  const page = await pageAt(pages, url, headers.host ?? '').catch(failed);
  const { status = 200, type = 'text/plain; charset=utf-8', text } = page;
  response.writeHead(status, {
    'content-type': type,
    'x-content-type-options': 'nosniff',
    'content-security-policy': "frame-ancestors 'none'",
    'cache-control': 'no-store',
  });
  response.end(text);
}

/** Makes the page of a URL. Probes may add a query, as in `/readyz?verbose`. */
async function pageAt(pages: Pages, url: string, host: string): Promise<Page> {
  const [path = ''] = url.split('?');
  const make = Object.hasOwn(pages, path) ? pages[path] : undefined;
  return make?.(host) ?? { status: 404, text: `try ${Object.keys(pages).join(', ')}\n` };
}
