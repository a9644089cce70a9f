/**
 * The argument of docs/architecture.md as a model: leases, `plan`, and a grid that loses answers and carries writes out
 * late, on natural keys, so that a late delete hits whoever has the address by then. No clock, no network, no database:
 * what fails here is wrong in the decision itself.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { GridError } from '../../../src/infoblox/errors.ts';
import { without } from '../../../src/infoblox/lease/act.ts';
import { afterReassign } from '../../../src/infoblox/lease/add/reassign.ts';
import {
  abandon,
  begin,
  bind,
  createInDoubt,
  deleteAnswered,
  deleteInDoubt,
  type Lease,
  recheck,
  settle,
  startRelease,
} from '../../../src/infoblox/lease/lease.ts';
import { type Found, type Look, plan, type Step } from '../../../src/infoblox/lease/plan.ts';

/** How a write ends: answered; carried out or dropped without an answer; on its way for a while without an answer. */
type Ending = 'answered' | 'done, answer lost' | 'dropped, answer lost' | 'late';

const window = { recheck: 10, end: 60 };
const addresses = ['.2', '.3', '.4', '.5'] as const;
const containers = ['c1', 'c2', 'c3'] as const;
type Container = (typeof containers)[number];
const sandbox = { netns: null, netnsId: null, processStart: null, bootId: null, bootedAt: null };
const workload = { containerId: 'c1' };

interface LateWrite {
  readonly kind: 'create' | 'delete' | 'reassign';
  readonly mark: string;
  readonly address: string | undefined;
  /** Of a reassignment: the new mark. */
  readonly owner?: string;
  readonly deadline: number;
}

/** How one round of look, decide and act goes. */
interface How {
  /** Of its writes, in order; those that are not named are answered. */
  readonly endings: Ending[];
  /** Set for an ADD: the address that it asks for, or `any`. */
  readonly wanted?: string | undefined;
  /** It looks at a grid host that lags behind. */
  lagging: boolean;
  /** An ADD has seen that the grid may hold more than it was shown. */
  doubtful?: boolean;
}

class LostAnswer extends Error {}
class NoFreeAddress extends Error {}
class Deleted extends Error {}
/** What ends an attempt: it is tried again later. */
const failures = [LostAnswer, NoFreeAddress, Deleted];
const isFailure = (error: unknown) => failures.some((kind) => error instanceof kind);

class World {
  now = 1_000;
  /** Address -> mark. */
  readonly grid = new Map<string, string>();
  readonly late: LateWrite[] = [];
  readonly state = new Map<string, Lease>();
  /** What live attachments were told. */
  readonly told = new Map<string, string>();
  /** Attachments whose reservation was removed by hand and has not been re-created yet. */
  readonly robbed = new Set<string>();
  readonly faults: string[] = [];
  /** What a grid host that lags behind still shows. */
  #past = new Map<string, string>();
  /** What happens while a write is under way: before it is carried out, or before its answer is here. */
  #meanwhile: { awaits: number; readonly happen: (world: World) => void } | undefined;

  get moment() {
    return { now: this.now, window };
  }

  /** Something comes in between: `awaits` counts the places where an attempt waits for the grid. */
  during(awaits: number, happen: (world: World) => void, attempt: () => void): void {
    this.#meanwhile = { awaits, happen };
    attempt();
    this.#meanwhile = undefined;
  }

  /** @param wanted an address that the attachment asks for, or `any` */
  add(mark: string, endings: Ending[], { wanted = 'any', lagging = false } = {}): void {
    // An attachment that has an address keeps it; a runtime that wants another one deletes it first.
    if (this.state.get(mark)?.phase === 'bound' && wanted !== 'any') return;
    try {
      const start = (lease: Lease | undefined) =>
        lease?.phase === 'bound'
          ? lease
          : begin(lease, { mark, network: 'n', view: 'v', sandbox, workload, callers: ['call'] }, this.moment);
      const address = this.#bring(mark, { endings, wanted, lagging }, start);
      if (address !== undefined) this.told.set(mark, address);
    } catch (error) {
      if (!isFailure(error)) throw error;
      const lease = this.state.get(mark);
      if (lease?.phase === 'pending') this.state.set(mark, startRelease(lease, 'unfinished', this.now));
    }
  }

