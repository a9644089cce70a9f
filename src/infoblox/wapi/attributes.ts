/**
 * Sends requests with extensible attributes, and searches by them. A grid refuses attributes that it does not define and values that it
 * does not accept; refused ones are left out from then on.
 */
import type { GenericSchema, InferOutput } from 'valibot';
import { type Attributes, attributeDefinitions, cloud, networkNameAttribute } from '../attributes.ts';
import { forAnotherLook, GridError } from '../errors.ts';
import type { Sighting } from '../grid.ts';
import { type Kind, parseAnswer } from './objects.ts';
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
      if (!this.#attributes.noteRefusal(error, { type, attributes })) throw error;
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
        const { value } = await this.#session.ask({ ...request, body: withAttributes(body, taken) }, signal);
        return parseAnswer(schema, value, { what: `POST ${type}`, outcome: 'unknown' });
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

/** A refused attribute: all of it, on objects of one type, or one value. */
interface Refused {
  readonly name: string;
  readonly type?: string;
  readonly value?: string;
}

/** Refusals remembered; the oldest are forgotten, and what they refused is tried again. */
const maxRefusals = 1_000;

/** Remembers which attributes and values the grid accepts. */
export class ExtensibleAttributes {
  readonly #own: Attributes;
  readonly #onRefused: (refused: Refused) => void;
  readonly #everywhere: Attributes;
  /** By `keyOf`. */
  readonly #refused = new Set<string>();
  /** Whether the list of definitions was empty. */
  #sawNone = false;

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
    return [{ name }, { name, type }, { name, value }].every((one) => !this.#refused.has(keyOf(one)));
  }

  /**
   * Records the attribute or value that a failed request shows as refused.
   * @param request the object's type, and the attributes sent or searched by
   * @returns false if the failure is not about one of these attributes
   */
  noteRefusal(
    error: unknown,
    { type, attributes }: { readonly type: string; readonly attributes: Attributes },
  ): boolean {
    if (!(error instanceof GridError) || error.attribute === undefined) return false;
    const { reason, attribute: name } = error;
    const value = Object.hasOwn(attributes, name) ? attributes[name] : undefined;
    if (value === undefined) return false;
    if (reason === 'attribute-value') this.#refuse({ name, value });
    else if (reason === 'attribute-not-allowed') this.#refuse({ name, type });
    else this.#refuse({ name });
    // The cloud licence defines this one. Without it, an empty list of definitions is true.
    if (this.#sawNone && this.#refused.has(keyOf({ name: networkNameAttribute })))
      this.#refuseAllBut(Object.keys(this.#own));
    return true;
  }

  /**
   * Learns which attributes the grid defines. An empty list proves nothing: missing rights may hide them.
   * @param defined their names
   */
  learn(defined: readonly string[]): void {
    this.#sawNone = defined.length === 0;
    if (!this.#sawNone) this.#refuseAllBut(defined);
  }

  #refuseAllBut(names: readonly string[]): void {
    for (const { name } of attributeDefinitions(this.#own)) if (!names.includes(name)) this.#refuse({ name });
  }

  #refuse(refused: Refused): void {
    const [oldest] = this.#refused;
    if (this.#refused.size >= maxRefusals && oldest !== undefined) this.#refused.delete(oldest);
    this.#refused.add(keyOf(refused));
    const { name, type, value } = refused;
    // Many grids do not define the driver's own.
    if (Object.hasOwn(this.#own, name) || type !== undefined || value !== undefined) this.#onRefused(refused);
  }
}

function keyOf({ name, type, value }: Refused): string {
  return JSON.stringify([name, type, value]);
}
