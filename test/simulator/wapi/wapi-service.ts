import { dataError, notFoundError, protocolError, unsupportedVersion, WapiError } from '../errors.ts';
import { requireCloudAttributes } from '../rules/attributes.ts';
import { isTypeName, OBJECT_TYPES, type Operation } from '../schema/object-types.ts';
import type { Database } from '../store/database.ts';
import { type GridObject, type Json, kindOf, type TypeName, typeOf, type Values } from '../store/grid-objects.ts';
import { decodeReference, referenceOf } from '../store/reference.ts';
import { objectWithKey } from './address-status.ts';
import { resolveAllocations } from './allocation.ts';
import { type Arguments, isOn, parseArguments, refuseOthers, returnFields, wantsFields } from './arguments.ts';
import { callFunction } from './grid-functions.ts';
import { createObject, removeObject, updateObject } from './operations.ts';
import { present } from './read-field.ts';
import { type ResultPage, ResultPages } from './result-pages.ts';
import { schemaOfGrid, schemaOfType } from './schema-pages.ts';
import { search } from './search.ts';
import { searchTerm } from './search-terms.ts';
import { parseBody, type WapiTarget } from './target.ts';

/** Settings that differ from the factory's. */
export interface ServiceSettings {
  readonly versions: readonly string[];
  /** A cloud licence is installed. */
  readonly cloud: boolean;
  /** The user is a cloud API user: must set three attributes on every create, and cannot use some types. */
  readonly cloudUser: boolean;
  /** Object types that the user may not read. */
  readonly denied: Set<string>;
  /** Refuses writes, as a grid master candidate does. */
  readOnly: boolean;
}

/** An authenticated request. */
export interface WapiRequest {
  readonly method: string;
  readonly target: WapiTarget;
  readonly query: URLSearchParams;
  readonly body: string;
  readonly contentType: string;
}

export interface WapiAnswer {
  readonly status: number;
  readonly json: Json;
}

/** WAPI: cloud API users have no access to member:license and extensibleattributedef. */
const CLOSED_TO_CLOUD_USERS: readonly TypeName[] = ['member:license', 'extensibleattributedef'];

/** Answers WAPI requests from a database. Errors are thrown as WapiErrors. */
export class WapiService {
  readonly #db: Database;
  readonly #settings: ServiceSettings;
  readonly #pages = new ResultPages();

  constructor(db: Database, settings: ServiceSettings) {
    this.#db = db;
    this.#settings = settings;
  }