  /** The daemon is killed while it waits for the answer to a create; the next one starts. */
  dieDuringAdd(mark: string, ending: Ending): void {
    const known = this.state.get(mark);
    if (known?.phase === 'bound') return;
    const lease = begin(known, { mark, network: 'n', view: 'v', sandbox, workload, callers: ['call'] }, this.moment);
    this.state.set(mark, lease);
    if (plan(lease, this.#look(mark, {}), this.moment).kind === 'create') {
      try {
        this.#create(mark, 'any', ending);
      } catch {
        // Nobody is there to learn of it.
      }
    }
    this.state.set(mark, abandon(lease, 'unfinished', this.moment));
  }

  del(mark: string): void {
    this.told.delete(mark);
    this.robbed.delete(mark);
    const lease = this.state.get(mark);
    if (lease !== undefined && lease.phase !== 'releasing') this.state.set(mark, abandon(lease, 'DEL', this.moment));
  }

  reconcile(endings: Ending[], lagging = false): void {
    for (const [mark, lease] of this.state) {
      if (lease.dueAt === null || lease.dueAt > this.now) continue;
      try {
        this.#bring(mark, { endings, lagging }, (found) => found);
      } catch (error) {
        if (!isFailure(error)) throw error;
        const left = this.state.get(mark);
        if (left !== undefined) this.state.set(mark, recheck(left, this.now + 1));
      }
    }
  }

  deliver(index: number): void {
    const [write] = this.late.splice(index % Math.max(this.late.length, 1), 1);
    if (write === undefined || write.deadline < this.now) return;
    if (write.kind === 'create') this.#take(write.mark, write.address ?? 'any');
    else if (write.kind === 'delete') this.#remove(write.mark, write.address ?? '');
    else this.#change(write.mark, write.address ?? '', write.owner ?? '');
  }

  /** Nobody removes by hand what is being deleted at this moment: which of the two deletes hits whom, nobody can know. */
  removeByHand(mark: string): void {
    const address = this.told.get(mark);
    const lease = this.state.get(mark);
    if (address === undefined || lease?.phase !== 'bound' || this.late.some((write) => write.address === address))
      return;
    this.grid.delete(address);
    this.robbed.add(mark);
    // As after a fail-over: what was given lately is looked at.
    this.state.set(mark, recheck(lease, this.now));
  }

  /** From now on a lagging host shows this. */
  lag(): void {
    this.#past = new Map(this.grid);
  }

  otherHostTakes(): void {
    this.#take('another host', 'any');
  }

  otherHostGivesBack(): void {
    const taken = [...this.grid].find(([, mark]) => mark === 'another host');
    if (taken !== undefined) this.grid.delete(taken[0]);
  }

  /** Time passes, but no write is late for ever. */
  pass(milliseconds: number): void {
    this.now += milliseconds;
    for (const write of this.late.filter(({ deadline }) => deadline <= this.now)) {
      this.late.splice(this.late.indexOf(write), 1);
    }
  }

  broken(): string[] {
    const told = [...this.told];
    for (const mark of this.robbed) if (this.grid.get(this.told.get(mark) ?? '') === mark) this.robbed.delete(mark);
    return [
      ...this.faults,
      ...told
        .filter(([mark, address]) => this.grid.get(address) !== mark && !this.robbed.has(mark))
        .map(([mark, address]) => `${mark} lost ${address}`),
      ...(new Set(this.told.values()).size < told.length ? ['two attachments were told one address'] : []),
    ];
  }

  /** The loop that every caller of `plan` runs: look, decide, act. @returns the address of a lease that is bound */
  #bring(mark: string, how: How, start: (lease: Lease | undefined) => Lease | undefined): string | undefined {
    const first = start(this.state.get(mark));
    if (first === undefined) return undefined;
    this.state.set(mark, first);
    let look: Look | undefined;
    for (let turn = 0; turn < 12; turn += 1) {
      look ??= this.#look(mark, how);
      const lease = this.state.get(mark);
      if (lease === undefined) return undefined;
      if (how.wanted !== undefined && lease.phase === 'releasing') throw new Deleted();
      how.doubtful ||= look.unconfirmed !== undefined;
      const next = this.#act(lease, look, { step: plan(lease, look, this.moment), how });
      if (next === 'done') return this.state.get(mark)?.address ?? undefined;
      look = next === 'look' ? undefined : next;
    }
    throw new LostAnswer();
  }

