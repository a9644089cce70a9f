import { expect, test } from 'vitest';
import { attachmentMark, startOf } from '../../../../src/infoblox/mark.ts';
import { namesIn } from '../../../../src/modes/operator/commands/audit.ts';

test('a host of --hosts is recognised by its marks, even if its name is too long for them', () => {
  const long = 'a-host-with-a-name-that-is-longer-than-a-mark-has-room-for.example.com';
  const names = namesIn(`host-a  # in rack 7\n\n${long}\n# host-c\n`);
  const inMark = (node: string) =>
    startOf(attachmentMark({ cluster: 'cluster-1', node }, { network: 'net-1', containerId: 'c1', ifName: 'eth0' }))
      .node;
  expect(['host-a', long, 'host-b', 'host-c'].filter((node) => names.has(inMark(node)))).toEqual(['host-a', long]);
});
