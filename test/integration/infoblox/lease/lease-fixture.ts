/** The parts that work on leases, composed over a simulated grid and a state of their own, fresh for every test. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, vi } from 'vitest';
import { type Clock, hostClock } from '../../../../src/infoblox/concurrency/clock.ts';
import { Conditions } from '../../../../src/infoblox/conditions.ts';
import { buildCore } from '../../../../src/infoblox/core.ts';
import { GridState } from '../../../../src/infoblox/grid-state.ts';
import type { LeaseDeps } from '../../../../src/infoblox/lease/deps.ts';
import { defaultDoubtWindow } from '../../../../src/infoblox/lease/doubt.ts';
import type { Lease } from '../../../../src/infoblox/lease/lease.ts';
import { SqliteLeaseStore } from '../../../../src/infoblox/lease/store/sqlite-store.ts';
import { untraced } from '../../../../src/infoblox/log.ts';
import { attachmentMark, type Origin } from '../../../../src/infoblox/mark.ts';
import type { Session } from '../../../../src/infoblox/wapi/session.ts';
import { thisHost } from '../../../../src/modes/daemon/host/this-host.ts';
import { aLease, put } from '../../../fixture/a-lease.ts';
import type { LogLine } from '../../../fixture/host.ts';
import { intercept } from '../../../fixture/intercept.ts';
import { type Grid, startGrid } from '../../../simulator/grid.ts';
import { gridOver, inTime, openSession } from '../wapi/session-fixture.ts';

export const origin: Origin = { cluster: 'cluster-1', node: 'host-a' };

/** Returns the mark of a container of the host. */
export const markOf = (containerId: string) =>
  attachmentMark(origin, { network: 'net-1', containerId, ifName: 'eth0' });

export class LeaseFixture {
  readonly log: LogLine[] = [];
  /** Whether every commit of the state fails. */
  isFull = false;
  commits = 0;
  /** The called methods of the store, in order. */
  readonly calls: string[] = [];
  readonly grid: Grid;
  readonly store: SqliteLeaseStore;
  readonly deps: LeaseDeps;
  readonly #session: Session;
  readonly #directory: string;

  constructor(grid: Grid, clock: Clock = hostClock()) {
    this.grid = grid;
    this.#directory = mkdtempSync(join(tmpdir(), 'infoblox-cni-leases-'));
    this.#session = openSession({ port: grid.port });
    const conditions = new Conditions(clock);
    const aroundCommit = (commit: () => void) => {
      if (this.isFull) throw new Error('disk is full');
      this.commits += 1;
      commit();
    };
    const { store: opened } = SqliteLeaseStore.open(this.#directory, conditions, { clock, aroundCommit });
    this.store = intercept(opened, (method, _, run) => {
      this.calls.push(method);
      return run();
    });
    const port = gridOver(this.#session);
    const write =
      (level: string) =>
      (message: string, details: LogLine['details'] = {}) => {
        this.log.push({ level, message, details });
      };
    const log = { error: write('error'), warn: write('warn'), info: write('info'), debug: write('debug') };
    this.deps = buildCore({
      grid: port,
      learnAttributes: async () => {},
      gridState: new GridState(new Conditions(), clock),
      store: this.store,
      clock,
      host: { ...thisHost({ clock, log }), isOwnAddress: async () => false },
      settings: {
        origin,
        networkView: 'default',
        doubtWindow: defaultDoubtWindow,
        reapAfterMs: 0,
        blockValidityMs: 600_000,
        originalTenant: '',
        cooldownMs: 0,
      },
      conditions,
      trace: untraced,
      log,
    }).leases;
  }

  async end(): Promise<void> {
    this.isFull = false;
    await this.deps.locks.idle();
    await this.#session.close(inTime());
    this.store.close();
    await this.grid.stop();
    rmSync(this.#directory, { recursive: true });
  }

  /** Adds a reservation with the mark of a container to the grid. */
  reserve(containerId: string, address: string, over: Record<string, string> = {}): void {
    this.grid.add('fixedaddress', {
      ...{ ipv4addr: address, match_client: 'RESERVED', mac: '00:00:00:00:00:00', comment: markOf(containerId) },
      ...over,
    });
  }

  /** Adds a lease in phase `releasing` with its reservation. @returns its mark */
  releasing(containerId: string, address: string, over: Partial<Lease> = {}): string {
    const mark = markOf(containerId);
    this.reserve(containerId, address);
    put(this.store, aLease(mark, { phase: 'releasing', address, dueAt: this.deps.clock.now(), ...over }));
    return mark;
  }

  /** Runs `work`. @returns the number of leases written before each turn of the event loop that it yields, and before its end */
  async writesAtATime(work: () => Promise<void>): Promise<number[]> {
    const writes: number[] = [];
    const count = () => writes.push(this.calls.splice(0).filter((method) => method === 'apply').length);
    this.calls.length = 0;
    const { clock } = this.deps;
    const yielded = vi.spyOn(clock, 'turn').mockImplementation(() => {
      count();
      return new Promise((resolve) => setImmediate(resolve));
    });
    await work();
    yielded.mockRestore();
    count();
    return writes;
  }

  get warnings(): string[] {
    return this.log.filter(({ level }) => level === 'warn').map(({ message }) => message);
  }
}

/** Sets up a fixture for each test. @param clock makes its clock @returns a function that gives the current fixture */
export function useLeases(clock: () => Clock = hostClock): () => LeaseFixture {
  let fixture: LeaseFixture;
  beforeEach(async () => {
    fixture = new LeaseFixture(await startGrid(), clock());
    fixture.grid.add('network', { network: '10.0.0.0/24' });
  });
  afterEach(() => fixture.end());
  return () => fixture;
}
