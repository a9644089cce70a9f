import { aBlock, blockMarkOf } from '../../test/fixture/a-block.ts';
import { holdBlocks } from '../../test/fixture/held-blocks.ts';
import { type BenchHost, withHost } from '../bench-host.ts';
import { atMost, exactly, type Measurement, percentiles, plain, type Row, type Settings } from '../figure.ts';
import { interleave, median, ratio, timed } from '../samples.ts';
import { run } from '../whole-process.ts';

const latencyMs = 100;
/** Latency of a request, in milliseconds, that shows whether an ADD waits for one. */
const slowMs = 1_000;
const blockSize = 256;
const blocksOfHost = 4;
/** Concurrent ADDs. */
const crowd = 32;
const maxRatio = 1.1;

export const blocks: Measurement = {
  name: 'blocks',
  about:
    `whole processes of ADD, each with an address of a block of ${blockSize}, on two hosts in turns: one grid ` +
    `takes ${latencyMs} ms for each request, the other answers at once. In turns with them run ADDs that ask the ` +
    `slow grid. Then ${crowd} concurrent ADDs over each socket, in turns. The reservations are made in the ` +
    'background meanwhile.',
  run: ({ quick, progress }) =>
    withBlocks((near) =>
      withBlocks(async (far) => {
        await far.grid.ask({ latencyMs });
        return [
          ...(await oneByOne({ near, far }, { rounds: quick ? 12 : 100, progress })),
          ...(await atOnce({ near, far }, { rounds: quick ? 4 : 20, progress })),
          ...(await life(far)),
        ];
      }),
    ),
};

interface Hosts {
  readonly near: BenchHost;
  readonly far: BenchHost;
}

type Work = Pick<Settings, 'progress'> & { readonly rounds: number };

const ofBlock = (host: BenchHost, command: string) =>
  host.plugin(command, inNetwork(host, { 'block-size': blockSize }));

async function oneByOne({ near, far }: Hosts, { rounds, progress }: Work): Promise<Row[]> {
  progress(`blocks: ${rounds} rounds at 0 and at ${latencyMs} ms a request`);
  const took = await interleave(rounds, {
    near: () => run(ofBlock(near, 'ADD')).milliseconds,
    far: () => run(ofBlock(far, 'ADD')).milliseconds,
    asked: () => run(far.plugin('ADD', inNetwork(far, {}))).milliseconds,
  });
  const detail = `${median(took.far).toFixed(1)} to ${median(took.near).toFixed(1)} ms`;
  const name = 'ADD from a block';
  return [
    atMost(`${name}: at ${latencyMs} ms a request / at 0`, ratio(took.far, took.near), maxRatio, ' x', detail),
    percentiles(`  at ${latencyMs} ms`, took.far),
    percentiles('  at 0 ms', took.near),
    plain(`  ADD of the grid at ${latencyMs} ms / ADD from a block`, ratio(took.asked, took.far), ' x'),
  ];
}

async function atOnce({ near, far }: Hosts, { rounds, progress }: Work): Promise<Row[]> {
  progress(`blocks: ${crowd} at once, ${rounds} rounds`);
  let failures = 0;
  const add = (host: BenchHost) => async () => {
    const more = inNetwork(host, { 'block-size': blockSize });
    const names = Array.from({ length: crowd }, () => host.newContainer());
    const adds = () => Promise.allSettled(names.map((name) => host.call('ADD', name, more)));
    const { milliseconds, value } = await timed(adds);
    failures += value.filter(({ status }) => status === 'rejected').length;
    await host.grid.quiet();
    return milliseconds;
  };
  const took = await interleave(rounds, { near: add(near), far: add(far) });
  const rate = (milliseconds: readonly number[]) => (crowd / median(milliseconds)) * 1_000;
  const name = `${crowd} ADDs from a block at once`;
  const detail = `${rate(took.far).toFixed(0)} to ${rate(took.near).toFixed(0)} ADDs a second`;
  return [
    exactly(`${name}: failures`, failures, 0),
    atMost(`${name}: at ${latencyMs} ms a request / at 0`, ratio(took.far, took.near), maxRatio, ' x', detail),
  ];
}

/** Measures what one container costs, from its ADD to its end. */
async function life(host: BenchHost): Promise<Row[]> {
  const container = host.newContainer();
  const more = inNetwork(host, { 'block-size': blockSize });
  await host.grid.ask({ latencyMs: slowMs });
  const { milliseconds } = await timed(() => host.call('ADD', container, more));
  await host.grid.ask({ latencyMs: 0 });
  await host.grid.quiet();
  const { requests } = await host.grid.ask();
  const whole = host.newContainer();
  await host.call('ADD', whole, more);
  await host.grid.quiet();
  await host.call('DEL', whole, more);
  const after = await host.grid.quiet();
  return [
    exactly('requests that an ADD from a block waits for', Math.floor(milliseconds / slowMs), 0),
    exactly('requests of a container from a block, ADD and DEL', after.requests - requests, 3, 'in the background'),
  ];
}

/** Returns a network configuration with these keys added under `ipam`. */
function inNetwork(host: BenchHost, keys: Record<string, unknown>): Record<string, unknown> {
  const { ipam } = host.config();
  return { ipam: Object.assign({}, ipam, keys) };
}

/** Sets up a host with serving blocks. */
function withBlocks<T>(use: (host: BenchHost) => Promise<T>): Promise<T> {
  const network = '10.64.0.0/15';
  const held = Array.from({ length: blocksOfHost }, (_, index) =>
    aBlock({
      mark: blockMarkOf(index, 'bench'),
      network: 'bench',
      cidr: network,
      first: `10.64.${index + 1}.0`,
      size: blockSize,
      takenAt: Date.now(),
      usedAt: Date.now(),
    }),
  );
  const prepare = async (state: string, grid: BenchHost['grid']) => {
    await grid.ask({ network, ranges: holdBlocks(state, held) });
  };
  return withHost({ prepare }, async (host) => {
    // The first ADD that asks the grid looks up the network and its gateway.
    await host.call('ADD', host.newContainer());
    await host.blocksServe();
    return use(host);
  });
}
