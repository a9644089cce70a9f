/**
 * The argument of docs/architecture.md as a model: leases, `plan`, and a grid that loses answers and carries writes out
 * late, on natural keys, so that a late delete hits whoever has the address by then. No clock, no network, no database:
 * what fails here is wrong in the decision itself.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
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
const sandbox = { netns: null, netnsId: null, bootId: null };

interface LateWrite {
  readonly kind: 'create' | 'delete';
  readonly mark: string;
  readonly address: string | undefined;
  readonly deadline: number;
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
  readonly faults: string[] = [];

  get moment() {
    return { now: this.now, window };
  }

  add(mark: string, endings: Ending[]): void {
    try {
      const address = this.#bring(mark, endings, (lease) =>
        lease?.phase === 'bound' ? lease : begin(lease, { mark, network: 'n', view: 'v', sandbox }, this.moment),
      );
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
    const lease = begin(known, { mark, network: 'n', view: 'v', sandbox }, this.moment);
    this.state.set(mark, lease);
    if (plan(lease, this.#look(mark), this.moment).kind === 'create') {
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
    const lease = this.state.get(mark);
    if (lease !== undefined) this.state.set(mark, startRelease(lease, this.now));
  }

  reconcile(endings: Ending[]): void {
    for (const [mark, lease] of this.state) {
      if (lease.dueAt === null || lease.dueAt > this.now) continue;
      try {
        this.#bring(mark, endings, (found) => found);
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
    else this.#remove(write.mark, write.address ?? '');
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
    return [
      ...this.faults,
      ...told.filter(([mark, address]) => this.grid.get(address) !== mark).map(([mark, at]) => `${mark} lost ${at}`),
      ...(new Set(this.told.values()).size < told.length ? ['two attachments were told one address'] : []),
    ];
  }

  /** The loop that every caller of `plan` runs: look, decide, act. @returns the address of a lease that is bound */
  #bring(mark: string, endings: Ending[], start: (lease: Lease | undefined) => Lease | undefined): string | undefined {
    const first = start(this.state.get(mark));
    if (first === undefined) return undefined;
    this.state.set(mark, first);
    for (let turn = 0; turn < 8; turn += 1) {
      const lease = this.state.get(mark);
      if (lease === undefined) return undefined;
      const step = plan(lease, this.#look(mark), this.moment);
      if (this.#act(lease, step, endings)) return this.state.get(mark)?.address ?? undefined;
    }
    throw new LostAnswer();
  }

  /** @returns true when there is nothing more to do now */
  #act(lease: Lease, step: Step, endings: Ending[]): boolean {
    const { mark } = lease;
    const put = (next: Lease) => this.state.set(mark, next);
    const ending = () => endings.shift() ?? 'answered';
    switch (step.kind) {
      case 'create':
        try {
          put(bind(lease, this.#create(mark, undefined, ending()), this.moment));
          return true;
        } catch (error) {
          if (error instanceof LostAnswer) put(createInDoubt(lease, this.moment));
          else throw error;
          return false;
        }
      case 'recreate':
        put(createInDoubt(lease, this.moment));
        this.#create(mark, lease.address ?? undefined, ending());
        return true;
      case 'adopt':
        put(
          bind(step.surplus.length > 0 ? createInDoubt(lease, this.moment) : lease, step.object.address, this.moment),
        );
        return true;
      case 'remove':
        for (const { address } of step.objects) {
          put(deleteInDoubt(this.state.get(mark) ?? lease, this.moment));
          this.#delete(mark, address, ending());
          put(deleteAnswered(this.state.get(mark) ?? lease));
        }
        return false;
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

  #look(mark: string) {
    const found: Found[] = [...this.grid]
      .filter(([, owner]) => owner === mark)
      .map(([address]) => ({ ref: `ref ${address}`, address, view: 'v' }));
    return { found, proven: true };
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
    expect(new Map(ours as [string, string][])).toEqual(world.told);
    expect([...world.state.values()].map(({ mark, phase }) => [mark, phase]).sort()).toEqual(
      [...world.told.keys()].map((mark) => [mark, 'bound']).sort(),
    );
  });
  fc.assert(property, { numRuns: 2_000 });
});
