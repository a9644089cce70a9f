/**
 * Extensible attributes that describe our objects to the grid's administrators: those that the original driver wrote, and
 * those of --labels. They come on top of the mark in the comment, and nothing depends on them. A grid refuses one that it
 * does not define (scoulomb/myDNS, notes on errors), and without the cloud licence it does not define the former (NIOS 9.0
 * documentation, "Extensible Attributes for Cloud Objects"), so what is not defined is left out. A cloud API user must send
 * the cloud ones ("Supported Cloud API Objects"), and may not be able to read the definitions.
 */
import { hasReason } from './errors.ts';
import type { Attachment } from './mark.ts';

const cloud = { cmpType: 'CMP Type', tenant: 'Tenant ID', owned: 'Cloud API Owned' } as const;

/** The attribute of a network and of its addresses that holds the network's name. */
export const networkNameAttribute = 'Network Name';

/** Characters of a text that every grid takes; container IDs have no limit of their own. */
const longestText = 250;

/** As WAPI writes them, under `extattrs`. */
export type Attributes = Record<string, { value: string }>;

export class ExtensibleAttributes {
  readonly #own: ReadonlySet<string>;
  readonly #onLost: (name: string) => void;
  readonly #everywhere: Readonly<Record<string, string>>;
  readonly #undefined = new Set<string>();
  #defined: ReadonlySet<string> | undefined;
  #listIsEmpty = false;

  /**
   * @param tenant value of `Tenant ID`: the cluster's name
   * @param own what the operator wants on everything that is created
   * @param onLost told when the grid turns out not to take one of those
   */
  constructor(tenant: string, own: Readonly<Record<string, string>> = {}, onLost: (name: string) => void = () => {}) {
    this.#own = new Set(Object.keys(own));
    this.#onLost = onLost;
    this.#everywhere = { [cloud.tenant]: tenant, [cloud.cmpType]: 'CNI', [cloud.owned]: 'True', ...own };
  }

  /** Returns those of a network or a gateway's reservation. */
  forNetwork(network: string): Attributes {
    return this.#known({ ...this.#everywhere, [networkNameAttribute]: network });
  }

  /** Returns those of a container's reservation. @param vmName what people call the container */
  forAttachment(attachment: Attachment, vmName: string): Attributes {
    return this.#known({
      ...this.#everywhere,
      'VM ID': asGridText(attachment.containerId),
      'VM Name': vmName,
      [networkNameAttribute]: attachment.network,
    });
  }

  /** Returns those of a network view or a network container. */
  forView(): Attributes {
    return this.#known(this.#everywhere);
  }

  /**
   * Sends a write with attributes. One that the grid refuses is left out from then on; nothing was committed by then.
   * @param attributes asked for again after each refusal
   * @throws GridError what `send` throws
   */
  async sendWith<T>(
    attributes: () => Attributes,
    send: (extattrs: { readonly extattrs?: Attributes }) => Promise<T>,
  ): Promise<T> {
    for (;;) {
      const extattrs = attributes();
      try {
        return await send(Object.keys(extattrs).length === 0 ? {} : { extattrs });
      } catch (error) {
        const refused = hasReason(error, 'unknown-attribute') ? error.attribute : undefined;
        if (refused === undefined || !Object.hasOwn(extattrs, refused)) throw error;
        this.refuse(refused);
      }
    }
  }

  /** Tells whether `name` can be sent or searched by: a grid refuses both for what it does not define. */
  mayUse(name: string): boolean {
    return this.#defined?.has(name) ?? !this.#undefined.has(name);
  }

  /** Notes that the grid has refused this attribute: it is not sent again. */
  refuse(name: string): void {
    if (this.#own.has(name) && this.mayUse(name)) this.#onLost(name);
    this.#undefined.add(name);
    if (this.#defined?.has(name)) this.#defined = new Set([...this.#defined].filter((other) => other !== name));
  }

  /**
   * Notes that the grid does not know an attribute that was searched by. If the list of definitions was empty, too, that was
   * no matter of rights: nothing is defined, and to be told so for one attribute after another would cost a request each.
   * What the operator wants is tried all the same.
   */
  refuseSearch(name: string): void {
    this.refuse(name);
    if (this.#listIsEmpty) this.#defined ??= new Set([...this.#own].filter((own) => !this.#undefined.has(own)));
  }

  /** Notes what the grid defines. An empty list alone tells nothing, as rights may have emptied it. */
  learn(names: readonly string[]): void {
    this.#listIsEmpty = names.length === 0;
    if (this.#listIsEmpty) return;
    for (const name of this.#own) if (!names.includes(name)) this.refuse(name);
    this.#defined = new Set(names.filter((name) => !this.#undefined.has(name)));
  }

  #known(values: Readonly<Record<string, string>>): Attributes {
    const entries = Object.entries(values).filter(([name]) => this.mayUse(name));
    return Object.fromEntries(entries.map(([name, value]) => [name, { value }]));
  }
}

/**
 * Writes a text from outside as the grid takes it: one line, short enough, and without space around it, which WAPI refuses
 * (vindyavk/vvk_automation_public, WAPI_Test_Reports).
 */
export function asGridText(text: string): string {
  return text
    .replace(/\p{Cc}+/gu, ' ')
    .slice(0, longestText)
    .trim();
}