  /** @returns what the grid shows then, as far as is known; `look` if it has to be looked at */
  #act(lease: Lease, look: Look, { step, how }: { readonly step: Step; readonly how: How }): Look | 'look' | 'done' {
    const { mark } = lease;
    const apply = (transition: (current: Lease) => Lease) => this.#apply(mark, transition);
    const ending = () => how.endings.shift() ?? 'answered';
    switch (step.kind) {
      case 'create':
        try {
          const address = this.#create(mark, how.wanted ?? 'any', ending());
          const before = look.unconfirmed === undefined ? look.found : [];
          return this.#fitting({ found: [...before, { ...this.#found(mark, address), fresh: true }] }, how);
        } catch (error) {
          if (!(error instanceof LostAnswer)) throw error;
          apply((current) => createInDoubt(current, this.moment));
          how.doubtful = true;
          return 'look';
        }
      case 'recreate':
        apply((current) => createInDoubt(current, this.moment));
        this.#create(mark, lease.address ?? 'any', ending());
        how.lagging = false;
        return lease.phase === 'bound' && how.wanted === undefined ? 'done' : 'look';
      case 'adopt': {
        const isDoubtful = step.surplus.length > 0 || how.doubtful === true;
        apply((current) =>
          bind(isDoubtful ? createInDoubt(current, this.moment) : current, step.object.address, this.moment),
        );
        return 'done';
      }
      case 'remove':
        apply((current) => deleteInDoubt(current, this.moment));
        for (const { address } of step.objects) this.#delete(mark, address, ending());
        apply((current) => deleteAnswered(current, lease));
        return without(look, step.objects);
      case 'reassign': {
        const { owner, ...object } = step.object;
        // The owner's lock is waited for.
        this.#await();
        const newOwner = this.state.get(owner);
        if (newOwner?.phase !== 'bound' || newOwner.address !== object.address) {
          return afterReassign(look, step.object, object);
        }
        this.#apply(owner, (current) => createInDoubt(current, this.moment));
        apply((current) => deleteInDoubt(current, this.moment));
        this.#reassign(mark, object.address, owner, ending());
        apply((current) => deleteAnswered(current, lease));
        return afterReassign(look, step.object, undefined);
      }
      case 'look again':
        // An ADD waits a moment only; what a bound lease has been told it is told again.
        if (how.wanted !== undefined && lease.phase === 'pending') throw new LostAnswer();
        apply((current) => recheck(current, step.at));
        return 'done';
      case 'forget':
        this.state.delete(mark);
        return 'done';
      case 'nothing':
        apply((current) => settle(current, this.moment));
        return 'done';
      case 'refuse':
        throw new Error('there is one view here');
    }
  }

  #apply(mark: string, transition: (lease: Lease) => Lease): void {
    const lease = this.state.get(mark);
    if (lease !== undefined) this.state.set(mark, transition(lease));
  }

  /** The grid is being waited for. */
  #await(): void {
    if (this.#meanwhile === undefined) return;
    this.#meanwhile.awaits -= 1;
    if (this.#meanwhile.awaits >= 0) return;
    const { happen } = this.#meanwhile;
    this.#meanwhile = undefined;
    happen(this);
  }

  #look(mark: string, how: Partial<How>): Look {
    this.#await();
    const shown = how.lagging ? this.#past : this.grid;
    const found = [...shown].filter(([, one]) => one === mark).map(([address]) => this.#found(mark, address));
    const unconfirmed = new GridError('unconfirmed', 'the master is away');
    return this.#fitting({ found, ...(how.lagging ? { unconfirmed } : {}) }, how);
  }

  #fitting(look: Look, { wanted = 'any' }: Partial<How>): Look {
    return { ...look, fits: (address) => wanted === 'any' || address === wanted };
  }

  #found(mark: string, address: string): Found {
    return { ref: `ref ${address}`, address, view: 'v', ...this.#owner(mark, address) };
  }

  #owner(mark: string, address: string): { owner?: string } {
    const owner = [...this.state.values()].find((lease) => lease.phase === 'bound' && lease.address === address)?.mark;
    return owner === undefined || owner === mark ? {} : { owner };
  }

  #reassign(mark: string, address: string, owner: string, ending: Ending): void {
    this.#await();
    if (ending === 'late') this.late.push({ kind: 'reassign', mark, address, owner, deadline: this.now + window.end });
    if (ending === 'dropped, answer lost' || ending === 'late') throw new LostAnswer();
    this.#change(mark, address, owner);
    this.#await();
    if (ending !== 'answered') throw new LostAnswer();
  }

  #change(mark: string, address: string, owner: string): void {
    const before = this.grid.get(address);
    if (before === undefined) return;
    if (before !== mark) this.faults.push(`a change for ${mark} hit ${before} at ${address}`);
    this.grid.set(address, owner);
  }

  #create(mark: string, wanted: string, ending: Ending): string {
    this.#await();
    if (ending === 'late') this.late.push({ kind: 'create', mark, address: wanted, deadline: this.now + window.end });
    if (ending === 'dropped, answer lost' || ending === 'late') throw new LostAnswer();
    const address = this.#take(mark, wanted);
    if (address === undefined) throw new NoFreeAddress();
    this.#await();
    if (ending !== 'answered') throw new LostAnswer();
    return address;
  }

  #delete(mark: string, address: string, ending: Ending): void {
    this.#await();
    if (ending === 'late') this.late.push({ kind: 'delete', mark, address, deadline: this.now + window.end });
    if (ending === 'dropped, answer lost' || ending === 'late') throw new LostAnswer();
    this.#remove(mark, address);
    this.#await();
    if (ending !== 'answered') throw new LostAnswer();
  }

  #take(mark: string, wanted: string): string | undefined {
    const address = addresses.find((one) => !this.grid.has(one) && (wanted === 'any' || one === wanted));
    if (address !== undefined) this.grid.set(address, mark);
    return address;
  }

  #remove(mark: string, address: string): void {
    const owner = this.grid.get(address);
    if (owner !== undefined && owner !== mark) this.faults.push(`a delete for ${mark} hit ${owner} at ${address}`);
    this.grid.delete(address);
  }
}

