import { describe, expect, test } from 'vitest';
import type { Fate } from '../../../../../src/infoblox/host.ts';
import { fateOf, type Recorded, type Seen } from '../../../../../src/modes/daemon/host/liveness.ts';

const boot = { id: 'boot-1', at: 1_000_000 };
const container: Recorded = { id: '4:17', place: '26:3', boot, processStart: undefined };
const inItsOwn: Recorded = { ...container, above: '26:1' };
const ofProcess: Recorded = { ...container, processStart: 500 };

const upFor = (uptime: number): Recorded => ({ ...container, boot: { ...boot, uptime } });

const absent = { kind: 'absent' } as const;
const other = { kind: 'other' } as const;
const unclear = { kind: 'unclear' } as const;
const same = { kind: 'namespace', id: '4:17' } as const;
const another = { kind: 'namespace', id: '4:18' } as const;

const seen = (at: Seen['at'], over: Partial<Seen> = {}): Seen => ({ at, place: '26:3', boot, ...over });
const randomBootId = { id: 'boot-of-this-start', at: 1_000_001 };
const clockWasSet = { id: 'boot-1', at: 900_000 };
const rebooted = { id: 'boot-2', at: 1_000_300 };
const reboot = (uptime: number | undefined, id = 'boot-2') => ({ id, at: 1_000_001, uptime });
const process = (start: number) => ({ process: { start } });

const table: readonly [string, Recorded, Seen, Fate][] = [
  ['the same namespace is there', container, seen(same), 'alive'],
  ['the same, under a boot ID that is made anew at each start', container, seen(same, { boot: randomBootId }), 'alive'],
  ['the same, after what looks like a reboot', container, seen(same, { boot: rebooted }), 'alive'],
  ['the same, seen through another place', container, seen(same, { place: '26:4' }), 'alive'],

  ['nothing is there', container, seen(absent), 'gone'],
  ['another namespace is there', container, seen(another), 'gone'],
  ['something is there that is no namespace: its mount may be out of sight', container, seen(other), 'unknown'],
  ['it cannot be looked at', container, seen(unclear), 'unknown'],

  ['nothing is there, but that is another place', container, seen(absent, { place: '26:4' }), 'unknown'],
  ['nothing is there, and no place either', container, seen(absent, { place: undefined }), 'unknown'],
  ['nothing is there, and the place was not noted', { ...container, place: undefined }, seen(absent), 'unknown'],
  [
    'nothing is there, and the place neither was noted nor can be seen',
    { ...container, place: undefined },
    seen(absent, { place: undefined }),
    'unknown',
  ],

  [
    'its directory has gone from the directory above',
    inItsOwn,
    seen(absent, { place: undefined, above: '26:1' }),
    'gone',
  ],
  ['its directory has gone from another one', inItsOwn, seen(absent, { place: undefined, above: '26:9' }), 'unknown'],
  ['its directory is another one, in whatever directory', inItsOwn, seen(absent, { place: '26:4' }), 'unknown'],
  [
    'its directory has gone, and the directory above was not noted',
    container,
    seen(absent, { place: undefined, above: '26:1' }),
    'unknown',
  ],

  [
    'nothing is there, under a kernel that has run for less long',
    upFor(90),
    seen(absent, { place: '26:4', boot: reboot(89) }),
    'gone with its boot',
  ],
  [
    'another is there, under a kernel that has run for less long',
    upFor(90),
    seen(another, { place: '26:4', boot: reboot(89) }),
    'unknown',
  ],
  [
    'the same is there, under a kernel that seems to have run for less long',
    upFor(90),
    seen(same, { boot: reboot(89) }),
    'alive',
  ],
  [
    'nothing is there, under a kernel that has run for longer',
    upFor(90),
    seen(absent, { place: '26:4', boot: reboot(90) }),
    'unknown',
  ],
  [
    'nothing is there, under one boot ID, whatever the kernel says',
    upFor(90),
    seen(absent, { place: '26:4', boot: reboot(5, 'boot-1') }),
    'unknown',
  ],
  [
    'nothing is there, and the kernel cannot be asked for how long it has run',
    upFor(90),
    seen(absent, { place: '26:4', boot: reboot(undefined) }),
    'unknown',
  ],
  [
    'nothing is there, and for how long the kernel had run was not noted',
    container,
    seen(absent, { place: '26:4', boot: reboot(5) }),
    'unknown',
  ],

  ['elsewhere, after a reboot', container, seen(absent, { place: '26:4', boot: rebooted }), 'gone'],
  ['another, elsewhere, after a reboot', container, seen(another, { place: '26:4', boot: rebooted }), 'gone'],
  ['no namespace there, after a reboot', container, seen(other, { boot: rebooted }), 'gone'],
  ['elsewhere, under another boot ID alone', container, seen(absent, { place: '26:4', boot: randomBootId }), 'unknown'],
  ['elsewhere, after the clock was set', container, seen(absent, { place: '26:4', boot: clockWasSet }), 'unknown'],
  [
    'elsewhere, noted without the time of the boot',
    { ...container, boot: { id: 'boot-1', at: undefined } },
    seen(absent, { place: '26:4', boot: rebooted }),
    'unknown',
  ],
  [
    'elsewhere, noted without a boot ID',
    { ...container, boot: { id: undefined, at: 1_000_000 } },
    seen(absent, { place: '26:4', boot: rebooted }),
    'unknown',
  ],

  ['the process is there, in its namespace', ofProcess, seen(same, process(500)), 'alive'],
  ['the process has moved: a child may live on in the namespace', ofProcess, seen(another, process(500)), 'unknown'],
  ['the process is a zombie: another thread may live on', ofProcess, seen(absent, process(500)), 'unknown'],
  ['the process has ended', ofProcess, seen(absent, { process: 'absent' }), 'gone'],
  ['the process has ended, its number is given to another', ofProcess, seen(another, process(900)), 'gone'],
  ['the process of that number lives in the namespace', ofProcess, seen(same, process(900)), 'alive'],
  ['the process cannot be looked at', ofProcess, seen(unclear, { process: 'unclear' }), 'unknown'],
  [
    'a process that another /proc does not show',
    ofProcess,
    seen(absent, { place: '4:2', process: 'absent' }),
    'unknown',
  ],
  ['another process, when its start was not noted', container, seen(another, process(900)), 'unknown'],
];

describe('the fate of a recorded namespace', () => {
  test.each(table)('when %s', (_, recorded, now, fate) => {
    expect(fateOf(recorded, now)).toBe(fate);
  });
});
