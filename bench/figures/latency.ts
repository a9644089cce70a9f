import { withHost } from '../bench-host.ts';
import { atMost, type Measurement, plain, type Row, type Settings } from '../figure.ts';
import { interleave, median } from '../samples.ts';
import { run } from '../whole-process.ts';

const latencyMs = 100;

export const latency: Measurement = {
  name: 'latency',
  about:
    `ADD as a whole process while each WAPI request takes ${latencyMs} ms, against ${latencyMs} ms plus an empty Node process ` +
    'measured in turns. The original driver makes 6 to 8 requests: 611 to 813 ms.',
  run: measure,
};

async function measure({ quick, progress }: Settings): Promise<Row[]> {
  return withHost({}, async (host) => {
    await host.call('ADD', 'first');
    await host.grid.ask({ latencyMs });
    const rounds = quick ? 12 : 50;
    progress(`latency: ${rounds} rounds at ${latencyMs} ms a request`);
    const { add, node } = await interleave(rounds, {
      add: () => run(host.plugin('ADD')).milliseconds,
      node: () => run({ file: process.execPath, args: ['--eval', ''] }).milliseconds,
    });
    const least = latencyMs + median(node);
    const detail = `${median(add).toFixed(0)} to ${least.toFixed(0)} ms`;
    return [
      atMost(`ADD at ${latencyMs} ms a request / least possible`, median(add) / least, 1.5, ' x', detail),
      plain('  original (611 to 813 ms) / ours', 611 / median(add), ' x', `to ${(813 / median(add)).toFixed(1)} x`),
    ];
  });
}