const ending = fc.constantFrom<Ending>('answered', 'done, answer lost', 'dropped, answer lost', 'late');
const container = fc.constantFrom(...containers);
const endings = fc.array(ending, { maxLength: 3 });

type Happening = (world: World) => void;
const named = (text: string, happening: Happening) => Object.assign(happening, { toString: () => text });

const adds = (text: string, c: Container, e: Ending[], options = {}) =>
  named(text, (world) => world.add(c, [...e], options));

/** What comes from outside, at any time. */
const event: fc.Arbitrary<Happening> = fc.oneof(
  container.map((c: Container) => named(`DEL ${c}`, (world) => world.del(c))),
  fc.nat(5).map((index) => named(`late write ${index} lands`, (world) => world.deliver(index))),
  fc.constant(named('another host takes an address', (world) => world.otherHostTakes())),
  fc.constant(named('another host gives one back', (world) => world.otherHostGivesBack())),
);

/** What this host does, and waits for the grid meanwhile. */
const attempt: fc.Arbitrary<Happening> = fc.oneof(
  { weight: 2, arbitrary: fc.tuple(container, endings).map(([c, e]) => adds(`ADD ${c} [${e}]`, c, e)) },
  fc
    .tuple(container, endings, fc.constantFrom(...addresses))
    .map(([c, e, wanted]) => adds(`ADD ${c} with ${wanted} [${e}]`, c, e, { wanted })),
  fc.tuple(container, endings).map(([c, e]) => adds(`ADD ${c} through a lagging host [${e}]`, c, e, { lagging: true })),
  { weight: 2, arbitrary: endings.map((e) => named(`reconcile [${e}]`, (world) => world.reconcile([...e]))) },
  endings.map((e) => named(`reconcile through a lagging host [${e}]`, (world) => world.reconcile([...e], true))),
);

const happening: fc.Arbitrary<Happening> = fc.oneof(
  { weight: 6, arbitrary: attempt },
  { weight: 4, arbitrary: event },
  {
    weight: 4,
    arbitrary: fc
      .tuple(attempt, event, fc.nat(6))
      .map(([a, e, n]) => named(`${a}; at its wait ${n}: ${e}`, (world) => world.during(n, e, () => a(world)))),
  },
  container.map((c: Container) => named(`${c} removed by hand`, (world) => world.removeByHand(c))),
  fc.constant(named('a host lags behind from now on', (world) => world.lag())),
  fc.tuple(container, ending).map(([c, e]) =>
    named(`killed in ADD ${c} [${e}]`, (world) => {
      if (!world.told.has(c)) world.dieDuringAdd(c, e);
    }),
  ),
  fc.constantFrom(1, 9, 30, 61).map((ms) => named(`${ms} ms pass`, (world) => world.pass(ms))),
);

test('whatever answers are lost: nobody loses an address, no two share one, no stranger is hit, and all comes back', () => {
  const property = fc.property(fc.array(happening, { maxLength: 40, size: 'max' }), (happenings) => {
    const world = new World();
    for (const happen of happenings) {
      happen(world);
      expect(world.broken(), happen.toString()).toEqual([]);
    }
    // Every write that is late lands or is dropped; the reconciler goes on.
    for (let round = 0; round < 6; round += 1) {
      while (world.late.length > 0) world.deliver(0);
      world.reconcile([]);
      world.pass(window.end);
    }
    expect(world.broken()).toEqual([]);
    const ours = [...world.grid]
      .filter(([, mark]) => mark !== 'another host')
      .map(([address, mark]) => [mark, address]);
    // What was removed by hand is there again, unless another host was given it in between.
    for (const mark of world.robbed) expect(world.grid.get(world.told.get(mark) ?? '')).toBe('another host');
    const kept = [...world.told].filter(([mark]) => !world.robbed.has(mark));
    expect(new Map(ours as [string, string][])).toEqual(new Map(kept));
    expect([...world.state.values()].map(({ mark, phase }) => [mark, phase]).sort()).toEqual(
      [...world.told.keys()].map((mark) => [mark, 'bound']).sort(),
    );
  });
  fc.assert(property, { numRuns: 3_000 });
});
