import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { withHost } from '../bench-host.ts';
import { type Measurement, plain, type Row, type Settings } from '../figure.ts';
import { interleave, median, ratio } from '../samples.ts';
import { run } from '../whole-process.ts';

const places = ['/usr/lib/cni/host-local', '/opt/cni/bin/host-local'];

export const hostLocal: Measurement = {
  name: 'host-local',
  about:
    'whole processes of ADD in turns with host-local of the CNI project, which keeps its addresses in local ' +
    'files. host-local is a Go program of a few MB and the plugin a Node process, so host-local must be faster, ' +
    'and is.',
  run: measure,
};

async function measure({ quick, progress }: Settings): Promise<Row[]> {
  const file = places.find((place) => existsSync(place));
  if (file === undefined) {
    return [{ figure: 'ADD / host-local', target: '', measured: `left out: no host-local in ${places.join(', ')}` }];
  }
  const rounds = quick ? 20 : 80;
  progress(`host-local: ${rounds} rounds`);
  const dataDir = mkdtempSync(join(tmpdir(), 'infoblox-cni-bench-'));
  try {
    return await withHost({}, async (host) => {
      // Debian's host-local does not support 1.1.0 yet.
      const cniVersion = '1.0.0';
      const ipam = { type: 'host-local', dataDir, ranges: [[{ subnet: '10.64.0.0/15' }]] };
      const took = await interleave(rounds, {
        theirs: () => run({ ...host.plugin('ADD', { cniVersion, ipam }), file }).milliseconds,
        ours: () => run(host.plugin('ADD', { cniVersion })).milliseconds,
      });
      const detail = `${median(took.ours).toFixed(1)} to ${median(took.theirs).toFixed(1)} ms`;
      return [plain('ADD / host-local', ratio(took.ours, took.theirs), ' x', detail)];
    });
  } finally {
    rmSync(dataDir, { recursive: true });
  }
}
