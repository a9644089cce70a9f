/**
 * Masks names and addresses in texts, so that they can be given to others: each by a pseudonym that is the same in all of them.
 * Names are learned first, from what is known to hold some; addresses, hardware addresses, long IDs and host names with a domain
 * are recognised as they stand.
 */
import { isIPv4, isIPv6 } from 'node:net';
import { isJsonObject } from '../../../cni/config-check.ts';

/** What a name is of. */
type Kind = 'host' | 'cluster' | 'container' | 'pod' | 'namespace' | 'job' | 'network' | 'view' | 'user' | 'label';

/** Members of JSON, fields of the log and of marks, whose values are names. */
const kinds: Readonly<Record<string, Kind>> = {
  ...{ node: 'host', host: 'host', hosts: 'host', grid: 'host', inUse: 'host', hostname: 'host' },
  ...{ 'grid-host': 'host', 'node-name': 'host' },
  ...{ cluster: 'cluster', 'cluster-name': 'cluster', tenant: 'cluster' },
  ...{ container: 'container', containerId: 'container', pod: 'pod', namespace: 'namespace' },
  ...{ job: 'job', taskGroup: 'job', region: 'job', network: 'network', name: 'network' },
  ...{ view: 'view', 'network-view': 'view', user: 'user', 'wapi-username': 'user', label: 'label' },
};

/** Names that everybody has. */
const common = new Set(['default', 'cluster-1', 'root', 'localhost', 'kube-system']);
/** Parts of a word that a name may have, the characters between them included. */
const mostParts = 99;
/** Ends of what is called like a host with a domain, and is a file. */
const files =
  /\.(?:env|conf|conflist|json|sock|db|service|socket|slice|target|c?js|ts|so|pem|crt|key|txt|gz|html|lock|owed|d)$/i;

export class Pseudonyms {
  readonly #names = new Map<string, string>();
  /** Names with other characters than words have. */
  readonly #phrases = new Map<string, string>();
  readonly #counts = new Map<string, number>();
  readonly #octets = new Map<string, Map<string, number>>();

  /** Learns all names in a JSON value. @param under the member that it is the value of */
  learnFrom(value: unknown, under = ''): void {
    const kind = Object.hasOwn(kinds, under) ? kinds[under] : undefined;
    if (typeof value === 'string') {
      if (under === 'workload') this.#learnWorkload(value);
      else if (kind !== undefined) for (const name of value.split(',')) this.#learn(kind, name.trim());
    } else if (Array.isArray(value)) for (const item of value) this.learnFrom(item, under);
    else if (isJsonObject(value)) {
      for (const [name, member] of Object.entries(value)) this.learnFrom(member, name);
    }
  }

