/**
 * Requests that carry extensible attributes, or search by them. A grid refuses both for an attribute that it does not define and for
 * a value that it does not take: what it has refused is left out from then on.
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

  /** Notes which attributes the grid defines, and the values of those that take only some. */
  learn(defined: readonly DefinedAttribute[]): void {
    this.#attributes.learn(
      new Map(defined.map(({ name, type, values }) => [name, type === 'ENUM' ? values : undefined])),
    );
  }

  /**
   * Yields what carries these attributes, page by page; nothing where the grid does not take them, as nothing can carry them
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
   * Creates an object; again without each attribute that is refused, as nothing was committed by then.
   * @returns the fields that are asked for
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
   * @throws GridError as `Session.write` does; `mayLookAgain` also if an attribute was refused, which is left out the next time
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

/** Puts attributes into a body as WAPI writes them. */
function withAttributes(body: Fields, attributes: Attributes): Fields {
  const extattrs = Object.entries(attributes).map(([name, value]) => [name, { value }]);
  return extattrs.length === 0 ? body : { ...body, extattrs: Object.fromEntries(extattrs) };
}

/** Refused values that are remembered; the oldest are forgotten, and sent once more. */
const maxRefusedValues = 1_000;

/** What the grid refuses: an attribute, an attribute of objects of a type, or one value of it. */
interface Refused {
  readonly name: string;
  readonly type?: string;
  readonly value?: string;
}

/** Knows which attributes, and which of their values, the grid takes. */
export class ExtensibleAttributes {
  readonly #own: Attributes;
  readonly #onRefused: (refused: Refused) => void;
  readonly #everywhere: Attributes;
  /** Names, and names with a type of object. */
  readonly #refused = new Set<string>();
  /** Names with a value. */
  readonly #refusedValues = new Set<string>();
  /** By name, what the grid takes if that is a list. */
  #lists: ReadonlyMap<string, readonly string[]> = new Map();
  #nothingDefined = false;

  /**
   * @param tenant value of `Tenant ID`: the cluster's name
   * @param own what the operator wants on everything that is created
   * @param onRefused told, once for each attribute, when the grid does not define one of those, or refuses one that it defines
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

  /** Returns what the grid takes of these and of what everything gets, for an object of a type. */
  taken(type: string, attributes: Attributes): Attributes {
    const all = Object.entries({ ...this.#everywhere, ...attributes });
    return Object.fromEntries(all.filter(([name, value]) => this.takes(type, name, value)));
  }

  /** Tells whether an attribute can be sent, or searched by, with a value: a grid refuses both for what it does not take. */
  takes(type: string, name: string, value: string): boolean {
    if (this.#refused.has(name) || this.#refused.has(keyOf(name, type))) return false;
    if (this.#lists.get(name)?.includes(value) !== false) return !this.#refusedValues.has(keyOf(name, value));
    this.#onRefused({ name, value });
    return false;
  }

  /**
   * Notes what a failed request shows that the grid does not take: it is not sent again.
   * @param request `type`: of the object; `attributes`: what was sent or searched by
   * @returns false if the failure is not about one of them
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
   * Notes that a search by an attribute has failed. If the list of definitions was empty, too, that was no matter of rights: nothing
   * is defined, and to be told so for one attribute after another would cost a request each. What the operator wants is tried all the same.
   * @returns as `noteRefusal`
   */
  noteRefusedSearch(error: unknown, request: { readonly type: string; readonly attributes: Attributes }): boolean {
    if (!this.noteRefusal(error, request)) return false;
    if (this.#nothingDefined && hasReason(error, 'unknown-attribute')) this.#refuseAllBut(Object.keys(this.#own));
    return true;
  }

  /**
   * Notes what the grid defines. That it is nothing is not believed at once, as rights may hide it.
   * @param defined by name, the values of those that take only some
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
