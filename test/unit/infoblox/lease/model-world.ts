/**
 * The world of the model in model.test.ts: leases, `plan`, and a grid that loses answers and carries writes out late.
 * A write names an address, so a late delete hits whoever has the address by then. No clock, no network, no database.
 */
import { GridError } from '../../../../src/infoblox/errors.ts';
import { deleteAnswered, deleteInDoubt } from '../../../../src/infoblox/lease/doubt.ts';
import { ending, type Reason } from '../../../../src/infoblox/lease/endings.ts';
import {
  answer,
  awaitPerson,
  begin,
  bind,
  createInDoubt,
  createRefused,
  endRest,
  followView,
  keepDoubt,
  type Lease,
  recheck,
  settle,
  shownPhase,
} from '../../../../src/infoblox/lease/lease.ts';
import { type Found, type Look, plan, type Step } from '../../../../src/infoblox/lease/plan.ts';
import { asNobodys, without } from '../../../../src/infoblox/lease/writes.ts';

/** How a write ends: answered, carried out or dropped without an answer, or delayed without an answer. */
export type Ending = 'answered' | 'done, answer lost' | 'dropped, answer lost' | 'late';

export const window = { recheck: 10, end: 60 };
export const addresses = ['.2', '.3', '.4', '.5'] as const;
const sandbox = { netns: null, netnsId: null, processStart: null, bootId: null, bootedAt: null, uptime: null };
const workload = { containerId: 'c1' };

interface LateWrite {
  readonly kind: 'create' | 'delete' | 'reassign';
  readonly mark: string;
  readonly address: string | undefined;
  /** The view that a create names. Other writes name an object by reference, which survives a renamed view. */
  readonly view?: string;
  /** The new mark of a reassignment. */
  readonly owner?: string;
  readonly deadline: number;
}

/** How one round of look, decide and act goes. */
interface How {
  /** Set for an ADD: its caller, and the view of its configuration. */
  readonly add?: { readonly caller: string; readonly view: string };
  /** How its writes end, in order. Further ones are answered. */
  readonly endings: Ending[];
  /** Set for an ADD: the address that it asks for, or `any`. */
  readonly wanted?: string | undefined;
  /** Whether it looks at a grid host that lags behind. */
  lagging: boolean;
  /** Whether the grid may hold more objects than a look of the ADD has shown. */
  doubtful?: boolean;
}

/** Ends an attempt, which is repeated later. */
class Failure extends Error {}
class LostAnswer extends Failure {}
/** The grid refuses a create: the address is taken, none is free, or the view does not exist. */
class Refused extends Failure {}

export class World {
  now = 1_000;
  /** Marks by address. */
  readonly grid = new Map<string, string>();
  readonly late: LateWrite[] = [];
  readonly state = new Map<string, Lease>();
  /** The current name of the view on the grid. */
  view = 'v';
  /** The addresses that live attachments were told. */
  readonly told = new Map<string, string>();
  /** Attachments whose reservation was removed by hand and has not been re-created yet. */
  readonly robbed = new Set<string>();
  /** Attachments whose address was taken when it was to be re-created: the log says to restart them. */
  readonly givenAway = new Set<string>();
  /** Attachments whose address was lost for good, and which hold another one that nobody was told yet. */
  readonly replaced = new Set<string>();
  /** Attachments whose reservation was found in another view. All their objects stay until a DEL. */
  readonly strayed = new Set<string>();
  /** Addresses of deleted attachments, and until when nobody else may have them. */
  readonly #resting = new Map<string, { readonly address: string; readonly until: number }>();
  readonly faults: string[] = [];
  /** Notes of plugins that have no answer to their ADD, not yet taken up. */
  readonly notes: { readonly mark: string; readonly caller: string }[] = [];
  /** The last ADD that is known to have its answer, by mark. */
  readonly #delivered = new Map<string, string>();
  #calls = 0;
  readonly #cooldownMs: number;
  /** The reservations that a lagging grid host still shows. */
  #past = new Map<string, string>();
  /** An event during a write: before it is carried out, or before its answer arrives. */
  #meanwhile: { awaits: number; readonly happen: (world: World) => void } | undefined;

  /** @param cooldownMs for which a released address stays reserved */
  constructor(cooldownMs = 0) {
    this.#cooldownMs = cooldownMs;
  }

  get moment() {
    return { now: this.now, wall: this.now, window };
  }

