/**
 * The grid of the simulation: a Grid Master and a candidate, each with contents of its own. What the master has carried out reaches
 * the candidate a moment later, so that a promoted one may lack what was confirmed last (NIOS 9.0 documentation, "Promoting a Grid
 * Master Candidate"). It answers WAPI requests with the simulator's own rules, without a network between.
 */
import { type Interval, isWithin } from '../../src/infoblox/address.ts';
import { parseBlockMark } from '../../src/infoblox/mark.ts';
import { WapiError } from '../simulator/errors.ts';
import { GridContents, type WapiObject } from '../simulator/grid-contents.ts';
import { CLOUD_ATTRIBUTES } from '../simulator/rules/attributes.ts';
import { installFactoryObjects } from '../simulator/rules/factory-objects.ts';
import { formatAddress } from '../simulator/store/address.ts';
import { Database, type Quirks } from '../simulator/store/database.ts';
import { parseTarget } from '../simulator/wapi/target.ts';
import { WAPI_VERSIONS } from '../simulator/wapi/versions.ts';
import { type ServiceSettings, type WapiRequest, WapiService } from '../simulator/wapi/wapi-service.ts';
import type { VirtualTime } from './virtual-time.ts';

export const memberNames = ['grid-a', 'grid-b'] as const;
export type MemberName = (typeof memberNames)[number];

export interface HttpRequest {
  readonly method: string;
  readonly url: string;
  /** JSON; empty for none. */
  readonly body: string;
}

export interface HttpAnswer {
  readonly status: number;
  readonly body: string;
}

/** Who has an address. */
export interface Holder {
  readonly view: string;
  readonly address: string;
  readonly comment: string;
}

/** Milliseconds that a host gives addresses of a block at most after its last confirmation. */
const maxValidityMs = 600_000;

class Member {
  readonly db = new Database();
  readonly settings: ServiceSettings;
  contents: GridContents;
  service: WapiService;
  isUp = true;
  /** What it has carried out, with what next-available functions found in their place. */
  history: WapiRequest[] = [];

  constructor(readOnly: boolean, fill: (contents: GridContents) => void) {
    this.settings = { versions: WAPI_VERSIONS, cloud: false, cloudUser: false, denied: new Set(), readOnly };
    const { db } = this;
    const attributes = [...CLOUD_ATTRIBUTES, 'Network Name', 'Reserved At'];
    installFactoryObjects(db, { username: 'admin', attributes, cloudLicence: false });
    this.contents = new GridContents(db);
    fill(this.contents);
    this.service = new WapiService(db, this.settings);
  }

  carryOut(request: WapiRequest): void {
    const wasReadOnly = this.settings.readOnly;
    this.settings.readOnly = false;
    try {
      this.service.handle(request);
      this.history.push(request);
    } catch (error) {
      if (!(error instanceof WapiError)) throw error;
    } finally {
      this.settings.readOnly = wasReadOnly;
    }
  }
}

export class GridMembers {
  readonly #time: VirtualTime;
  readonly #fill: (contents: GridContents) => void;
  /** Milliseconds. */
  readonly #lag: number;
  readonly #quirks: Partial<Quirks>;
  readonly #members = new Map<MemberName, Member>();
  #master: MemberName = 'grid-a';
  /** The reign of a master: what one has not passed on when it ends is lost. */
  #reign = 0;
  #isReachable = true;
  readonly #removedBlocks: { readonly range: WapiObject; readonly at: number }[] = [];

  /**
   * @param fill puts into a new grid what is there before anybody comes
   * @param lag milliseconds until the candidate has what the master has carried out; infinite: nobody ever asks it
   * @param quirks what no source says of grids
   */
  constructor(time: VirtualTime, fill: (contents: GridContents) => void, lag: number, quirks: Partial<Quirks> = {}) {
    this.#time = time;
    this.#fill = fill;
    this.#lag = lag;
    this.#quirks = quirks;
    for (const name of memberNames) this.#members.set(name, this.#newMember(name !== this.#master));
  }

  /** What the administrator of the grid sees and does. */
  get contents(): GridContents {
    return this.#member(this.#master).contents;
  }

  get isFirstMaster(): boolean {
    return this.#master === memberNames[0];
  }

