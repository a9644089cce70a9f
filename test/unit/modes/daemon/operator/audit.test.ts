import { expect, test } from 'vitest';
import { parseCidr } from '../../../../../src/infoblox/address.ts';
import type { LeaseDeps } from '../../../../../src/infoblox/lease/deps.ts';
import { attachmentMark, blockMark } from '../../../../../src/infoblox/mark.ts';
import type { GridInspection } from '../../../../../src/infoblox/wapi/inspection.ts';
import { clusterAuditHandler } from '../../../../../src/modes/daemon/operator/audit.ts';
import { ManualClock } from '../../../../fixture/manual-clock.ts';

const attachment = { network: 'net-1', containerId: 'c1', ifName: 'eth0' };
const network = parseCidr('10.0.0.0/24');

test.each(['cluster-1', 'a-cluster-with-a-name-that-is-longer-than-a-mark-has-room-for'])(
  'the hosts of %s are counted by the objects with their marks, altered or not, and those of another cluster are left out',
  async (cluster) => {
    const [node, other] = [
      { cluster, node: 'host-a' },
      { cluster: `${cluster}-2`, node: 'host-a' },
    ];
    const mark = attachmentMark(node, attachment);
    const comments = [mark, `${mark} (ticket 4711)`, attachmentMark(other, attachment)];
    const block = { network: 'net-1', machine: '0123abcd', id: '0123456789abcdef' };
    const grid = {
      async *listDescribed() {
        for (const comment of comments) {
          yield { comment, address: '10.0.0.2', view: 'default', isReserved: true, network, attributes: new Map() };
        }
      },
      ranges: async () =>
        [node, other].map((origin) => ({ comment: blockMark({ ...block, origin }), view: 'default', network })),
    };
    const deps = { grid, names: { present: node }, clock: new ManualClock() } as unknown as LeaseDeps;
    const inspection = { made: async () => [] } as unknown as GridInspection;
    const caller = { gone: new AbortController().signal, stopping: new AbortController().signal, tell: () => {} };
    const { result } = await clusterAuditHandler(deps, inspection).run({}, caller as never);
    expect(result.rows).toEqual([
      { host: 'host-a', network: 'net-1', view: 'default', addresses: 1, altered: 1, blocks: 1, lastReservedAt: null },
    ]);
  },
);
