/**
 * The fault matrix as a table: each fault, and the answer of each CNI command to it. The numbers are those of the list of
 * faults that this driver was designed against. Each command meets the fault in a world of its own.
 */
import { writeFileSync } from 'node:fs';
import type { Outcome } from '../../fixture/calls.ts';
import { passwordFile } from '../../fixture/world.ts';
import type { Effect, Grid } from '../../simulator/grid.ts';

export interface FaultRow {
  readonly number: number;
  readonly fault: string;
  /** Causes the fault. @returns a function that ends it */
  readonly arm: (grid: Grid) => (() => Promise<void> | void) | Promise<() => Promise<void>>;
  /** Milliseconds until the fault ends by itself during the command. Absent: it ends after the command. */
  readonly durationMs?: number;
  readonly ADD: Outcome;
  readonly DEL: Outcome;
  readonly CHECK: Outcome;
  readonly GC: Outcome;
  /** The answer after an ADD has met the fault, as STATUS itself sends no request. */
  readonly STATUS: Outcome;
}

const served = { ADD: 'ok', DEL: 'ok', CHECK: 'ok', GC: 'ok', STATUS: 'ok' } as const;
/** The grid cannot be asked: releases are deferred, and all other calls fail with "try again". */
const away = { ADD: 11, DEL: 'ok', CHECK: 11, GC: 11, STATUS: 50 } as const;
const always = Number.POSITIVE_INFINITY;

const nextWrite = (effect: Effect) => (grid: Grid) => grid.inject({ when: ({ method }) => method !== 'GET', effect });
const nextRead = (effect: Effect) => (grid: Grid) => grid.inject({ method: 'GET', effect });
const everything = (effect: Effect) => (grid: Grid) => grid.inject({ times: always, effect });
const everyWrite = (effect: Effect) => (grid: Grid) =>
  grid.inject({ when: ({ method }) => method !== 'GET', times: always, effect });

/** Takes every free address of the network. */
function exhaust(grid: Grid): () => void {
  const taken: string[] = [];
  for (let host = 2; host < 200; host += 1) {
    try {
      const reservation = { match_client: 'RESERVED', mac: '00:00:00:00:00:00', comment: 'servers' };
      taken.push(grid.add('fixedaddress', { ipv4addr: `10.0.0.${host}`, ...reservation }));
    } catch {
      // The address is taken already.
    }
  }
  const ranges = [grid.add('range', { start_addr: '10.0.0.211', end_addr: '10.0.0.254' })];
  return () => {
    for (const ref of [...taken, ...ranges]) grid.remove(ref);
  };
}

function coverWithRange(grid: Grid): () => void {
  const ranges = [
    ['10.0.0.1', '10.0.0.199'],
    ['10.0.0.211', '10.0.0.254'],
  ].map(([start_addr = '', end_addr = '']) => grid.add('range', { start_addr, end_addr }));
  return () => {
    for (const ref of ranges) grid.remove(ref);
  };
}

/** Changes the password on the grid. @returns a function that updates the daemon's file like the operator */
function changePassword(grid: Grid): () => void {
  grid.password = 'another';
  grid.expireSessions();
  return () => writeFileSync(passwordFile(grid), grid.password);
}

