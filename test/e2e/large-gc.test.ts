/** GC of a host with tens of thousands of containers: libcni names each of them under two keys. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { maxConfigBytes, maxGcConfigBytes } from '../../src/modes/protocol.ts';
import { until } from '../fixture/host.ts';
import { failure } from './built-host.ts';
import { useBuiltHost } from './built-host-fixture.ts';

const fixture = useBuiltHost();

/** Makes the longest possible list of attachments: both keys, and 64 digits for each container. */
function configOf(bytes: number): Record<string, unknown> {
  const entry = (index: number) => ({ containerID: index.toString(16).padStart(64, '0'), ifname: 'eth0' });
  const count = Math.floor((bytes - 2_000) / 2 / (JSON.stringify(entry(0)).length + 1));
  const list = [
    { containerID: 'alive', ifname: 'eth0' },
    ...Array.from({ length: count - 1 }, (_, index) => entry(index)),
  ];
  return { 'cni.dev/valid-attachments': list, 'cni.dev/attachments': list };
}

/** Returns the daemon's peak memory in MiB. */
function peakMemory(): number {
  const status = readFileSync(`/proc/${fixture.host.daemon.pid}/status`, 'utf8');
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) / 1024;
}

test('a GC with a list of 16 MiB releases attachments outside it, and the daemon stays within its memory', async () => {
  await fixture.host.add('alive');
  await fixture.host.add('dead');
  const stdin = JSON.stringify(fixture.host.config({ config: configOf(maxGcConfigBytes) }));
  expect(await fixture.host.call('GC', { stdin })).toMatchObject({ exitCode: 0, stdout: '', stderr: '' });
  const comments = fixture.grid.fixedAddresses().map(({ comment }) => comment);
  expect(comments.filter((comment) => comment?.includes('container=alive '))).toHaveLength(1);
  expect(comments.filter((comment) => comment?.includes('container=dead '))).toHaveLength(0);
  // Of several at once, one is served, and the others fail with "try again".
  const calls = await Promise.all(Array.from({ length: 6 }, () => fixture.host.call('GC', { stdin })));
  const codes = calls.map((call) => (call.exitCode === 0 ? 0 : failure(call).code));
  expect(codes).toContain(0);
  expect(codes.filter((code) => code !== 0 && code !== 11)).toEqual([]);
  // The unit's MemoryMax is 512 MiB.
  expect(peakMemory()).toBeLessThan(400);
});

test('an ADD with 1 MiB of routes is refused before the daemon reads it, and a DEL with them succeeds', async () => {
  await fixture.host.add('routed');
  const routes = { routes: Array.from({ length: 340_000 }, () => ({})) };
  const calls = await Promise.all(
    Array.from({ length: 6 }, () => fixture.host.call('ADD', { containerId: 'routed', ipam: routes })),
  );
  for (const call of calls) {
    expect(failure(call)).toMatchObject({ code: 7, msg: expect.stringContaining('is longer than 64 KiB') });
  }
  const padded = { containerId: 'routed', config: { padding: 'x'.repeat(900_000) } };
  expect(await fixture.host.call('ADD', padded)).toMatchObject({ exitCode: 0 });
  expect(await fixture.host.call('DEL', { containerId: 'routed', ipam: routes })).toMatchObject({
    exitCode: 0,
    stdout: '',
  });
  const isReserved = () => fixture.grid.fixedAddresses().some(({ comment }) => comment?.includes('container=routed '));
  await until('it is released', () => !isReserved());
});

test('a GC with more than 16 MiB is refused, and any other command with more than 1 MiB', async () => {
  const { code, msg } = failure(await fixture.host.call('GC', { config: { padding: 'x'.repeat(maxGcConfigBytes) } }));
  expect({ code, msg }).toEqual({ code: 5, msg: 'the network configuration on stdin is larger than 16 MiB' });
  for (const command of ['ADD', 'DEL', 'CHECK', 'STATUS'] as const) {
    const refusal = failure(await fixture.host.call(command, { config: { padding: 'x'.repeat(maxConfigBytes) } }));
    expect(refusal).toMatchObject({ code: 5, msg: 'the network configuration on stdin is larger than 1 MiB' });
  }
});
