/** Well-formed answers that do not fit the request. They never lead to a write. */

import { createSecureServer } from 'node:http2';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import fc from 'fast-check';
import * as v from 'valibot';
import { afterEach, describe, expect, test } from 'vitest';
import { hostClock } from '../../../../src/infoblox/concurrency/clock.ts';
import { type GridError, hasReason } from '../../../../src/infoblox/errors.ts';
import { createAgent } from '../../../../src/infoblox/wapi/connection/agent.ts';
import { createTransport } from '../../../../src/infoblox/wapi/connection/transport.ts';
import { objectsOf } from '../../../../src/infoblox/wapi/objects.ts';
import { referenceTo, urlPath } from '../../../../src/infoblox/wapi/request.ts';
import { searchPages } from '../../../../src/infoblox/wapi/search.ts';
import { until } from '../../../fixture/host.ts';
import { type Certificate, makeCertificate } from '../../../simulator/http/certificate.ts';
import { useGridAndHost, writes } from '../grid-and-host.ts';
import { failureOf, inTime, openSession } from './session-fixture.ts';

const onTheGrid = useGridAndHost({ attributes: ['VM ID'] });

const json = (status: number, value: unknown) => ({
  ...({ kind: 'status', status, body: JSON.stringify(value), contentType: 'application/json' } as const),
});

describe('a malicious reference', () => {
  const references = [
    ['the directory above', 'fixedaddress/../networkview/ZG5zLm5ldHdvcmtfdmlldyQw:default/true'],
    ['an object of another type', 'networkview/ZG5zLm5ldHdvcmtfdmlldyQw:default/true'],
    ['the directory above its name', 'fixedaddress/ZG5z:10.0.0.2/../../networkview/ZG5zLm5ldHdvcmtfdmlldyQw'],
    ['the same, encoded', 'fixedaddress/ZG5z:10.0.0.2/%2E%2e/%2e./networkview/ZG5zLm5ldHdvcmtfdmlldyQw'],
    ['the same by backslashes', 'fixedaddress/ZG5z:10.0.0.2\\..\\..\\networkview\\ZG5zLm5ldHdvcmtfdmlldyQw'],
    ['the same with a tab, which URLs drop', 'fixedaddress/.\t./networkview/ZG5zLm5ldHdvcmtfdmlldyQw:default/true'],
    ['nowhere, at length', `fixedaddress/ZG5z:${'/'.repeat(5_000)}`],
  ] as const;

  test.each(references)('to %s is refused', (_, reference) => {
    expect(v.is(referenceTo('fixedaddress'), reference)).toBe(false);
  });

  test('to the directory above deletes nothing', async () => {
    const [[, _ref]] = references;
    const { grid, host } = onTheGrid;
    await host.add('c1');
    const real = grid.fixedAddresses().find(({ comment }) => comment?.includes('container=c1 '));
    const { ipv4addr, comment, mac, match_client } = real ?? {};
    const found = { result: [{ _ref, ipv4addr, network_view: 'default', comment, mac, match_client }] };
    grid.clearLog();
    const disarm = grid.inject({ method: 'GET', type: 'fixedaddress', times: 99, effect: json(200, found) });
    await host.del('c1');
    expect(writes(grid)).toEqual([]);
    disarm();
    await until('it is released', () => writes(grid).length > 0);
    expect(writes(grid)).toEqual(['DELETE fixedaddress 200']);
    expect(grid.fixedAddresses().map((object) => object.comment)).not.toContain(comment);
  });

  test.each([
    'fixedaddress/ZG5zLmZpeGVkX2FkZHJlc3MkMTAuMC4wLjIuMC4u:10.0.0.2/default',
    'fixedaddress/ZG5zLmZpeGVkX2FkZHJlc3MkMTAuMC4wLjIuMC4u',
    'fixedaddress/ZG5z_-+=:10.0.0.2/a%20view%2Fof%3F%C3%A9..%2e',
  ])('does not look like the valid %s', (reference) => {
    expect(v.is(referenceTo('fixedaddress'), reference)).toBe(true);
  });

  test('is always refused if a URL would resolve it outside its type', () => {
    const pieces = fc.constantFrom(
      'fixedaddress/',
      '..',
      '.',
      '%2e',
      '/',
      ':',
      'networkview',
      '\\',
      '\t',
      '?',
      '#',
      '@',
      '%',
      'é',
    );
    const texts = fc
      .array(fc.oneof(pieces, fc.string({ unit: 'binary', maxLength: 3 })))
      .map((parts) => parts.join(''));
    const property = fc.property(texts, (text) => {
      const reference = `fixedaddress/ZG5z${text}`;
      if (!v.is(referenceTo('fixedaddress'), reference)) return;
      expect(new URL(`https://grid.example/wapi/v2.3/${urlPath(reference)}`).pathname).toMatch(
        /^\/wapi\/v2\.3\/fixedaddress\/ZG5z/,
      );
    });
    fc.assert(property, { numRuns: 2_000 });
  });
});