export const faults: readonly FaultRow[] = [
  { number: 2, fault: 'a write is refused with 502', arm: nextWrite({ kind: 'status', status: 502 }), ...served },
  {
    number: 2,
    fault: 'a write is carried out and answered 502',
    arm: nextWrite({ kind: 'status', status: 502, commit: true }),
    ...served,
  },
  { number: 2, fault: 'a write is lost with its connection', arm: nextWrite({ kind: 'reset' }), ...served },
  {
    number: 2,
    fault: 'a write is carried out, its answer lost',
    arm: nextWrite({ kind: 'reset', commit: true }),
    ...served,
  },
  { number: 2, fault: 'the answer to a write is cut in half', arm: nextWrite({ kind: 'truncate' }), ...served },
  { number: 2, fault: 'the answer to a write is empty', arm: nextWrite({ kind: 'empty', commit: true }), ...served },
  {
    number: 2,
    fault: 'a write is carried out 200 ms after its connection was lost',
    arm: nextWrite({ kind: 'commit-later', after: 200 }),
    ...served,
  },
  {
    number: 2,
    fault: 'a write is carried out 200 ms late and never answered',
    arm: nextWrite({ kind: 'commit-later', after: 200, answer: 'hang' }),
    ...served,
    ADD: 11,
  },
  { number: 8, fault: 'the grid is down', arm: pausing, ...away },
  { number: 8, fault: 'the grid is down for a second', arm: pausing, durationMs: 1_000, ...served },
  { number: 11, fault: 'every request takes 200 ms', arm: slow, ...served },
  { number: 11, fault: 'the grid hangs for 5 s', arm: hanging, durationMs: 5_000, ...served, ADD: 11, STATUS: 50 },
  { number: 11, fault: 'the grid answers nothing but 503', arm: everything({ kind: 'status', status: 503 }), ...away },
  {
    number: 12,
    fault: 'the grid is read-only',
    arm: (grid) => {
      grid.readOnly = true;
      return () => {
        grid.readOnly = false;
      };
    },
    ...served,
    ADD: 11,
    STATUS: 50,
  },
  {
    number: 13,
    fault: 'the session has expired',
    arm: (grid) => {
      grid.expireSessions();
      return () => {};
    },
    ...served,
  },
  { number: 13, fault: 'the password has changed', arm: changePassword, ...away, ADD: 103, CHECK: 103, GC: 103 },
  {
    number: 13,
    fault: 'the user may not write any more',
    arm: everyWrite({ kind: 'html', status: 403 }),
    ...served,
    ADD: 103,
    STATUS: 50,
  },
  { number: 15, fault: 'the network has no free address', arm: exhaust, ...served, ADD: 101, STATUS: 50 },
  { number: 16, fault: 'DHCP ranges cover the network', arm: coverWithRange, ...served, ADD: 101, STATUS: 50 },
  { number: 27, fault: 'a write is answered with an HTML page', arm: nextWrite({ kind: 'html' }), ...served },
  { number: 27, fault: 'a read is answered with an HTML page', arm: nextRead({ kind: 'html' }), ...served },
  { number: 27, fault: 'a read is answered with nothing', arm: nextRead({ kind: 'empty' }), ...served },
  { number: 27, fault: 'the answer to a read is cut in half', arm: nextRead({ kind: 'truncate' }), ...served },
  {
    number: 27,
    fault: 'a read is answered with 9 MB',
    arm: nextRead({ kind: 'oversize', bytes: 9_000_000 }),
    ...served,
  },
  {
    number: 27,
    fault: 'a write is carried out and answered with 9 MB',
    arm: nextWrite({ kind: 'oversize', bytes: 9_000_000, commit: true }),
    ...served,
  },
  {
    number: 27,
    fault: 'a read is refused with 414',
    arm: nextRead({ kind: 'html', status: 414 }),
    ...served,
    CHECK: 11,
    // GC first lists the reservations of this host. It releases the leases of the state, and reports that the list failed.
    GC: 11,
  },
  { number: 27, fault: 'what answers is no grid', arm: everything({ kind: 'html', status: 404 }), ...away },
  { number: 27, fault: 'the grid answers nothing but HTML pages', arm: everything({ kind: 'html' }), ...away },
];

async function pausing(grid: Grid): Promise<() => Promise<void>> {
  await grid.pause();
  return () => grid.resume();
}

function slow(grid: Grid): () => void {
  grid.latencyMs = 200;
  return () => {
    grid.latencyMs = 0;
  };
}

/** Hanging requests get no answer until the grid is restarted. */
function hanging(grid: Grid): () => Promise<void> {
  const disarm = grid.inject({ times: always, effect: { kind: 'hang' } });
  return async () => {
    disarm();
    await grid.pause();
    await grid.resume();
  };
}
