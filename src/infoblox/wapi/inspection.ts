/**
 * Requests of operator commands: versions, licences, what a user may see; lists and defines extensible attributes. All throw GridError as
 * the session does, and `bad-answer` for an unexpected answer.
 */
import * as v from 'valibot';
import { type Family, families, familyOf } from '../address.ts';
import type { AttributeDefinition } from '../attributes.ts';
import { undefinedIfUnreadable } from '../errors.ts';
import { dialects } from './dialect.ts';
import { attributeDefinition, type DefinedAttribute, objectsOf, parseAnswer } from './objects.ts';
import { type Request, referenceTo } from './request.ts';
import { searchPages } from './search.ts';
import type { Session } from './session.ts';

const text = v.pipe(v.string(), v.maxLength(256));

const GridSchema = v.object({ supported_versions: v.pipe(v.array(text), v.maxLength(1_000)) });

const LicenseSchema = v.object({ type: text, expiration_status: v.optional(text, '') });

export interface License {
  readonly type: string;
  /** `PERMANENT`, `EXPIRED` and the like (WAPI documentation, member:license); empty if the grid does not return it. */
  readonly status: string;
}

const MadeView = v.object({ name: text });
const texts = v.optional(v.pipe(v.array(text), v.maxLength(1_000)), []);
const UseSchema = v.object({ network: text, network_view: text, status: text, types: texts, names: texts });

/** Use of an address in the grid's words: status `UNUSED` or `USED`; types such as `HOST`, `LEASE`; names of objects. */
interface AddressUse extends Pick<v.InferOutput<typeof UseSchema>, 'network' | 'status' | 'types' | 'names'> {
  readonly view: string;
}

/** Results read of a list that is not paged. */
const maxResults = 1_000;

/** Lists the object types that the driver reads for address families, except those that cannot be listed. */
export function readTypes(families: readonly Family[]): string[] {
  const ofFamily = ['network', 'networkcontainer', 'fixedaddress', 'range'];
  const types = families.flatMap((family) => ofFamily.map((type) => `${dialects[family].prefix}${type}`));
  return ['networkview', ...types, 'extensibleattributedef'];
}

export class GridInspection {
  readonly #session: Pick<Session, 'ask'>;

  constructor(session: Pick<Session, 'ask'>) {
    this.#session = session;
  }

  /** Lists the WAPI versions that the grid serves (vendor's blog on WAPI schema fetching: `?_schema` on the base URL). */
  async versions(signal: AbortSignal): Promise<string[]> {
    const answer = await this.#get({ path: '', query: { _schema: '' } }, signal);
    return parseAnswer(GridSchema, answer, { what: 'GET ?_schema' }).supported_versions;
  }

  /** Lists the licences of the grid's members; may be empty for a user who may not see them. */
  async licenses(signal: AbortSignal): Promise<License[]> {
    const query = { _return_fields: 'type,expiration_status' };
    const found = await this.#list({ path: 'member:license', query }, LicenseSchema, signal);
    return found.map(({ type, expiration_status: status }) => ({ type, status }));
  }

  /** Tells whether the user can see any object of a type. */
  sees(type: string, signal: AbortSignal): Promise<boolean> {
    return this.#seesAny({ path: type, query: { _return_fields: 'comment' } }, signal);
  }

  /** Tells whether the user can see the use of an address. */
  seesUse(address: string, view: string, signal: AbortSignal): Promise<boolean> {
    const query = { ip_address: address, network_view: view, _return_fields: 'status' };
    return this.#seesAny({ path: `ipv${familyOf(address)}address`, query }, signal);
  }

  /** Finds the uses of an address, one in each view that has a network with it. */
  async usesOf(address: string, signal: AbortSignal): Promise<AddressUse[]> {
    const query = { ip_address: address, _return_fields: 'network,network_view,status,types,names' };
    const found = await this.#list({ path: `ipv${familyOf(address)}address`, query }, UseSchema, signal);
    return found.map(({ network_view: view, ...use }) => ({ view, ...use }));
  }

  /** Lists networks and views that the driver created, by their comments. `network`: its CIDR; null for a view. */
  async made(signal: AbortSignal) {
    const ofNetworks = families.map((family) => {
      const query = { 'comment~': '^infoblox-cni network=' };
      const search = searchPages(this.#session, { ...objectsOf[family].network, query }, signal);
      // A user may lack rights for IPv6.
      return Array.fromAsync(search).catch(undefinedIfUnreadable);
    });
    const query = { comment: 'infoblox-cni', _return_fields: 'name' };
    const [views, ...networks] = await Promise.all([
      this.#list({ path: 'networkview', query }, MadeView, signal),
      ...ofNetworks,
    ]);
    return [
      ...networks
        .flatMap((found) => found ?? [])
        .map(({ cidr, view, comment }) => ({ network: cidr.text, view, comment })),
      ...views.map(({ name }) => ({ network: null, view: name, comment: '' })),
    ];
  }

  /** Yields the definitions of extensible attributes that this user may see. @throws as `searchPages` */
  attributes(signal: AbortSignal): AsyncGenerator<DefinedAttribute> {
    return searchPages(this.#session, { ...attributeDefinition, query: {} }, signal);
  }

  /**
   * Defines an extensible attribute. Only superusers may do this (crossplane provider, notes of its tests).
   * @throws GridError `conflict` if it exists
   */
  async defineAttribute(attribute: AttributeDefinition, signal: AbortSignal): Promise<void> {
    const { name, type, comment, values } = attribute;
    const path = attributeDefinition.type;
    const body = { name, type, comment, ...(values && { list_values: values.map((value) => ({ value })) }) };
    const { value } = await this.#session.ask({ method: 'POST', path, body }, signal);
    parseAnswer(referenceTo(path), value, { what: `POST ${path}`, outcome: 'unknown' });
  }

  async #seesAny({ path, query }: Pick<Request, 'path' | 'query'>, signal: AbortSignal): Promise<boolean> {
    const answer = await this.#get({ path, query: { ...query, _max_results: '1' } }, signal);
    return parseAnswer(v.array(v.unknown()), answer, { what: `GET ${path}` }).length > 0;
  }

  /** Lists objects without paging. A positive `_max_results` cuts the list without an error (ibx-sdk, user guide). */
  async #list<const S extends v.GenericSchema>(
    { path, query }: Pick<Request, 'path' | 'query'>,
    schema: S,
    signal: AbortSignal,
  ): Promise<v.InferOutput<S>[]> {
    const answer = await this.#get({ path, query: { ...query, _max_results: String(maxResults) } }, signal);
    return parseAnswer(v.array(schema), answer, { what: `GET ${path}` });
  }

  async #get(request: Pick<Request, 'path' | 'query'>, signal: AbortSignal): Promise<unknown> {
    return (await this.#session.ask({ method: 'GET', ...request }, signal)).value;
  }
}