test('a view with special characters of URLs in its name is used like any other', async () => {
  const { grid, host } = onTheGrid;
  const ipam = { 'network-view': 'a?b#c/d e%é..' };
  await host.add('c1', { ipam });
  await host.del('c1', { ipam });
  expect(grid.fixedAddresses(ipam['network-view']).map(({ name }) => name)).toEqual(['gateway']);
});

test.each(['constructor', '__proto__', 'toString', 'VM ID'])(
  'a refused attribute "%s" costs at most one more request',
  async (name) => {
    const { grid, host } = onTheGrid;
    await host.add('c1');
    grid.clearLog();
    const text = `Unknown extensible attribute: ${name}`;
    const refusal = json(400, { Error: 'AdmConProtoError', code: 'Client.Ibap.Proto', text });
    grid.inject({ method: 'POST', type: 'fixedaddress', times: 9999, effect: refusal });
    await failureOf(host.add('c2'));
    expect(writes(grid).length).toBeLessThanOrEqual(2);
  },
);

describe('a search', () => {
  const search = (maxPages: number) => {
    const { grid } = onTheGrid;
    const session = openSession({ port: grid.port });
    const what = { ...objectsOf[4].reservation, query: {}, fields: 'ipv4addr', maxPages };
    return { session, results: searchPages(session, what, inTime()) };
  };
  const object = { _ref: 'fixedaddress/ZG5z:10.0.0.2/default', ipv4addr: '10.0.0.2' };

  async function end(maxPages: number): Promise<{ count: number; error: unknown }> {
    const { session, results } = search(maxPages);
    let count = 0;
    try {
      for await (const _ of results) count += 1;
      return { count, error: undefined };
    } catch (error) {
      return { count, error };
    } finally {
      await session.close(inTime());
    }
  }

  test('with endless pages is aborted with an error', async () => {
    const endless = json(200, { result: [object], next_page_id: 'on-and-on' });
    onTheGrid.grid.inject({ method: 'GET', type: 'fixedaddress', times: 9999, effect: endless });
    const { count, error } = await end(20);
    expect(count).toBe(20);
    expect(error).toMatchObject({
      reason: 'bad-answer',
      message: 'GET fixedaddress: the search has more than 20 pages of results',
      hint: expect.stringContaining('does not seem to end'),
    });
  });

  test.each([
    ['more results than were asked for', { result: Array(1001).fill(object) }, 'at most 1000 results'],
    ['a page ID too long for a URL', { result: [], next_page_id: 'x'.repeat(5_000) }, 'at most 4096 characters'],
    ['a comment too long for any grid', { result: [{ ...object, comment: 'x'.repeat(2_000) }] }, 'at most 1024 char'],
    ['an invalid address', { result: [{ ...object, ipv4addr: '10.0.0.2 ' }] }, 'an IPv4 address'],
  ])('with %s is refused', async (_, answer, expected) => {
    onTheGrid.grid.inject({ method: 'GET', type: 'fixedaddress', times: 9999, effect: json(200, answer) });
    const { error } = await end(3);
    expect(hasReason(error, 'bad-answer')).toBe(true);
    expect((error as GridError).message).toContain(expected);
    expect((error as GridError).message.length).toBeLessThan(300);
  });
});

describe('the answer on the wire', () => {
  const open: { close(): unknown }[] = [];
  let certificate: Certificate | undefined;
  afterEach(async () => {
    for (const each of open.splice(0)) await each.close();
    await certificate?.remove();
  });

  async function answerOf(
    server: { listen(port: number, host: string, ready: () => void): unknown; address(): unknown },
    method: 'GET' | 'POST' = 'GET',
  ) {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const transport = createTransport(createAgent({ verify: false }, 2), hostClock());
    open.push(transport);
    const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    return transport.exchange({ method, url, about: 'x', writes: false, headers: {}, signal: inTime() });
  }

  test('is HTTP/1.1, even if the grid offers HTTP/2', async () => {
    certificate = await makeCertificate();
    const server = createSecureServer({ ...certificate, allowHTTP1: true }, (request, response) => {
      response.end(request.httpVersion);
    });
    open.push(server);
    expect((await answerOf(server)).body).toBe('1.1');
  });

  test('is assembled from any number of pieces', async () => {
    certificate = await makeCertificate();
    const text = JSON.stringify('añ€😀'.repeat(3_000));
    const server = createServer(certificate, async (_, response) => {
      for (const byte of Buffer.from(text)) response.write(Buffer.from([byte]));
      response.end();
    });
    open.push(server);
    expect((await answerOf(server)).body).toBe(text);
  });

  test.each([
    ['a list', 200, 'GET', 2_097_152],
    ['an object', 200, 'POST', 262_144],
    ['a refusal', 400, 'GET', 262_144],
  ] as const)('is read up to a limit, if it is %s', async (_, status, method, most) => {
    certificate = await makeCertificate();
    let size = most;
    const server = createServer(certificate, (_request, response) => {
      response.writeHead(status).end('x'.repeat(size));
    });
    open.push(server);
    expect((await answerOf(server, method)).body).toHaveLength(most);
    server.close();
    size += 1;
    const failure = await failureOf(answerOf(server, method));
    expect(failure).toMatchObject({
      reason: 'bad-answer',
      message: expect.stringContaining(`more than ${most} bytes`),
    });
  });
});
