/**
 * Selects and masks the fields of a support bundle. Shapes list the fields to include; all others are left out. With --redact, the kind of
 * a field says how it is masked.
 */
import { isIP, isIPv4 } from 'node:net';
import { isJsonObject } from '../../../cni/call.ts';

/** Kinds that are masked by a pseudonym: `container~3`. `mark`: that of an attachment or a block. */
type Name =
  | 'host'
  | 'cluster'
  | 'container'
  | 'pod'
  | 'namespace'
  | 'job'
  | 'network'
  | 'view'
  | 'user'
  | 'file'
  | 'mark';

export type Kind =
  /** Never masked. */
  | 'plain'
  /** May contain any name: left out with --redact. */
  | 'text'
  /** May contain a secret: written as `[set]`. */
  | 'presence'
  /** Without user, path and query. */
  | 'url'
  /** IPv4 addresses, with or without a prefix length. */
  | 'address'
  /** `namespace/pod`, or one name. */
  | 'workload'
  | Name;

/** The members of a JSON value to include, and their kinds. A list has the shape of its elements. */
export type Shape = Kind | { readonly [name: string]: Shape };

/**
 * Makes a shape.
 * @param names of members by their kind, separated by blanks
 * @param inner members with a shape of their own
 */
export function shape(
  names: Readonly<Partial<Record<Kind, string>>>,
  inner: { readonly [name: string]: Shape } = {},
): { readonly [name: string]: Shape } {
  const kinds = Object.entries(names) as [Kind, string][];
  const members = kinds.flatMap(([kind, list]) => list.split(' ').map((name) => [name, kind] as const));
  return { ...Object.fromEntries(members), ...inner };
}

const leftOut = '[left out]';
/** Names that identify no site. */
const common: readonly string[] = ['default', 'cluster-1'];

export class Fields {
  readonly #redact: boolean;
  /** The kind as which each name was first met. */
  readonly #kinds = new Map<string, string>();
  readonly #numbers = new Map<string, Map<string, number>>();

  /** @param redact whether names, addresses and free texts are masked */
  constructor(redact: boolean) {
    this.#redact = redact;
  }

  /** Copies the members of a JSON value that a shape names; undefined if the value has another shape. */
  select(value: unknown, shape: Shape): unknown {
    if (Array.isArray(value)) return value.map((item) => this.select(item, shape));
    if (value === null) return null;
    if (typeof shape === 'string') {
      if (typeof value === 'object') return undefined;
      return typeof value === 'string' || shape === 'presence' ? this.write(shape, String(value)) : value;
    }
    if (!isJsonObject(value)) return undefined;
    const named = Object.entries(value).flatMap(([name, member]) => {
      const inner = Object.hasOwn(shape, name) ? shape[name] : undefined;
      return inner === undefined ? [] : [[name, this.select(member, inner)] as const];
    });
    return Object.fromEntries(named);
  }

  /** Masks a text according to its kind. */
  write(kind: Kind, text: string): string {
    if (text === '' || kind === 'plain') return text;
    if (kind === 'presence') return '[set]';
    if (kind === 'url') return this.#redact ? leftOut : (URL.parse(text)?.origin ?? leftOut);
    // A URL given as a host may contain a password.
    if (!this.#redact) return kind === 'host' && !/^[\w.:[\], -]+$/.test(text) ? leftOut : text;
    if (kind === 'text') return leftOut;
    if (kind === 'workload') return this.#workload(text);
    const mask = (part: string) => (kind === 'address' ? this.#address(part) : this.#pseudonym(kind, part));
    return text
      .split(',')
      .map((part) => mask(part.trim()))
      .join();
  }

  /** Returns the same pseudonym for the same name of any kind, so that an object on the grid can be matched with a line of the log. */
  #pseudonym(kind: string, name: string): string {
    if (common.includes(name)) return name;
    const first = this.#kinds.get(name) ?? kind;
    this.#kinds.set(name, first);
    // No name in CNI contains `~`.
    return `${first}~${this.#number(first, name)}`;
  }

  /** Numbers the names of a group in the order in which they are met. */
  #number(group: string, name: string): number {
    const numbers = this.#numbers.get(group) ?? new Map<string, number>();
    this.#numbers.set(group, numbers);
    const number = numbers.get(name) ?? numbers.size + 1;
    numbers.set(name, number);
    return number;
  }

  #workload(text: string): string {
    const [name = '', ...namespace] = text.split('/').reverse();
    return [...namespace.map((part) => this.#pseudonym('namespace', part)), this.#pseudonym('pod', name)].join('/');
  }

  /** Masks an address octet by octet: addresses of one network stay in one network, and a network address keeps its zeros. */
  #address(text: string): string {
    const [address = '', length] = text.split('/');
    if (!isIPv4(address)) return isIP(address) === 0 ? leftOut : this.#pseudonym('ip', text);
    const octets = address.split('.');
    const masked = octets.map((octet, index) =>
      octet === '0' ? 0 : this.#number(`octets after ${octets.slice(0, index).join('.')}`, octet),
    );
    return `ip~${masked.join('.')}${length === undefined ? '' : `/${length}`}`;
  }
}
