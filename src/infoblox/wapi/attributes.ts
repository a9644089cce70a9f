/**
 * Sends requests with extensible attributes, and searches by them. A grid refuses attributes that it does not define and values that it
 * does not accept; refused ones are left out from then on.
 */
import type { GenericSchema, InferOutput } from 'valibot';
import { type Attributes, attributeDefinitions, cloud } from '../attributes.ts';
import { forAnotherLook, GridError, hasReason } from '../errors.ts';
import type { Sighting } from '../grid.ts';
import { type DefinedAttribute, type Kind, parseAnswer } from './objects.ts';
import { type Fields, type Question, typeOf } from './request.ts';
import { type Search, searchPages } from './search.ts';
import type { Requests } from './session.ts';

interface Creation extends Pick<Question, 'neededBy'> {
  readonly body: Fields;
  readonly attributes?: Attributes;
}

export class AttributedRequests {
  readonly #session: Requests;
  readonly #attributes: ExtensibleAttributes;

  constructor(session: Requests, attributes: ExtensibleAttributes) {
    this.#session = session;
    this.#attributes = attributes;
  }

  /** Learns which attributes the grid defines, and the values of list attributes. */
  learn(defined: readonly DefinedAttribute[]): void {
    this.#attributes.learn(
      new Map(defined.map(({ name, type, values }) => [name, type === 'ENUM' ? values : undefined])),
    );
  }

  /**
   * Yields objects with these attributes, page by page. Yields none if the grid does not accept the attributes: no object can have them
   * (scoulomb/myDNS, notes on errors).
   * @throws as `searchPages`
   */
  async *list<const S extends GenericSchema, T>(
    { attributes, query, ...search }: Search<S, T> & { readonly attributes: Attributes },
    signal: AbortSignal,
  ): AsyncGenerator<T> {
    const { type } = search;
    const all = Object.entries(attributes);
    if (!all.every(([name, value]) => this.#attributes.takes(type, name, value))) return;
    const wanted = Object.fromEntries(all.map(([name, value]) => [`*${name}`, value]));
    try {
      yield* searchPages(this.#session, { ...search, query: { ...wanted, ...query } }, signal);
    } catch (error) {
      if (!this.#attributes.noteRefusedSearch(error, { type, attributes })) throw error;
    }
  }

  /**
   * Creates an object. Retries without each refused attribute: a refused create has changed nothing.
   * @returns the requested fields
   * @throws GridError as the session does, or `bad-answer`
   */
  async create<const S extends GenericSchema>(
    { type, schema, fields }: Omit<Kind<S, unknown>, 'read'>,
    { body, attributes = {}, neededBy }: Creation,
    signal: AbortSignal,
  ): Promise<InferOutput<S>> {
    const request = { method: 'POST', path: type, query: { _return_fields: fields }, neededBy } as const;
    for (;;) {
      const taken = this.#attributes.taken(type, attributes);
      try {
        const answer = await this.#session.request({ ...request, body: withAttributes(body, taken) }, signal);
        return parseAnswer(schema, answer, { what: `POST ${type}`, outcome: 'unknown' });
      } catch (error) {
        if (!this.#attributes.noteRefusal(error, { type, attributes: taken })) throw error;
      }
    }
  }

  /**
   * Changes an object.
   * @param change `attributes`: undefined if they stay
   * @throws GridError as `Session.write` does; `mayLookAgain` also after a refused attribute, which the next attempt leaves out
   */
  async change(
    seen: Sighting,
    { body, attributes }: { readonly body: Fields; readonly attributes?: Attributes | undefined },
    signal: AbortSignal,
  ): Promise<unknown> {
    const type = typeOf(seen.object);
    const taken = attributes === undefined ? {} : this.#attributes.taken(type, attributes);
    try {
      return await this.#session.write(seen, { method: 'PUT', body: withAttributes(body, taken) }, signal);
    } catch (error) {
      const isLearnt = error instanceof GridError && this.#attributes.noteRefusal(error, { type, attributes: taken });
      throw isLearnt ? forAnotherLook(error) : error;
    }
  }
}

/** Adds attributes to a body in WAPI's form. */
function withAttributes(body: Fields, attributes: Attributes): Fields {
  const extattrs = Object.entries(attributes).map(([name, value]) => [name, { value }]);
  return extattrs.length === 0 ? body : { ...body, extattrs: Object.fromEntries(extattrs) };
}

/** Remembered refused values; the oldest are forgotten and tried again. */
const maxRefusedValues = 1_000;

/** A refused attribute: all of it, on objects of one type, or one value. */
interface Refused {
  readonly name: string;
  readonly type?: string;
  readonly value?: string;
}

/** Remembers which attributes and values the grid accepts. */
export class ExtensibleAttributes {
  readonly #own: Attributes;
  readonly #onRefused: (refused: Refused) => void;
  readonly #everywhere: Attributes;
  /** Refused names, and refused names with an object type. */
  readonly #refused = new Set<string>();
  /** Refused names with a value. */
  readonly #refusedValues = new Set<string>();
  /** Accepted values of list attributes, by name. */
  #lists: ReadonlyMap<string, readonly string[]> = new Map();
  #nothingDefined = false;

  /**
   * @param tenant value of `Tenant ID`: the cluster's name
   * @param own the operator's attributes for all created objects
   * @param onRefused called once for each attribute: an undefined one of the operator, or a defined one that the grid refused
   */
  constructor(tenant: string, own: Attributes = {}, onRefused: (refused: Refused) => void = () => {}) {
    this.#own = own;
    this.#everywhere = { [cloud.tenant]: tenant, [cloud.cmpType]: 'CNI', [cloud.owned]: 'True', ...own };
    const told = new Set<string>();
    this.#onRefused = (refused) => {
      if (!told.has(refused.name)) onRefused(refused);
      told.add(refused.name);
    };
  }

  /** Returns the attributes for an object of a type, with those of all objects, as far as the grid accepts them. */
  taken(type: string, attributes: Attributes): Attributes {
    const all = Object.entries({ ...this.#everywhere, ...attributes });
    return Object.fromEntries(all.filter(([name, value]) => this.takes(type, name, value)));
  }

  /** Tells whether the grid accepts an attribute with a value, in an object or a search. */
  takes(type: string, name: string, value: string): boolean {
    if (this.#refused.has(name) || this.#refused.has(keyOf(name, type))) return false;
    if (this.#lists.get(name)?.includes(value) !== false) return !this.#refusedValues.has(keyOf(name, value));
    this.#onRefused({ name, value });
    return false;
  }

  /**
   * Records the attribute or value that a failed request shows as refused.
   * @param request the object's type, and the attributes sent or searched by
   * @returns false if the failure is not about one of these attributes
   */
  noteRefusal(error: unknown, request: { readonly type: string; readonly attributes: Attributes }): boolean {
    if (!(error instanceof GridError) || error.attribute === undefined) return false;
    const { reason, attribute: name } = error;
    const value = Object.hasOwn(request.attributes, name) ? request.attributes[name] : undefined;
    if (value === undefined) return false;
    if (reason === 'attribute-value') this.#refuseValue(name, value);
    else if (reason === 'unknown-attribute') this.#refuse(name);
    else {
      this.#refused.add(keyOf(name, request.type));
      this.#onRefused({ name, type: request.type });
    }
    return true;
  }

  /**
   * Records a refused search by an attribute. If the list of definitions was also empty, the grid defines none, and missing rights were not
   * the cause. Then all attributes are left out, instead of one refused request for each, except those of the operator.
   * @returns as `noteRefusal`
   */
  noteRefusedSearch(error: unknown, request: { readonly type: string; readonly attributes: Attributes }): boolean {
    if (!this.noteRefusal(error, request)) return false;
    if (this.#nothingDefined && hasReason(error, 'unknown-attribute')) this.#refuseAllBut(Object.keys(this.#own));
    return true;
  }

  /**
   * Learns which attributes the grid defines. An empty list proves nothing: missing rights may hide them.
   * @param defined values of list attributes by name; undefined for other types
   */
  learn(defined: ReadonlyMap<string, readonly string[] | undefined>): void {
    this.#nothingDefined = defined.size === 0;
    this.#lists = new Map([...defined].flatMap(([name, values]) => (values === undefined ? [] : [[name, values]])));
    if (!this.#nothingDefined) this.#refuseAllBut([...defined.keys()]);
  }

  #refuseAllBut(names: readonly string[]): void {
    for (const { name } of attributeDefinitions(this.#own)) if (!names.includes(name)) this.#refuse(name);
  }

  #refuse(name: string): void {
    this.#refused.add(name);
    if (Object.hasOwn(this.#own, name)) this.#onRefused({ name });
  }

  #refuseValue(name: string, value: string): void {
    const [oldest] = this.#refusedValues;
    if (this.#refusedValues.size >= maxRefusedValues && oldest !== undefined) this.#refusedValues.delete(oldest);
    this.#refusedValues.add(keyOf(name, value));
    this.#onRefused({ name, value });
  }
}

function keyOf(name: string, rest: string): string {
  return `${name}\n${rest}`;
}