  /** Learns the names in a text: in JSON, be it the whole or the end of a line, and in `field=value` or `field="value"`. */
  learnFromText(text: string): void {
    const whole = parsed(text);
    if (whole !== undefined) this.learnFrom(whole);
    for (const line of text.split('\n')) {
      const brace = line.indexOf('{');
      const json = brace < 0 ? undefined : parsed(line.slice(brace));
      if (json !== undefined) this.learnFrom(json);
      for (const word of line.split(/[\s"'\\]+/)) {
        const equals = word.indexOf('=');
        if (equals > 0) this.learnFrom(word.slice(equals + 1), word.slice(0, equals).replace(/^-+/, ''));
      }
      const quoted = line.split('"');
      for (const [index, before] of quoted.entries()) {
        if (before.endsWith('=')) this.learnFrom(quoted[index + 1] ?? '', nameAtEnd(before.slice(0, -1)));
      }
    }
  }

  /** Writes a text with a pseudonym in the place of each name and address. */
  mask(text: string): string {
    let masked = text;
    for (const [phrase, pseudonym] of this.#phrases) masked = masked.replaceAll(phrase, pseudonym);
    return masked.replace(/[\w:.~-]+/g, (word) => this.#maskWord(word));
  }

  /** `namespace/pod`, `namespace/job.group`, or one name. */
  #learnWorkload(value: string): void {
    const slash = value.indexOf('/');
    if (slash >= 0) this.#learn('namespace', value.slice(0, slash));
    this.#learn('pod', value.slice(slash + 1));
  }

  #learn(kind: Kind, name: string): void {
    // The driver's own name, and parts of it, tell nothing.
    const isCommon = common.has(name.toLowerCase()) || 'infoblox-cni-daemon'.includes(name.toLowerCase());
    if (isCommon || /^[\d.:/]*$/.test(name)) return;
    const pseudonym = this.#pseudonym(kind, name.toLowerCase());
    if (/^[\w.~-]+$/.test(name)) return;
    this.#phrases.set(name, pseudonym);
    this.#phrases.set(JSON.stringify(name).slice(1, -1), pseudonym);
  }

  #maskWord(word: string): string {
    let end = word.length;
    // Punctuation behind an address; an IPv6 address may end with two colons.
    while (word[end - 1] === '.' || (word[end - 1] === ':' && !isIPv6(word.slice(0, end)))) end -= 1;
    const [bare, rest] = [word.slice(0, end), word.slice(end)];
    if (isIPv6(bare)) return `${/^[:1]*$/.test(bare) ? bare : this.#pseudonym('ipv6', bare.toLowerCase())}${rest}`;
    if (/^[\da-f]{2}(?::[\da-f]{2}){5}$/i.test(bare)) {
      return /^[0:]+$/.test(bare) ? word : `${this.#pseudonym('mac', bare.toLowerCase())}${rest}`;
    }
    const parts = bare.split(':').map((part) => this.#maskPart(part));
    return `${parts.join(':')}${rest}`;
  }

  #maskPart(part: string): string {
    if (isIPv4(part)) return this.#address(part);
    const lower = part.toLowerCase();
    const known = this.#names.get(lower);
    if (known !== undefined) return known;
    if (/^[\da-f-]{32,}$/.test(lower)) return this.#pseudonym('id', lower);
    return isHostName(lower) ? this.#pseudonym('host', lower) : this.#maskNamesIn(part);
  }

  /** Masks names that are part of a word, as in the name of a file: the longest first, between characters that end a word. */
  #maskNamesIn(word: string): string {
    const parts = word.split(/([.~-])/);
    let result = '';
    for (let first = 0; first < parts.length; ) {
      let last = Math.min(parts.length, first + mostParts) - 1;
      const name = () => parts.slice(first, last + 1).join('');
      while (last > first && !this.#names.has(name().toLowerCase())) last -= 1;
      result += this.#names.get(name().toLowerCase()) ?? name();
      first = last + 1;
    }
    return result;
  }

  #pseudonym(kind: string, name: string): string {
    const before = this.#names.get(name);
    if (before !== undefined) return before;
    const count = (this.#counts.get(kind) ?? 0) + 1;
    this.#counts.set(kind, count);
    // A character that no name in CNI has.
    const pseudonym = `${kind}~${count}`;
    this.#names.set(name, pseudonym);
    return pseudonym;
  }

  /** Octet by octet, so that what is in one network stays in one, and a network's own address keeps its zeros. */
  #address(address: string): string {
    if (/^(?:127|0|255)\./.test(address)) return address;
    const octets = address.split('.');
    const masked = octets.map((octet, index) => {
      if (octet === '0') return 0;
      const before = octets.slice(0, index).join('.');
      const known = this.#octets.get(before) ?? new Map<string, number>();
      this.#octets.set(before, known);
      const number = known.get(octet) ?? known.size + 1;
      known.set(octet, number);
      return number;
    });
    return `ip~${masked.join('.')}`;
  }
}

function nameAtEnd(text: string): string {
  let begin = text.length;
  while (/[\w-]/.test(text[begin - 1] ?? '')) begin -= 1;
  return text.slice(begin);
}

/** Tells whether a word is a host's name with a domain. */
function isHostName(word: string): boolean {
  const labels = word.split('.');
  const isDomain = labels.length > 2 && /^[a-z]{2,}$/.test(labels.at(-1) ?? '');
  return isDomain && labels.every((label) => /^[\w-]+$/.test(label)) && !files.test(word);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
