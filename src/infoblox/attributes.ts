/**
 * Extensible attributes that describe our objects to the grid's administrators: those that the original driver wrote,
 * and those that the operator configures. They are labels on top of the identity in the comment. A grid without the
 * cloud licence does not define the former, so what is not defined is left out; a cloud API user must send the cloud
 * ones and may not be able to read the definitions.
 */
import type { Attachment } from './mark.ts';

const cloud = { cmpType: 'CMP Type', tenant: 'Tenant ID', owned: 'Cloud API Owned' } as const;

/** The label of a network and of its addresses that holds the network's name. */
export const networkNameAttribute = 'Network Name';

/** Characters of a text that every grid takes; container IDs have no limit of their own. */
const longestText = 250;

export type Attributes = Record<string, { value: string }>;

export class ExtensibleAttributes {
  readonly #own: ReadonlySet<string>;
  readonly #onLost: (name: string) => void;
  readonly #everywhere: Readonly<Record<string, string>>;
  readonly #undefined = new Set<string>();
  #defined: ReadonlySet<string> | undefined;

  /**
   * @param tenant value of `Tenant ID`: the cluster's name
   * @param own labels that the operator wants on everything that is created
   * @param onLost told when the grid turns out not to take one of those
   */
  constructor(tenant: string, own: Readonly<Record<string, string>> = {}, onLost: (name: string) => void = () => {}) {
    this.#own = new Set(Object.keys(own));
    this.#onLost = onLost;
    this.#everywhere = { [cloud.tenant]: tenant, [cloud.cmpType]: 'CNI', [cloud.owned]: 'True', ...own };
  }

  /** ExtensibleAttributes of a network or a gateway reservation. */
  forNetwork(network: string): Attributes {
    return this.#known({ ...this.#everywhere, [networkNameAttribute]: network });
  }

  /** ExtensibleAttributes of a container's reservation. */
  forAttachment(attachment: Attachment, vmName: string): Attributes {
    return this.#known({
      ...this.#everywhere,
      'VM ID': asGridText(attachment.containerId),
      'VM Name': vmName,
      [networkNameAttribute]: attachment.network,
    });
  }

  /** ExtensibleAttributes of a network view. */
  forView(): Attributes {
    return this.#known(this.#everywhere);
  }

  /** Whether searching by `name` makes sense: a grid refuses to search by what it does not define. */
  mayUse(name: string): boolean {
    return this.#defined?.has(name) ?? !this.#undefined.has(name);
  }

  /** The grid has refused this attribute: it is not sent again. */
  refuse(name: string): void {
    if (this.#own.has(name) && this.mayUse(name)) this.#onLost(name);
    this.#undefined.add(name);
    if (this.#defined?.has(name)) this.#defined = new Set([...this.#defined].filter((other) => other !== name));
  }

  /** The definitions, when the grid let us read them; an empty list tells nothing, as rights may have emptied it. */
  learn(names: readonly string[]): void {
    if (names.length === 0) return;
    for (const name of this.#own) if (!names.includes(name)) this.refuse(name);
    this.#defined = new Set(names.filter((name) => !this.#undefined.has(name)));
  }

  #known(labels: Readonly<Record<string, string>>): Attributes {
    const entries = Object.entries(labels).filter(([name]) => this.mayUse(name));
    return Object.fromEntries(entries.map(([name, value]) => [name, { value }]));
  }
}

/** A text from outside as the grid takes it: one line, no space around it, short enough. */
export function asGridText(text: string): string {
  return text
    .replace(/\p{Cc}+/gu, ' ')
    .slice(0, longestText)
    .trim();
}
