import { describe, expect, test } from 'vitest';
import type { Fate } from '../../../../../src/infoblox/host.ts';
import { fateOf, type Recorded, type Seen } from '../../../../../src/modes/daemon/host/liveness.ts';

const boot = { bootId: 'boot-1', bootedAt: 1_000_000, uptime: null };
const container: Recorded = { id: '4:17', place: '26:3', boot, processStart: null };
const inItsOwn: Recorded = { ...container, above: '26:1' };
const ofProcess: Recorded = { ...container, processStart: 500 };

const upFor = (uptime: number): Recorded => ({ ...container, boot: { ...boot, uptime } });

const absent = { kind: 'absent' } as const;
const other = { kind: 'other' } as const;
const unclear = { kind: 'unclear' } as const;
const same = { kind: 'namespace', id: '4:17' } as const;
const another = { kind: 'namespace', id: '4:18' } as const;

const seen = (at: Seen['at'], over: Partial<Seen> = {}): Seen => ({ at, place: '26:3', boot, ...over });
const randomBootId = { bootId: 'boot-of-this-start', bootedAt: 1_000_001, uptime: null };
const clockWasSet = { bootId: 'boot-1', bootedAt: 900_000, uptime: null };
const rebooted = { bootId: 'boot-2', bootedAt: 1_000_300, uptime: null };
const reboot = (uptime: number | null, bootId = 'boot-2') => ({ bootId, bootedAt: 1_000_001, uptime });
const process = (start: number) => ({ process: { start } });

const table: readonly [string, Recorded, Seen, Fate][] = [
  ['the same namespace exists', container, seen(same), 'alive'],
  ['the same exists, under a new boot ID at each start', container, seen(same, { boot: randomBootId }), 'alive'],
  ['the same exists, after an apparent reboot', container, seen(same, { boot: rebooted }), 'alive'],
  ['the same exists, seen through another place', container, seen(same, { place: '26:4' }), 'alive'],

  ['it is missing', container, seen(absent), 'gone'],
  ['another namespace has its path', container, seen(another), 'gone'],
  ['another file has its path, as its mount may be invisible', container, seen(other), 'unknown'],
  ['it cannot be looked at', container, seen(unclear), 'unknown'],

  ['it is missing, but the place is another one', container, seen(absent, { place: '26:4' }), 'unknown'],
  ['it is missing, and so is the place', container, seen(absent, { place: undefined }), 'unknown'],
  ['it is missing, and the place was not recorded', { ...container, place: undefined }, seen(absent), 'unknown'],
  [
    'it is missing, and the place is neither recorded nor visible',
    { ...container, place: undefined },
    seen(absent, { place: undefined }),
    'unknown',
  ],

  [
    'its directory is missing from the same parent',
    inItsOwn,
    seen(absent, { place: undefined, above: '26:1' }),
    'gone',
  ],
  [
    'its directory is missing from another parent',
    inItsOwn,
    seen(absent, { place: undefined, above: '26:9' }),
    'unknown',
  ],
  ['its directory is another one, whatever the parent', inItsOwn, seen(absent, { place: '26:4' }), 'unknown'],
  [
    'its directory is missing, and the parent was not recorded',
    container,
    seen(absent, { place: undefined, above: '26:1' }),
    'unknown',
  ],

  [
    'it is missing, and the uptime is lower',
    upFor(90),
    seen(absent, { place: '26:4', boot: reboot(89) }),
    'gone with its boot',
  ],
  [
    'another one has its path, and the uptime is lower',
    upFor(90),
    seen(another, { place: '26:4', boot: reboot(89) }),
    'unknown',
  ],
  ['the same exists, and the uptime seems lower', upFor(90), seen(same, { boot: reboot(89) }), 'alive'],
  [
    'it is missing, and the uptime is not lower',
    upFor(90),
    seen(absent, { place: '26:4', boot: reboot(90) }),
    'unknown',
  ],
  [
    'it is missing under the same boot ID, whatever the uptime',
    upFor(90),
    seen(absent, { place: '26:4', boot: reboot(5, 'boot-1') }),
    'unknown',
  ],
  [
    'it is missing, and the uptime is unknown',
    upFor(90),
    seen(absent, { place: '26:4', boot: reboot(null) }),
    'unknown',
  ],
  [
    'it is missing, and the uptime was not recorded',
    container,
    seen(absent, { place: '26:4', boot: reboot(5) }),
    'unknown',
  ],

  ['it is missing in another place after a reboot', container, seen(absent, { place: '26:4', boot: rebooted }), 'gone'],
  [
    'another one has its path in another place after a reboot',
    container,
    seen(another, { place: '26:4', boot: rebooted }),
    'gone',
  ],
  ['another file has its path after a reboot', container, seen(other, { boot: rebooted }), 'gone'],
  [
    'it is missing in another place, and only the boot ID differs',
    container,
    seen(absent, { place: '26:4', boot: randomBootId }),
    'unknown',
  ],
  [
    'it is missing in another place after the clock was set',
    container,
    seen(absent, { place: '26:4', boot: clockWasSet }),
    'unknown',
  ],
  [
    'it is missing in another place, recorded without the time of the boot',
    { ...container, boot: { ...boot, bootedAt: null } },
    seen(absent, { place: '26:4', boot: rebooted }),
    'unknown',
  ],
  [
    'it is missing in another place, recorded without a boot ID',
    { ...container, boot: { ...boot, bootId: null } },
    seen(absent, { place: '26:4', boot: rebooted }),
    'unknown',
  ],

  ['its process is in it', ofProcess, seen(same, process(500)), 'alive'],
  ['its process has moved, as a child may still be in it', ofProcess, seen(another, process(500)), 'unknown'],
  ['its process is a zombie, as another thread may be alive', ofProcess, seen(absent, process(500)), 'unknown'],
  ['its process has ended', ofProcess, seen(absent, { process: 'absent' }), 'gone'],
  ['its process has ended, and another one has the ID', ofProcess, seen(another, process(900)), 'gone'],
  ['another process with the ID is in it', ofProcess, seen(same, process(900)), 'alive'],
  ['its process cannot be looked at', ofProcess, seen(unclear, { process: 'unclear' }), 'unknown'],
  ['another /proc does not show its process', ofProcess, seen(absent, { place: '4:2', process: 'absent' }), 'unknown'],
  ['another process has the ID, and the start was not recorded', container, seen(another, process(900)), 'unknown'],
];

describe('the fate of a recorded namespace', () => {
  test.each(table)('when %s', (_, recorded, now, fate) => {
    expect(fateOf(recorded, now)).toBe(fate);
  });
});
