/**
 * The address sets of a network configuration. An ADD gets one address of each set, from the set's sources in order:
 * the next source is used only if those before it have no free address. The relations between sources are checked here,
 * before the grid is asked.
 */
import { type Cidr, type Family, familyOf, type Interval, intersect, isWithin } from '../address.ts';
import { GridError } from '../errors.ts';
import { type NetworkSpec, networkSpec, type SpecInput, sourceText, specText } from './spec.ts';

/** Sources of one family, in order. */
export type AddressSet = readonly [NetworkSpec, ...NetworkSpec[]];
export type AddressSets = readonly [AddressSet, ...AddressSet[]];

/** Maximum numbers of sets and of sources in all sets. The address of each set has a mark of its own. */
export const maxSets = 16;
export const maxSources = 64;

/**
 * Checks the sets of a network configuration.
 * @param inputs at least one set with at least one source
 * @throws GridError `invalid-spec` with the key, the reason and the fix
 */
export function addressSets(inputs: readonly (readonly SpecInput[])[]): AddressSets {
  const all = inputs.flat();
  if (inputs.length > maxSets || all.length > maxSources) {
    throw new GridError(
      'invalid-spec',
      `ranges has ${inputs.length} sets with ${all.length} sources, more than ${maxSets} or ${maxSources}`,
      { hint: 'leave some out: a container gets one address of each set' },
    );
  }
  const sets = inputs.map((set) => set.map((input) => ({ path: input.path ?? '', spec: networkSpec(input) })));
  const sources = sets.flat();
  for (const [index, one] of sources.entries()) {
    for (const other of sources.slice(index + 1)) refuseBoth(one, other);
  }
  for (const set of sets) {
    const [first, ...others] = set;
    const stranger = others.find(({ spec }) => familyOfSpec(spec) !== (first && familyOfSpec(first.spec)));
    if (first === undefined || stranger === undefined) continue;
    throw new GridError(
      'invalid-spec',
      `${stranger.path}subnet ${sourceText(stranger.spec)} is of another family than ${sourceText(first.spec)} before it`,
      { hint: 'give each family a set of its own: a container gets one address of each set' },
    );
  }
  const subnets = sources.flatMap(({ spec: { place } }) => (place.kind === 'subnet' ? [place.cidr] : []));
  const each = [...new Map(subnets.map((cidr) => [cidr.text, cidr])).values()];
  const withOthers = (spec: NetworkSpec) => ({ ...spec, others: each.filter((cidr) => !isSubnetOf(spec, cidr)) });
  return nonEmpty(sets.map((set) => nonEmpty(set.map(({ spec }) => withOthers(spec)))));
}

interface Source {
  readonly path: string;
  readonly spec: NetworkSpec;
}

/**
 * Refuses two sources that cannot be in one configuration.
 * @throws GridError `invalid-spec`
 */
function refuseBoth(one: Source, other: Source): void {
  const [place, otherPlace] = [one.spec.place, other.spec.place];
  const [text, otherText] = [one, other].map(
    ({ path, spec }) => `${path && `${path.slice(0, -1)}: `}${sourceText(spec)}`,
  );
  if (place.kind === 'container' && otherPlace.kind === 'container') {
    if (familyOfSpec(one.spec) !== familyOfSpec(other.spec)) return;
    throw new GridError('invalid-spec', `${otherText} is the second network container of its family`, {
      hint: 'a network is found by its name, so name the subnets of all but one of them',
    });
  }
  if (!areasOf(one.spec).some((area) => areasOf(other.spec).some((another) => intersect(area, another)))) return;
  const isOneSubnet = place.kind === 'subnet' && isSubnetOf(other.spec, place.cidr);
  if (isOneSubnet && !intersects(partsOf(one.spec, place.cidr), partsOf(other.spec, place.cidr))) return;
  throw new GridError('invalid-spec', `${otherText} overlaps ${text}`, {
    hint: isOneSubnet ? 'choose ranges that do not overlap' : 'choose subnets that do not overlap',
  });
}

/** Returns where the network of a source is, or may be. */
function areasOf({ place }: NetworkSpec): readonly Cidr[] {
  return place.kind === 'subnet' ? [place.cidr] : place.containers;
}

/** Returns the intervals of a subnet from which a source takes addresses. */
function partsOf({ part }: NetworkSpec, subnet: Cidr): readonly Interval[] {
  return part.intervals.length > 0 ? part.intervals : [subnet];
}

function intersects(some: readonly Interval[], others: readonly Interval[]): boolean {
  return some.some((one) => others.some((other) => intersect(one, other)));
}

function isSubnetOf({ place }: NetworkSpec, cidr: Cidr): boolean {
  return place.kind === 'subnet' && place.cidr.text === cidr.text;
}

/**
 * Assigns requested addresses to sets by their location.
 * @returns by set; undefined without a request
 * @throws GridError `address-unavailable`
 */
export function requestedOf(sets: AddressSets, addresses: readonly string[]): readonly (string | undefined)[] {
  if (addresses.length > sets.length) {
    const count = sets.length === 1 ? 'one' : sets.length;
    const what = `${addresses.length} addresses are requested (${addresses.join(', ')}), an attachment gets ${count}`;
    throw new GridError('address-unavailable', what, { hint: 'request one address of each set at most' });
  }
  const requested: (string | undefined)[] = sets.map(() => undefined);
  for (const address of addresses) {
    const ofFamily = sets.filter(([spec]) => familyOfSpec(spec) === familyOf(address));
    const set =
      ofFamily.find((one) => one.some((spec) => isIn(spec, address))) ??
      ofFamily.find((one) => one.some((spec) => areasOf(spec).some((area) => isWithin(address, area)))) ??
      // Otherwise the set of its family, whose refusal will say where it must be.
      (ofFamily.length === 1 ? ofFamily[0] : undefined);
    const index = set === undefined ? -1 : sets.indexOf(set);
    if (index === -1) {
      throw new GridError('address-unavailable', `the requested address ${address} lies in none of the subnets`, {
        hint: 'request an address of a subnet of the configuration, or none to get the next free one',
      });
    }
    if (requested[index] !== undefined) {
      const what = `${requested[index]} and ${address} are requested, and a container gets one address of that set`;
      throw new GridError('address-unavailable', what, { hint: 'request one address of each set at most' });
    }
    requested[index] = address;
  }
  return requested;
}

function isIn(spec: NetworkSpec, address: string): boolean {
  return spec.place.kind === 'subnet' && partsOf(spec, spec.place.cidr).some((part) => isWithin(address, part));
}

/** Returns the family of a source's addresses. */
export function familyOfSpec({ place }: NetworkSpec): Family {
  return place.kind === 'subnet' ? place.cidr.family : place.containers[0].family;
}

/** Names the sources of a set, for people. */
export function setText(set: AddressSet): string {
  return set.map(sourceText).join(' or ');
}

/** Names all sources of a configuration, for people. */
export function setsText(sets: AddressSets): string {
  const [[spec, ...alternatives], ...others] = sets;
  if (alternatives.length + others.length === 0) return specText(spec);
  const sources = sets.map(setText).join(' and ');
  return `network ${spec.name} (${sources}) in view ${spec.view}`;
}

function nonEmpty<T>([first, ...more]: readonly T[]): [T, ...T[]] {
  if (first === undefined) throw new Error('a set without a source');
  return [first, ...more];
}
