/**
 * Requests that carry extensible attributes, or search by them. A grid refuses both for an attribute that it does not define and for
 * a value that it does not take: what it has refused is left out from then on. Also which attributes a grid defines: asked, and added to.
 */
import type { InferOutput } from 'valibot';
import type { AttributeDefinition, Attributes, ExtensibleAttributes } from '../attributes.ts';
import { GridError } from '../errors.ts';
import { exactSearch, type ObjectSchema, type Search, searchPages } from './paged-search.ts';
import { referenceTo, typeOf } from './reference.ts';
import type { Fields } from './request.ts';
import { forAnotherLook } from './retry.ts';
import { attributeDefinition, type DefinedAttribute, parseAnswer } from './schemas.ts';
import type { Session } from './session.ts';
import type { Sighted, SightedObject } from './sighting.ts';

type Requests = Pick<Session, 'ask' | 'request' | 'write' | 'clock'>;

export class AttributedRequests {
  readonly #session: Requests;
  readonly #attributes: ExtensibleAttributes;

  constructor(session: Requests, attributes: ExtensibleAttributes) {
    this.#session = session;
    this.#attributes = attributes;
  }

  /** Notes which attributes the grid defines, and the values of those that take only some. */
  learn(defined: readonly DefinedAttribute[]): void {
    const values = (list: DefinedAttribute['list_values']) => list.map(({ value }) => value);
    this.#attributes.learn(
      new Map(defined.map(({ name, type, list_values }) => [name, type === 'ENUM' ? values(list_values) : undefined])),
    );
  }

  /**
   * Yields what carries these attributes, page by page; nothing where the grid does not take them, as nothing can carry them
   * (scoulomb/myDNS, notes on errors).
   * @throws as `searchPages`
   */
  async *list<const S extends ObjectSchema>(
    { attributes, query, ...search }: Search<S> & { readonly attributes: Attributes },
    signal: AbortSignal,
  ): AsyncGenerator<Sighted<InferOutput<S>>> {
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

  /** Finds what carries these attributes and matches exact criteria: a few results. @throws as `searchPages` */
  find<const S extends ObjectSchema>(
    search: Search<S> & { readonly attributes: Attributes },
    signal: AbortSignal,
  ): Promise<Sighted<InferOutput<S>>[]> {
    return Array.fromAsync(this.list({ ...search, limits: exactSearch }, signal));
  }

  /**
   * Creates an object; again without each attribute that is refused, as nothing was committed by then.
   * @returns the fields that are asked for
   * @throws GridError as the session does, or `bad-answer`
   */
  async create<const S extends ObjectSchema>(
    { type, schema, fields }: Pick<Search<S>, 'type' | 'schema' | 'fields'>,
    { body, attributes = {} }: { readonly body: Fields; readonly attributes?: Attributes },
    signal: AbortSignal,
  ): Promise<InferOutput<S>> {
    const request = { method: 'POST', path: type, query: { _return_fields: fields } } as const;
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
   * @throws GridError as `Session.write` does; `mayLookAgain` also if an attribute was refused, which is left out the next time
   */
  async change(
    object: SightedObject,
    { body, attributes }: { readonly body: Fields; readonly attributes: Attributes },
    signal: AbortSignal,
  ): Promise<unknown> {
    const type = typeOf(object.ref);
    const taken = this.#attributes.taken(type, attributes);
    try {
      return await this.#session.write(object, { method: 'PUT', body: withAttributes(body, taken) }, signal);
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

/** Yields the definitions of extensible attributes that this user may see. @throws as `searchPages` */
export function listAttributeDefinitions(
  session: Pick<Session, 'ask' | 'clock'>,
  signal: AbortSignal,
): AsyncGenerator<DefinedAttribute> {
  return searchPages(session, { ...attributeDefinition, query: {} }, signal);
}

/**
 * Defines an extensible attribute, which only superusers may (crossplane provider, notes of its tests).
 * @throws GridError as the session does, `conflict` if it is there
 */
export async function defineAttribute(
  session: Pick<Session, 'request'>,
  { name, type, comment, values }: AttributeDefinition,
  signal: AbortSignal,
): Promise<void> {
  const path = attributeDefinition.type;
  const body = { name, type, comment, ...(values && { list_values: values.map((value) => ({ value })) }) };
  const answer = await session.request({ method: 'POST', path, body }, signal);
  parseAnswer(referenceTo(path), answer, { what: `POST ${path}`, outcome: 'unknown' });
}