  /** Who has which address, as the master has it. */
  holders(name: MemberName = this.#master): Holder[] {
    return Array.from(this.#member(name).db.all('fixedaddress'), ({ address, view, values }) => {
      return { view: view.name, address: formatAddress(address), comment: String(values.comment ?? '') };
    });
  }

  /** What is reserved, in both families. */
  get reservations(): { readonly ref: string; readonly address: string; readonly comment: string }[] {
    const all = (['fixedaddress', 'ipv6fixedaddress'] as const).flatMap((type) => this.contents.objects(type));
    return all.map(({ _ref: ref, ipv4addr, ipv6addr, comment = '' }) => {
      return { ref, address: String(ipv4addr ?? ipv6addr), comment: String(comment) };
    });
  }

  /** The ranges of both families. */
  get ranges(): WapiObject[] {
    return (['range', 'ipv6range'] as const).flatMap((type) => this.contents.objects(type));
  }

  /** Whether an address lies in a block of a host, or did until somebody removed that lately. @param hosts names of the host */
  isInBlock(address: string, hosts: readonly string[]): boolean {
    return [...this.ranges, ...this.#removedLately].some((range) => {
      const host = parseBlockMark(String(range.comment ?? ''))?.origin.node ?? '';
      return hosts.includes(host) && isWithin(address, boundsOf(range));
    });
  }

  /** Whether an address lies in a block that somebody removed lately: its host may give it yet, and another one that has taken its place. */
  isInRemovedBlock(address: string): boolean {
    return this.#removedLately.some((range) => isWithin(address, boundsOf(range)));
  }

  get #removedLately(): WapiObject[] {
    const since = this.#time.now - maxValidityMs;
    return this.#removedBlocks.flatMap(({ range, at }) => (at > since ? range : []));
  }

  removeBlockByHand(range: WapiObject): void {
    this.#removedBlocks.push({ range, at: this.#time.now });
    this.byHand('DELETE', range._ref);
  }

  /** Which machine a member is: with one that is lost goes all that is on its way to it. */
  machineOf(name: MemberName): object {
    return this.#member(name);
  }

  isUp(name: MemberName): boolean {
    return this.#isReachable && this.#member(name).isUp;
  }

  /** All members are away, or back. */
  setUp(isUp: boolean): void {
    this.#isReachable = isUp;
  }

  /** Writes are refused, or taken again by the master. */
  setReadOnly(isReadOnly: boolean): void {
    this.#member(this.#master).settings.readOnly = isReadOnly;
  }

  /** Objects of these types may not be written by the user of the hosts. */
  setDenied(types: readonly string[]): void {
    for (const { settings } of this.#members.values()) {
      settings.denied.clear();
      for (const type of types) settings.denied.add(type);
    }
  }

  /**
   * The master is lost and the candidate promoted, without what has not reached it. Nothing happens if the candidate is away.
   * @returns the marks of reservations that the grid has confirmed, made or removed, and now has otherwise
   */
  failOver(): Set<string> {
    const marks = (name: MemberName) =>
      new Set(this.holders(name).map(({ view, address, comment }) => `${view}/${address}/${comment}`));
    const old = this.#master;
    const next = memberNames.find((name) => name !== old) ?? old;
    if (!this.#member(next).isUp) return new Set();
    const [before, after] = [marks(old), marks(next)];
    this.#reign += 1;
    this.#master = next;
    this.#member(old).isUp = false;
    this.#member(next).settings.readOnly = false;
    const differ = [...[...before].filter((key) => !after.has(key)), ...[...after].filter((key) => !before.has(key))];
    return new Set(differ.map((key) => key.slice(key.indexOf('/', key.indexOf('/') + 1) + 1)));
  }

  /** The member that was lost is there again, as a candidate with what the master has. */
  rejoin(): void {
    const name = memberNames.find((one) => one !== this.#master) ?? this.#master;
    if (this.#member(name).isUp) return;
    const member = this.#newMember(true);
    for (const request of this.#member(this.#master).history) member.carryOut(request);
    this.#members.set(name, member);
  }

  /** The body of a request in which what next-available functions find now stands in their place. */
  lookUp(name: MemberName, request: HttpRequest): HttpRequest {
    const target = parseTarget(new URL(request.url).pathname);
    return { ...request, body: this.#member(name).service.lookUp(target?.type ?? '', request.body) };
  }

  /** Carries a request out and gives its answer. */
  answer(name: MemberName, request: HttpRequest): HttpAnswer {
    const { method, body } = request;
    const url = new URL(request.url);
    const target = parseTarget(url.pathname);
    if (target === undefined) throw new Error(`no URL of WAPI: ${request.url}`);
    if (target.type === 'logout') return { status: 200, body: '{}' };
    const member = this.#member(name);
    const isWrite = method !== 'GET' && !url.searchParams.has('_function');
    const found = isWrite ? member.service.lookUp(target.type, body) : body;
    const wapi = { method, target, query: url.searchParams, body: found, contentType: 'application/json' };
    try {
      const { status, json } = member.service.handle(wapi);
      if (isWrite) this.#passOn(name, wapi);
      return { status, body: JSON.stringify(json) };
    } catch (error) {
      if (!(error instanceof WapiError)) throw error;
      return { status: error.status, body: error.body };
    }
  }

  /** Does by hand what an administrator does, whoever else may write; it reaches the candidate like all else. */
  byHand(method: 'POST' | 'PUT' | 'DELETE', path: string, fields: Readonly<Record<string, unknown>> = {}): HttpAnswer {
    const url = `https://${this.#master}/wapi/v2.3/${path}`;
    const { settings } = this.#member(this.#master);
    const { readOnly } = settings;
    settings.readOnly = false;
    const answer = this.answer(this.#master, { method, url, body: method === 'DELETE' ? '' : JSON.stringify(fields) });
    settings.readOnly = readOnly;
    return answer;
  }

  #passOn(name: MemberName, request: WapiRequest): void {
    if (this.#lag === Number.POSITIVE_INFINITY) return;
    this.#member(name).history.push(request);
    const reign = this.#reign;
    const other = memberNames.find((one) => one !== name) ?? name;
    const candidate = this.#member(other);
    this.#time.after(this.#lag, () => {
      if (this.#reign === reign && this.#member(other) === candidate) candidate.carryOut(request);
    });
  }

  #newMember(readOnly: boolean): Member {
    const member = new Member(readOnly, this.#fill);
    Object.assign(member.db.quirks, this.#quirks);
    return member;
  }

  #member(name: MemberName): Member {
    const member = this.#members.get(name);
    if (member === undefined) throw new Error(`no member ${name}`);
    return member;
  }
}

/** The addresses of a range. */
export function boundsOf({ start_addr: first, end_addr: last }: WapiObject): Interval {
  return { first: String(first), last: String(last) };
}
