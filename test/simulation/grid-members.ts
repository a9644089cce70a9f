/**
 * The simulated grid: a Grid Master and a candidate with separate contents. Writes reach the candidate with a delay, so a promoted one may
 * lack the latest confirmed writes (NIOS 9.0 documentation, "Promoting a Grid Master Candidate"). It answers WAPI requests by the
 * simulator's rules, without a network.
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

/** The owner of an address. */
export interface Holder {
  readonly view: string;
  readonly address: string;
  readonly comment: string;
}

/** Maximum milliseconds for which a host assigns addresses of a block after its last confirmation. */
const maxValidityMs = 600_000;

class Member {
  readonly db = new Database();
  readonly settings: ServiceSettings;
  contents: GridContents;
  service: WapiService;
  isUp = true;
  /** Writes carried out, with the results of next-available functions in their place. */
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
  /** Number of the current master: writes that an earlier one did not replicate are lost. */
  #reign = 0;
  #isReachable = true;
  readonly #removedBlocks: { readonly range: WapiObject; readonly at: number }[] = [];

  /**
   * @param fill adds the initial objects
   * @param lag milliseconds of replication to the candidate; infinite: it is never asked
   * @param quirks undocumented behaviour of grids
   */
  constructor(time: VirtualTime, fill: (contents: GridContents) => void, lag: number, quirks: Partial<Quirks> = {}) {
    this.#time = time;
    this.#fill = fill;
    this.#lag = lag;
    this.#quirks = quirks;
    for (const name of memberNames) this.#members.set(name, this.#newMember(name !== this.#master));
  }

  /** The grid as its administrator uses it. */
  get contents(): GridContents {
    return this.#member(this.#master).contents;
  }

  get isFirstMaster(): boolean {
    return this.#master === memberNames[0];
  }

  /** Lists addresses and their owners on the master. */
  holders(name: MemberName = this.#master): Holder[] {
    return Array.from(this.#member(name).db.all('fixedaddress'), ({ address, view, values }) => {
      return { view: view.name, address: formatAddress(address), comment: String(values.comment ?? '') };
    });
  }

  /** Lists reservations of both families. */
  get reservations(): { readonly ref: string; readonly address: string; readonly comment: string }[] {
    const all = (['fixedaddress', 'ipv6fixedaddress'] as const).flatMap((type) => this.contents.objects(type));
    return all.map(({ _ref: ref, ipv4addr, ipv6addr, comment = '' }) => {
      return { ref, address: String(ipv4addr ?? ipv6addr), comment: String(comment) };
    });
  }

  /** Lists ranges of both families. */
  get ranges(): WapiObject[] {
    return (['range', 'ipv6range'] as const).flatMap((type) => this.contents.objects(type));
  }

  /** Tells whether an address lies in a block of a host, or in one removed lately. @param hosts names of the host */
  isInBlock(address: string, hosts: readonly string[]): boolean {
    return [...this.ranges, ...this.#removedLately].some((range) => {
      const host = parseBlockMark(String(range.comment ?? ''))?.origin.node ?? '';
      return hosts.includes(host) && isWithin(address, boundsOf(range));
    });
  }

  /** Tells whether an address lies in a block removed lately: its old and its new host may both assign it. */
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

  /** Identifies the machine of a member: requests in flight to a lost one are lost. */
  machineOf(name: MemberName): object {
    return this.#member(name);
  }

  isUp(name: MemberName): boolean {
    return this.#isReachable && this.#member(name).isUp;
  }

  /** Makes all members unavailable or available. */
  setUp(isUp: boolean): void {
    this.#isReachable = isUp;
  }

  /** Makes the master refuse or accept writes. */
  setReadOnly(isReadOnly: boolean): void {
    this.#member(this.#master).settings.readOnly = isReadOnly;
  }

  /** Denies writes to these object types to the user of the hosts. */
  setDenied(types: readonly string[]): void {
    for (const { settings } of this.#members.values()) {
      settings.denied.clear();
      for (const type of types) settings.denied.add(type);
    }
  }

  /**
   * Loses the master and promotes the candidate, without writes that had not reached it. Does nothing if the candidate is unavailable.
   * @returns marks of reservations whose confirmed creation or removal is lost
   */
  failOver(): Set<string> {
    const marks = (name: MemberName) =>
      new Set(this.holders(name).map(({ view, address, comment }) => `${view}/${address}/${comment}`));
    const old = this.#master;
    const next = memberNames.find((name) => name !== old) ?? old;
    if (!this.#member(next).isUp) return new Set();
    const [before, after] = [marks(old), marks(next)];
    const blocks = this.ranges;
    this.#reign += 1;
    this.#master = next;
    const kept = new Set(this.ranges.map(({ comment }) => comment));
    // Its host serves a block that the new master lacks until its next look, as if somebody had removed it.
    for (const range of blocks) if (!kept.has(range.comment)) this.#removedBlocks.push({ range, at: this.#time.now });
    this.#member(old).isUp = false;
    this.#member(next).settings.readOnly = false;
    const differ = [...[...before].filter((key) => !after.has(key)), ...[...after].filter((key) => !before.has(key))];
    return new Set(differ.map((key) => key.slice(key.indexOf('/', key.indexOf('/') + 1) + 1)));
  }

  /** Returns the lost member as a candidate with the master's contents. */
  rejoin(): void {
    const name = memberNames.find((one) => one !== this.#master) ?? this.#master;
    if (this.#member(name).isUp) return;
    const member = this.#newMember(true);
    for (const request of this.#member(this.#master).history) member.carryOut(request);
    this.#members.set(name, member);
  }

  /** Replaces next-available functions in a body by their present results. */
  lookUp(name: MemberName, request: HttpRequest): HttpRequest {
    const target = parseTarget(new URL(request.url).pathname);
    return { ...request, body: this.#member(name).service.lookUp(target?.type ?? '', request.body) };
  }

  /** Carries out a request. @returns its answer */
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

  /** Performs a write of an administrator, also while others may not write; it is replicated as usual. */
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

/** Lists the addresses of a range. */
export function boundsOf({ start_addr: first, end_addr: last }: WapiObject): Interval {
  return { first: String(first), last: String(last) };
}
