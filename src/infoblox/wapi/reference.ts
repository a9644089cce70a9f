/**
 * References to objects of the grid: `network/ZG5z...:10.0.0.0/24/default` (`type/key:name`, WAPI documentation, object
 * pages). They come from the grid and become parts of URLs, in which `..` would lead to other objects than those that were asked for.
 */
import * as v from 'valibot';

/** Characters of a reference at most: a base64 key and a percent-encoded name have room. */
const longest = 2048;

/** Makes the schema of a reference to an object of this type, and to no other. */
export function referenceTo(type: string) {
  return v.pipe(
    v.string(),
    v.maxLength(longest, `a reference of at most ${longest} characters`),
    v.check((reference) => isReferenceTo(type, reference), `a reference to a ${type}`),
  );
}

/** Gives the type of the object that a reference is to. */
export function typeOf(reference: string): string {
  return reference.slice(0, reference.indexOf('/'));
}

/** Gives an object type or a reference as a URL's path; names in it come percent-encoded (`%20`, `%3A`), so `%` stays. */
export function urlPath(typeOrReference: string): string {
  return typeOrReference.replace(/[^\w.~:@/%!$&'()*+,;=-]/gu, (character) => encodeURIComponent(character));
}

/** Names an object for people, without the key: `fixedaddress 10.0.0.5/default`. */
export function inWords(typeOrReference: string): string {
  const slash = typeOrReference.indexOf('/');
  if (slash < 0) return typeOrReference;
  const name = typeOrReference.slice(typeOrReference.indexOf(':', slash) + 1);
  return `${typeOrReference.slice(0, slash)} ${name}`;
}

function isReferenceTo(type: string, reference: string): boolean {
  if (!reference.startsWith(`${type}/`)) return false;
  const [key = '', ...names] = reference.slice(type.length + 1).split(/[:/]/);
  // The directory above, also as URL parsers read it; what they drop or take for a slash; half a character.
  const leadsAway = names.some((name) => /^(\.|%2e){1,2}$/i.test(name)) || /[\s\p{Cc}\p{Cs}\\]/u.test(reference);
  return /^[\w+=-]+$/.test(key) && !leadsAway;
}
