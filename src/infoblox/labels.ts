/**
 * Extensible attributes that describe our objects to the grid's administrators: those that the original driver wrote.
 * They are labels on top of the identity in the comment. A grid without the cloud licence does not define them, so what
 * is not defined is left out; a cloud API user must send the cloud ones and may not be able to read the definitions.
 */
import type { Attachment } from './identity.ts';

const cloud = { cmpType: 'CMP Type', tenant: 'Tenant ID', owned: 'Cloud API Owned' } as const;

/** The label of a network and of its addresses that holds the network's name. */
export const networkNameLabel = 'Network Name';

/** Characters of a text on the grid that are safe to send; container IDs have no limit of their own. */
export const longestValue = 250;

export type Attributes = Record<string, { value: string }>;

export class Labels {
  readonly #tenant: string;
  readonly #undefined = new Set<string>();
  #defined: ReadonlySet<string> | undefined;

  /** @param tenant value of `Tenant ID`: the cluster's name */
  constructor(tenant: string) {
    this.#tenant = tenant;
  }

  /** Labels of a network or a gateway reservation. */
  forNetwork(network: string): Attributes {
    return this.#known({ ...this.#cloud(), [networkNameLabel]: network });
  }

  /** Labels of a container's reservation. */
  forAttachment(attachment: Attachment, vmName: string): Attributes {
    return this.#known({
      ...this.#cloud(),
      'VM ID': attachment.containerId.slice(0, longestValue),
      'VM Name': vmName,
      [networkNameLabel]: attachment.network,
    });
  }

  /** Labels of a network view. */
  forView(): Attributes {
    return this.#known(this.#cloud());
  }

  /** Whether searching by `name` makes sense: a grid refuses to search by what it does not define. */
  mayUse(name: string): boolean {
    return this.#defined?.has(name) ?? !this.#undefined.has(name);
  }

  /** The grid has refused this attribute: it is not sent again. */
  refuse(name: string): void {
    this.#undefined.add(name);
    if (this.#defined?.has(name)) this.#defined = new Set([...this.#defined].filter((other) => other !== name));
  }

  /** The definitions, when the grid let us read them; an empty list tells nothing, as rights may have emptied it. */
  learn(names: readonly string[]): void {
    if (names.length > 0) this.#defined = new Set(names.filter((name) => !this.#undefined.has(name)));
  }

  #cloud(): Record<string, string> {
    return { [cloud.tenant]: this.#tenant, [cloud.cmpType]: 'CNI', [cloud.owned]: 'True' };
  }

  #known(labels: Record<string, string>): Attributes {
    const entries = Object.entries(labels).filter(([name]) => this.mayUse(name));
    return Object.fromEntries(entries.map(([name, value]) => [name, { value }]));
  }
}