  /** Runs an attempt with an event in between: after the attempt has waited for the grid `awaits` times. */
  during(awaits: number, happen: (world: World) => void, attempt: () => void): void {
    this.#meanwhile = { awaits, happen };
    attempt();
    this.#meanwhile = undefined;
  }

  /**
   * @param wanted an address that the attachment asks for, or `any`
   * @param view of the configuration: always `v`, or the current name on the grid
   * @param unread set if the caller leaves without the answer: it says so at once, or leaves a note
   */
  add(
    mark: string,
    endings: Ending[],
    options: { wanted?: string; lagging?: boolean; view?: 'as ever' | 'as it is'; unread?: 'said' | 'noted' } = {},
  ): void {
    const { wanted = 'any', lagging = false, view = 'as it is', unread } = options;
    // An attachment that has an address keeps it; a runtime that wants another one deletes it first.
    if (this.state.get(mark)?.phase === 'bound' && wanted !== 'any') return;
    this.#calls += 1;
    this.#resting.delete(mark);
    const add = { caller: `call-${this.#calls}`, view: view === 'as ever' ? 'v' : this.view };
    try {
      const address = this.#give(mark, { endings, wanted, lagging, add });
      if (unread === 'noted') this.notes.push({ mark, caller: add.caller });
      if (unread === 'said') this.#notAnswered(mark, add.caller);
      if (unread !== undefined) return;
      this.told.set(mark, address);
      this.replaced.delete(mark);
      this.#delivered.set(mark, add.caller);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      if (this.state.get(mark)?.phase === 'pending') {
        this.replaced.delete(mark);
        this.#end(mark, { cause: 'failed ADD', mayBeOnGrid: true, isDoubtful: false });
      }
      this.#notAnswered(mark, add.caller);
    }
  }

  /** Takes up the note of a caller without an answer. */
  takeNote(index = 0): void {
    const [note] = this.notes.splice(index % Math.max(this.notes.length, 1), 1);
    if (note !== undefined) this.#notAnswered(note.mark, note.caller);
  }

  /** Renames the view, or renames it back, unless a reservation that was removed by hand is still missing in it. */
  renameView(): void {
    if (this.robbed.size === 0) this.view = this.view === 'v' ? 'w' : 'v';
  }

  /** Kills the daemon while it waits for the answer to a create, and starts the next one. */
  dieDuringAdd(mark: string, ending: Ending): void {
    const known = this.state.get(mark);
    if (known?.phase === 'bound') return;
    if (known !== undefined && known.view !== this.view) return;
    this.#resting.delete(mark);
    const lease = begin(known, this.#beginning(mark, 'killed'), this.moment);
    this.state.set(mark, lease);
    if (plan(lease, this.#look(mark, {}), this.moment).kind === 'create') {
      try {
        this.#create(lease, 'any', ending);
      } catch {
        // The daemon is dead: it never learns how the create ended.
      }
    }
    this.#end(mark, { cause: 'dead ADD' });
  }

  del(mark: string): void {
    const address = this.told.get(mark);
    if (address !== undefined && this.#cooldownMs > 0 && this.grid.get(address) === mark) {
      this.#resting.set(mark, { address, until: this.now + this.#cooldownMs });
    }
    this.#forgetTold(mark);
    if (this.state.has(mark)) this.#end(mark, { cause: 'DEL' });
  }

  reconcile(endings: Ending[], lagging = false): void {
    for (const [mark, lease] of this.state) {
      if (lease.dueAt === null || lease.dueAt > this.now) continue;
      try {
        this.#bring(mark, { endings, lagging });
      } catch (error) {
        if (!(error instanceof Failure)) throw error;
        const left = this.state.get(mark);
        if (left !== undefined) this.state.set(mark, recheck(left, this.now + 1));
      }
    }
  }

  deliver(index: number): void {
    const [write] = this.late.splice(index % Math.max(this.late.length, 1), 1);
    if (write === undefined || write.deadline < this.now) return;
    if (write.view !== undefined && write.view !== this.view) return;
    if (write.kind === 'create') this.#take(write.mark, write.address ?? 'any');
    else if (write.kind === 'delete') this.#remove(write.mark, write.address ?? '');
    else this.#change(write.mark, write.address ?? '', write.owner ?? '');
  }

  /** Removes a reservation by hand, unless a delete of it is under way: no rule could say which of two deletes hit whom. */
  removeByHand(mark: string): void {
    const address = this.told.get(mark);
    const lease = this.state.get(mark);
    const isMoved = [...this.state.values()].some(({ view }) => view !== this.view);
    if (address === undefined || lease?.phase !== 'bound' || isMoved) return;
    if (this.late.some((write) => write.address === address)) return;
    this.grid.delete(address);
    this.robbed.add(mark);
    // As after a fail-over, the daemon compares recent leases with the grid.
    this.state.set(mark, recheck(lease, this.now));
  }

  /** Makes the lagging host show the present reservations from now on. */
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

  /** Lets time pass. Late writes whose deadline is over are dropped. */
  pass(milliseconds: number): void {
    this.now += milliseconds;
    for (const write of this.late.filter(({ deadline }) => deadline <= this.now)) {
      this.late.splice(this.late.indexOf(write), 1);
    }
  }

  broken(): string[] {
    const told = [...this.told];
    const restless = [...this.#resting].filter(
      ([mark, { address, until }]) => this.now < until && this.grid.get(address) !== mark,
    );
    for (const mark of this.robbed) if (this.grid.get(this.told.get(mark) ?? '') === mark) this.robbed.delete(mark);
    return [
      ...this.faults,
      ...restless.map(([mark, { address }]) => `${address} of ${mark} did not rest`),
      ...told
        .filter(([mark, address]) => this.grid.get(address) !== mark && !this.robbed.has(mark))
        .map(([mark, address]) => `${mark} lost ${address}`),
      ...(new Set(this.told.values()).size < told.length ? ['two attachments were told one address'] : []),
    ];
  }

  /** Carries out one ADD like the allocator. @returns the address in its answer */
  #give(mark: string, how: How & { readonly add: { readonly caller: string; readonly view: string } }): string {
    const known = this.state.get(mark);
    const { caller, view } = how.add;
    if (known?.phase === 'bound') {
      this.#apply(mark, (current) => answer(current, [caller]));
      const step = plan(known, this.#look(mark, how), this.moment);
      if (step.kind === 'refuse') {
        if (step.moved?.view !== view) throw new Failure('it has moved');
        this.#apply(mark, (current) => followView(current, view));
      } else if (known.view !== view) throw new Failure('it holds an address in another view');
    } else {
      if (known !== undefined && known.view !== view) this.#leaveView(mark, how);
      this.state.set(mark, begin(this.state.get(mark), this.#beginning(mark, caller, view), this.moment));
    }
    const address = this.#bring(mark, how);
    if (address === undefined) throw new Failure('it was deleted');
    return address;
  }

  /** Completes the release of the attachment in another view first. */
  #leaveView(mark: string, { endings }: How): void {
    this.#end(mark, { cause: 'dead ADD' });
    this.#apply(mark, (lease) => endRest(lease, this.moment));
    this.#bring(mark, { endings, lagging: false });
    if (this.state.has(mark)) throw new Failure('its release is not settled');
  }

  #beginning(mark: string, caller: string, view = this.view) {
    return { mark, network: 'n', view, sandbox, workload, cooldownMs: this.#cooldownMs, callers: [caller] };
  }

  #notAnswered(mark: string, caller: string): void {
    this.#end(mark, { cause: 'caller left', caller });
  }

  #end(mark: string, reason: Reason): void {
    const identity = { mark, network: 'n', view: this.view };
    const known = { moment: this.moment, fate: () => 'unknown' as const, isAdding: false, toldSince: () => false };
    const { lease } = ending(reason, { identity, lease: this.state.get(mark) }, known);
    if (lease === undefined) this.state.delete(mark);
    else this.state.set(mark, lease);
  }

  #forgetTold(mark: string): void {
    this.told.delete(mark);
    this.robbed.delete(mark);
    this.replaced.delete(mark);
  }

  /** Runs the loop of every caller of `plan`: look, decide, act. @returns the address of a bound lease */
  #bring(mark: string, how: How): string | undefined {
    let look: Look | undefined;
    for (let turn = 0; turn < 12; turn += 1) {
      look ??= this.#look(mark, how);
      const lease = this.state.get(mark);
      if (lease === undefined) return undefined;
      if (how.add !== undefined && lease.phase === 'releasing') throw new Failure('it was deleted');
      if (shownPhase(lease, this.now) === 'resting') return undefined;
      how.doubtful ||= look.unconfirmed !== undefined;
      const next = this.#act(lease, look, { step: plan(lease, look, this.moment), how });
      if (next === 'done') return this.state.get(mark)?.address ?? undefined;
      look = next === 'look' ? undefined : next;
    }
    throw new LostAnswer();
  }

  /** @returns what the grid shows afterwards, `look` if that is unknown, `done` at the end */
  #act(lease: Lease, look: Look, { step, how }: { readonly step: Step; readonly how: How }): Look | 'look' | 'done' {
    const { mark } = lease;
    const apply = (transition: (current: Lease) => Lease) => this.#apply(mark, transition);
    const ending = () => how.endings.shift() ?? 'answered';
    const seen = { ...this.moment, askedAt: look.askedAt };
    switch (step.kind) {
      case 'create':
        try {
          const address = this.#create(lease, how.wanted ?? 'any', ending());
          const before = look.unconfirmed === undefined ? look.found : [];
          const found = [...before, { ...this.#found(mark, address), fresh: true }];
          return this.#fitting({ found, askedAt: look.askedAt }, how);
        } catch (error) {
          if (!(error instanceof LostAnswer)) throw error;
          apply((current) => createInDoubt(current, this.moment));
          how.doubtful = true;
          return 'look';
        }
      case 'recreate':
        return this.#recreate(lease, look, { ending: ending(), how });
      case 'adopt': {
        const isDoubtful = step.surplus.length > 0 || how.doubtful === true;
        apply((current) => {
          const answered = answer(current, how.add === undefined ? [] : [how.add.caller]);
          return bind(isDoubtful ? createInDoubt(answered, seen) : answered, step.object.address, seen);
        });
        return 'done';
      }
      case 'remove':
        // The delete goes to the host that showed the object, and a lagging host refuses it.
        if (look.unconfirmed !== undefined) throw new Refused();
        apply((current) => deleteInDoubt(current, this.moment));
        this.#lostAnew(mark, () => this.#delete(mark, step.object, ending()));
        apply((current) => deleteAnswered(current, lease));
        return without(look, step.object) ?? 'look';
      case 'reassign': {
        const { object } = step;
        const { owner } = object;
        // The attempt waits for the owner's lock.
        this.#await();
        const newOwner = this.state.get(owner);
        if (newOwner?.phase !== 'bound' || newOwner.address !== object.address) {
          return asNobodys(look, object);
        }
        const isMoved = plan(newOwner, this.#look(owner, how), this.moment).kind === 'refuse';
        if (isMoved && lease.phase === 'pending') throw new Failure('the owner has moved');
        const again = this.#look(mark, how);
        if (isMoved) return asNobodys(again, object);
        if (!again.found.some(({ address }) => address === object.address)) return again;
        this.#apply(owner, (current) => createInDoubt(current, this.moment));
        apply((current) => deleteInDoubt(current, this.moment));
        this.#lostAnew(mark, () => this.#reassign(mark, object, ending()), owner);
        apply((current) => deleteAnswered(current, lease));
        return without(again, object) ?? 'look';
      }
      case 'look again':
        // An ADD cannot wait that long, but a bound lease can repeat its address.
        if (how.add !== undefined && lease.phase === 'pending') throw new LostAnswer();
        apply((current) => recheck(current, step.at));
        return 'done';
      case 'forget':
        this.state.delete(mark);
        return 'done';
      case 'nothing':
        apply((current) => settle(current, seen));
        return 'done';
      case 'refuse':
        if (how.add !== undefined) throw new Failure('it has moved');
        this.strayed.add(mark);
        apply((current) => keepDoubt(current, seen));
        return 'done';
    }
  }

  /** Restarts the doubt about a write when its answer is lost: it may have waited before it was sent. */
  #lostAnew(mark: string, write: () => void, owner?: string): void {
    try {
      write();
    } catch (error) {
      if (!(error instanceof LostAnswer)) throw error;
      this.#apply(mark, (current) => deleteInDoubt(current, this.moment));
      if (owner !== undefined) this.#apply(owner, (current) => createInDoubt(current, this.moment));
      throw error;
    }
  }

  #recreate(
    lease: Lease,
    { unconfirmed, askedAt }: Look,
    { ending, how }: { readonly ending: Ending; readonly how: How },
  ): 'look' | 'done' {
    const { mark, address, phase } = lease;
    const apply = (transition: (current: Lease) => Lease) => this.#apply(mark, transition);
    const isOnlyNoted = phase === 'bound' && how.add === undefined;
    apply((current) => createInDoubt(current, this.moment));
    try {
      this.#create(lease, address ?? 'any', ending);
      how.lagging = false;
    } catch (error) {
      if (error instanceof LostAnswer) apply((current) => createInDoubt(current, this.moment));
      if (!(error instanceof Refused)) throw error;
      apply((current) => createRefused(current, lease));
      // The address is taken, by this mark or another one. Ask the host that refused.
      if (unconfirmed !== undefined && this.view === lease.view) {
        how.lagging = false;
        return 'look';
      }
      if (phase === 'releasing' || this.view !== lease.view) throw error;
      if (this.state.get(mark)?.phase !== phase) return 'look';
      const { add } = how;
      if (add === undefined) {
        this.givenAway.add(mark);
        apply((current) => awaitPerson(current, { ...this.moment, askedAt }));
        return 'done';
      } else {
        // The address is lost for good: the attachment gets another one.
        apply((current) => {
          if (current.phase !== 'bound') return current;
          this.#forgetTold(mark);
          this.replaced.add(mark);
          return begin(current, this.#beginning(mark, add.caller), this.moment);
        });
      }
    }
    if (isOnlyNoted) apply((current) => keepDoubt(current, { ...this.moment, askedAt }));
    return isOnlyNoted ? 'done' : 'look';
  }

  #apply(mark: string, transition: (lease: Lease) => Lease): void {
    const lease = this.state.get(mark);
    if (lease !== undefined) this.state.set(mark, transition(lease));
  }

  /** Waits for the grid, which is where an event may come in between. */
  #await(): void {
    if (this.#meanwhile === undefined) return;
    this.#meanwhile.awaits -= 1;
    if (this.#meanwhile.awaits >= 0) return;
    const { happen } = this.#meanwhile;
    this.#meanwhile = undefined;
    happen(this);
  }

  #look(mark: string, how: Partial<How>): Look {
    const askedAt = this.now;
    this.#await();
    const shown = how.lagging ? this.#past : this.grid;
    const found = [...shown].filter(([, one]) => one === mark).map(([address]) => this.#found(mark, address));
    const unconfirmed = new GridError('unconfirmed', 'the master is away');
    this.#await();
    return this.#fitting({ found, askedAt, ...(how.lagging ? { unconfirmed } : {}) }, how);
  }

  #fitting(look: Look, { wanted = 'any' }: Partial<How>): Look {
    return { ...look, fits: (address) => wanted === 'any' || address === wanted };
  }

  #found(mark: string, address: string): Found {
    return { address, view: this.view, ...this.#owner(mark, address) };
  }

  #owner(mark: string, address: string): { owner?: string } {
    const owner = [...this.state.values()].find(
      (lease) => lease.phase === 'bound' && lease.address === address && lease.view === this.view,
    )?.mark;
    return owner === undefined || owner === mark ? {} : { owner };
  }

  #reassign(mark: string, { address, owner }: Found & { readonly owner: string }, ending: Ending): void {
    this.#send(ending, { kind: 'reassign', mark, address, owner }, () => this.#change(mark, address, owner));
  }

  #change(mark: string, address: string, owner: string): void {
    const before = this.grid.get(address);
    if (before === undefined) return;
    if (before !== mark) this.faults.push(`a change for ${mark} hit ${before} at ${address}`);
    this.grid.set(address, owner);
  }

  #create({ mark, view }: Lease, wanted: string, ending: Ending): string {
    return this.#send(ending, { kind: 'create', mark, address: wanted, view }, () => {
      const address = view === this.view ? this.#take(mark, wanted) : undefined;
      if (address === undefined) throw new Refused();
      return address;
    });
  }

  #delete(mark: string, { address }: Found, ending: Ending): void {
    this.#send(ending, { kind: 'delete', mark, address }, () => this.#remove(mark, address));
  }

  /** Sends one write. @returns its answer, unless it gets lost */
  #send<T>(ending: Ending, write: Omit<LateWrite, 'deadline'>, carryOut: () => T): T {
    this.#await();
    if (ending === 'late') this.late.push({ ...write, deadline: this.now + window.end });
    if (ending === 'dropped, answer lost' || ending === 'late') throw new LostAnswer();
    const result = carryOut();
    this.#await();
    if (ending !== 'answered') throw new LostAnswer();
    return result;
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
