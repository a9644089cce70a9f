/**
 * The argument of docs/architecture.md as a model: leases, `plan`, and a grid that loses answers and carries writes out
 * late, on natural keys, so that a late delete hits whoever has the address by then. No clock, no network, no database:
 * what fails here is wrong in the decision itself.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { GridError } from '../../../src/infoblox/errors.ts';
import {
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
import { type Found, plan, type Step } from '../../../src/infoblox/lease/plan.ts';

/** How a write ends: answered; carried out or dropped without an answer; on its way for a while without an answer. */
type Ending = 'answered' | 'done, answer lost' | 'dropped, answer lost' | 'late';

const window = { recheck: 10, end: 60 };
const addresses = ['.2', '.3', '.4', '.5'] as const;
const containers = ['c1', 'c2', 'c3'] as const;
type Container = (typeof containers)[number];
const sandbox = { netns: null, netnsId: null, processStart: null, bootId: null, bootedAt: null };

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
  readonly wanted: string | undefined;
  /** It looks at a grid host that lags behind. */
  lagging: boolean;
}

class LostAnswer extends Error {}
class NoFreeAddress extends Error {}

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
  /** What the round under way has made. */
  #made: string | undefined;

  get moment() {
    return { now: this.now, window };
  }

  /** @param wanted an address that the attachment asks for, or undefined for any */
  add(mark: string, endings: Ending[], wanted?: string): void {
    // An attachment that has an address keeps it; a runtime that wants another one deletes it first.
    if (this.state.get(mark)?.phase === 'bound' && wanted !== undefined) return;
    try {
      const start = (lease: Lease | undefined) =>
        lease?.phase === 'bound'
          ? lease
          : begin(lease, { mark, network: 'n', view: 'v', sandbox, callers: ['call'] }, this.moment);
      const address = this.#bring(mark, { endings, wanted, lagging: false }, start);
      if (address !== undefined) this.told.set(mark, address);
    } catch (error) {
      if (!(error instanceof LostAnswer || error instanceof NoFreeAddress)) throw error;
      const lease = this.state.get(mark);
      if (lease?.phase === 'pending') this.state.set(mark, startRelease(lease, this.now));
    }
  }

  /** The daemon is killed while it waits for the answer to a create; the next one starts. */
  dieDuringAdd(mark: string, ending: Ending): void {
    const known = this.state.get(mark);
    if (known?.phase === 'bound') return;
    const lease = begin(known, { mark, network: 'n', view: 'v', sandbox, callers: ['call'] }, this.moment);
    this.state.set(mark, lease);
    if (plan(lease, this.#look(mark, {}), this.moment).kind === 'create') {
      try {
        this.#create(mark, undefined, ending);
      } catch {
        // Nobody is there to learn of it.
      }
    }
    this.state.set(mark, startRelease(createInDoubt(lease, this.moment), this.now));
  }

  del(mark: string): void {
    this.told.delete(mark);
    this.robbed.delete(mark);
    const lease = this.state.get(mark);
    if (lease !== undefined) this.state.set(mark, startRelease(lease, this.now));
  }

  reconcile(endings: Ending[], lagging = false): void {
    for (const [mark, lease] of this.state) {
      if (lease.dueAt === null || lease.dueAt > this.now) continue;
      try {
        this.#bring(mark, { endings, wanted: undefined, lagging }, (found) => found);
      } catch (error) {
        if (!(error instanceof LostAnswer || error instanceof NoFreeAddress)) throw error;
        const left = this.state.get(mark);
        if (left !== undefined) this.state.set(mark, recheck(left, this.now + 1));
      }
    }
  }

  deliver(index: number): void {
    const [write] = this.late.splice(index % Math.max(this.late.length, 1), 1);
    if (write === undefined || write.deadline < this.now) return;
    if (write.kind === 'create') this.#take(write.mark, write.address);
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
    this.#take('another host', undefined);
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
    this.#made = undefined;
    for (let turn = 0; turn < 12; turn += 1) {
      const lease = this.state.get(mark);
      if (lease === undefined) return undefined;
      const step = plan(lease, this.#look(mark, how), this.moment);
      if (this.#act(lease, step, how)) return this.state.get(mark)?.address ?? undefined;
    }
    throw new LostAnswer();
  }

  /** @returns true when there is nothing more to do now */
  #act(lease: Lease, step: Step, how: How): boolean {
    const { mark } = lease;
    const put = (next: Lease) => this.state.set(mark, next);
    const ending = () => how.endings.shift() ?? 'answered';
    switch (step.kind) {
      case 'create':
        try {
          this.#made = this.#create(mark, how.wanted, ending());
          return false;
        } catch (error) {
          if (error instanceof LostAnswer) put(createInDoubt(lease, this.moment));
          else throw error;
          return false;
        }
      case 'recreate':
        put(createInDoubt(lease, this.moment));
        this.#create(mark, lease.address ?? undefined, ending());
        how.lagging = false;
        return lease.phase === 'bound';
      case 'adopt':
        put(
          bind(step.surplus.length > 0 ? createInDoubt(lease, this.moment) : lease, step.object.address, this.moment),
        );
        return true;
      case 'remove':
        for (const { address } of step.objects) {
          put(deleteInDoubt(this.state.get(mark) ?? lease, this.moment));
          this.#delete(mark, address, ending());
          put(deleteAnswered(this.state.get(mark) ?? lease, lease));
        }
        return false;
      case 'reassign': {
        const { address, owner } = step.object;
        const newOwner = this.state.get(owner);
        if (newOwner !== undefined) this.state.set(owner, createInDoubt(newOwner, this.moment));
        put(deleteInDoubt(lease, this.moment));
        this.#reassign(mark, address, owner, ending());
        put(deleteAnswered(this.state.get(mark) ?? lease, lease));
        return false;
      }
      case 'look again':
        put(recheck(lease, step.at));
        return true;
      case 'forget':
        this.state.delete(mark);
        return true;
      case 'nothing':
        put(settle(lease, this.moment));
        return true;
      case 'refuse':
        throw new Error('there is one view here');
    }
  }

  #look(mark: string, how: { readonly wanted?: string | undefined; readonly lagging?: boolean }) {
    const found: Found[] = [...(how.lagging ? this.#past : this.grid)]
      .filter(([, owner]) => owner === mark)
      .map(([address]) => ({
        ref: `ref ${address}`,
        address,
        view: 'v',
        fresh: address === this.#made,
        ...this.#owner(mark, address),
      }));
    const unconfirmed = new GridError('unconfirmed', 'the master is away');
    return {
      found,
      ...(how.lagging ? { unconfirmed } : {}),
      fits: (address: string) => address === (how.wanted ?? address),
    };
  }

  #owner(mark: string, address: string): { owner?: string } {
    const owner = [...this.state.values()].find((lease) => lease.phase === 'bound' && lease.address === address)?.mark;
    return owner === undefined || owner === mark ? {} : { owner };
  }

  #reassign(mark: string, address: string, owner: string, ending: Ending): void {
    if (ending === 'late') this.late.push({ kind: 'reassign', mark, address, owner, deadline: this.now + window.end });
    if (ending === 'dropped, answer lost' || ending === 'late') throw new LostAnswer();
    this.#change(mark, address, owner);
    if (ending !== 'answered') throw new LostAnswer();
  }

  #change(mark: string, address: string, owner: string): void {
    const before = this.grid.get(address);
    if (before === undefined) return;
    if (before !== mark) this.faults.push(`a change for ${mark} hit ${before} at ${address}`);
    this.grid.set(address, owner);
  }

  #create(mark: string, wanted: string | undefined, ending: Ending): string {
    if (ending === 'late') this.late.push({ kind: 'create', mark, address: wanted, deadline: this.now + window.end });
    if (ending === 'dropped, answer lost' || ending === 'late') throw new LostAnswer();
    const address = this.#take(mark, wanted);
    if (address === undefined) throw new NoFreeAddress();
    if (ending !== 'answered') throw new LostAnswer();
    return address;
  }

  #delete(mark: string, address: string, ending: Ending): void {
    if (ending === 'late') this.late.push({ kind: 'delete', mark, address, deadline: this.now + window.end });
    if (ending === 'dropped, answer lost' || ending === 'late') throw new LostAnswer();
    this.#remove(mark, address);
    if (ending !== 'answered') throw new LostAnswer();
  }

  #take(mark: string, wanted: string | undefined): string | undefined {
    const address = addresses.find((one) => !this.grid.has(one) && (wanted === undefined || one === wanted));
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