  handle(request: WapiRequest): WapiAnswer {
    const { method, target, query } = request;
    if (!this.#settings.versions.includes(target.version)) throw unsupportedVersion(target.version);
    const args = parseArguments(query, this.#settings.cloud);
    if (target.type === '') {
      if (method !== 'GET' || !args.options.has('_schema')) throw protocolError('Unknown object type ()');
      return { status: 200, json: schemaOfGrid(target.version, this.#settings.versions) };
    }
    const type = target.type;
    if (!isTypeName(type)) throw protocolError(`Unknown object type (${type})`);
    const isClosed = this.#settings.cloudUser && CLOSED_TO_CLOUD_USERS.includes(type);
    if (isClosed || this.#settings.denied.has(type)) throw noPermission(type);
    if (method === 'GET' && args.options.has('_schema'))
      return { status: 200, json: schemaOfType(target.version, type) };
    if (args.options.has('_function')) return this.#call(request, type, args);
    const answer = this.#dispatch(request, type, args);
    return isOn(args, '_return_as_object') && method !== 'GET' ? { ...answer, json: { result: answer.json } } : answer;
  }

  /** Returns a body with next-available functions replaced by their current results; unchanged if they find nothing. */
  lookUp(type: string, body: string): string {
    if (!isTypeName(type) || body === '') return body;
    try {
      return JSON.stringify(resolveAllocations(this.#db, type, JSON.parse(body)));
    } catch (error) {
      // The answer to the request will report the error.
      if (error instanceof WapiError) return body;
      throw error;
    }
  }

  #dispatch(request: WapiRequest, type: TypeName, args: Arguments): WapiAnswer {
    const { method, target } = request;
    switch (`${method} ${target.reference === undefined ? 'type' : 'object'}`) {
      case 'GET type':
        return { status: 200, json: this.#search(request, type, args) };
      case 'GET object': {
        refuseOthers(args);
        const json = present(this.#db, this.#find(type, target.reference), returnFields(type, args));
        return { status: 200, json: isOn(args, '_return_as_object') ? { result: json } : json };
      }
      case 'POST type':
        return { status: 201, json: this.#create(request, type, args) };
      case 'PUT object':
        return { status: 200, json: this.#update(request, type, args) };
      case 'DELETE object':
        return { status: 200, json: this.#remove(request, type, args) };
      default: {
        const operation = { POST: 'create', PUT: 'update', DELETE: 'delete' }[method] ?? method.toLowerCase();
        throw protocolError(`Operation ${operation} not allowed for ${type}`);
      }
    }
  }

  #search(request: WapiRequest, type: TypeName, args: Arguments): Json {
    this.#allow('read', type);
    const pageId = args.options.get('_page_id');
    const page = pageId === undefined ? this.#firstPage(request, type, args) : this.#pages.next(this.#db, pageId);
    const result = page.objects.map((object) => present(this.#db, object, page.fields));
    if (pageId === undefined && !isOn(args, '_return_as_object')) return result;
    return page.nextPageId === undefined ? { result } : { result, next_page_id: page.nextPageId };
  }

  #firstPage(request: WapiRequest, type: TypeName, args: Arguments): ResultPage {
    // WAPI: a GET may carry its search in a JSON body instead of the query.
    const given = [...args.others, ...Object.entries(parseBody(request))];
    const terms = given.map(([key, value]) => searchTerm(this.#db, type, key, value));
    return this.#pages.first(search(this.#db, type, terms), returnFields(type, args), args);
  }

  #create(request: WapiRequest, type: TypeName, args: Arguments): Json {
    this.#allow('create', type);
    refuseOthers(args);
    const fields = returnFields(type, args);
    const body = parseBody(request);
    if (this.#settings.cloudUser) requireCloudAttributes(body);
    return this.#written(createObject(this.#db, type, body), fields, args);
  }

  #update(request: WapiRequest, type: TypeName, args: Arguments): Json {
    this.#allow('update', type);
    refuseOthers(args);
    const fields = returnFields(type, args);
    const object = this.#find(type, request.target.reference);
    updateObject(this.#db, object, parseBody(request));
    return this.#written(object, fields, args);
  }

  #remove(request: WapiRequest, type: TypeName, args: Arguments): Json {
    this.#allow('delete', type);
    refuseOthers(args, kindOf(type) === 'networkcontainer' ? ['remove_subnets'] : []);
    const object = this.#find(type, request.target.reference);
    const reference = referenceOf(object);
    const withSubnets = args.others.some(([, value]) => value === '1' || value === 'true');
    removeObject(this.#db, object, withSubnets);
    return reference;
  }

  #call(request: WapiRequest, type: TypeName, args: Arguments): WapiAnswer {
    const name = args.options.get('_function') ?? '';
    if (request.method !== 'POST') throw protocolError(`Function ${name} illegal with this method`);
    const object = this.#find(type, request.target.reference ?? '');
    const parameters: Values = { ...Object.fromEntries(args.others), ...parseBody(request) };
    return { status: 200, json: callFunction(this.#db, object, name, parameters) };
  }

  #written(object: GridObject, fields: string[], args: Arguments): Json {
    return wantsFields(args) ? present(this.#db, object, fields) : referenceOf(object);
  }

  #find(type: TypeName, reference = ''): GridObject {
    const object = objectWithKey(this.#db, decodeReference(type, reference));
    // The natural keys of both families have the same prefix.
    if (!object || typeOf(object) !== type) throw notFoundError(`Reference ${reference} not found`);
    return object;
  }

  #allow(operation: Operation, type: TypeName): void {
    if (!OBJECT_TYPES[type].operations.includes(operation)) {
      throw protocolError(`Operation ${operation} not allowed for ${type}`);
    }
    // Assumed wording: a candidate's answer to a write is unknown.
    if (this.#settings.readOnly && operation !== 'read') {
      throw dataError('This Grid member serves read-only API requests only.');
    }
  }
}

function noPermission(type: TypeName): Error {
  return dataError(`You need to have Read permission for the ${type} to access objects of this type`);
}
