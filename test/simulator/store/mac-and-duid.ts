const FORMATS = [
  /^([0-9a-f]{2}[:-]){5}[0-9a-f]{2}$/i,
  /^[0-9a-f]{4}\.[0-9a-f]{4}\.[0-9a-f]{4}$/i,
  /^[0-9a-f]{6}-[0-9a-f]{6}$/i,
  /^[0-9a-f]{12}$/i,
];

/** Normalises any MAC spelling that a grid accepts to lower case with colons; undefined for other texts. */
export function parseMac(text: string): string | undefined {
  if (!FORMATS.some((format) => format.test(text))) return undefined;
  return text
    .toLowerCase()
    .replace(/[^0-9a-f]/g, '')
    .replace(/(..)(?=.)/g, '$1:');
}

/** Normalises a DUID of 2 to 130 octets to lower case with colons; undefined for other texts. */
export function parseDuid(text: string): string | undefined {
  if (!/^[0-9a-f]{2}([:-]?[0-9a-f]{2}){1,129}$/i.test(text)) return undefined;
  return text
    .toLowerCase()
    .replace(/[:-]/g, '')
    .replace(/(..)(?=.)/g, '$1:');
}