const happening: fc.Arbitrary<Happening> = fc.oneof(
  fc.tuple(container, endings).map(([c, e]) => named(`ADD ${c} [${e}]`, (world) => world.add(c, [...e]))),
  fc.tuple(container, endings).map(([c, e]) => named(`ADD ${c} [${e}]`, (world) => world.add(c, [...e]))),
  fc
    .tuple(container, endings, fc.constantFrom(...addresses))
    .map(([c, e, a]) => named(`ADD ${c} with ${a} [${e}]`, (world) => world.add(c, [...e], a))),
  container.map((c: Container) => named(`${c} removed by hand`, (world) => world.removeByHand(c))),
  endings.map((e) => named(`reconcile through a lagging host [${e}]`, (world) => world.reconcile([...e], true))),
  fc.constant(named('a host lags behind from now on', (world) => world.lag())),
  container.map((c: Container) => named(`DEL ${c}`, (world) => world.del(c))),
  fc.tuple(container, ending).map(([c, e]) =>
    named(`killed in ADD ${c} [${e}]`, (world) => {
      if (!world.told.has(c)) world.dieDuringAdd(c, e);
    }),
  ),
  endings.map((e) => named(`reconcile [${e}]`, (world) => world.reconcile([...e]))),
  endings.map((e) => named(`reconcile [${e}]`, (world) => world.reconcile([...e]))),
  fc.nat(5).map((index) => named(`late write ${index} lands`, (world) => world.deliver(index))),
  fc.constant(named('another host takes an address', (world) => world.otherHostTakes())),
  fc.constant(named('another host gives one back', (world) => world.otherHostGivesBack())),
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
