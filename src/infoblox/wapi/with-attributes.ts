/** Writes with extensible attributes, of which a grid refuses those that it does not define. */
import type { Attributes, ExtensibleAttributes } from '../attributes.ts';
import { hasReason } from '../errors.ts';

/**
 * Sends a write with attributes. One that the grid refuses is left out from then on; nothing was committed by then.
 * @param known told of each refusal
 * @param attributes asked for again after each
 * @throws GridError what `send` throws
 */
export async function withAttributes<T>(
  known: ExtensibleAttributes,
  attributes: () => Attributes,
  send: (extattrs: { extattrs?: Attributes }) => Promise<T>,
): Promise<T> {
  for (;;) {
    const extattrs = attributes();
    try {
      return await send(Object.keys(extattrs).length === 0 ? {} : { extattrs });
    } catch (error) {
      const refused = hasReason(error, 'unknown-attribute') ? error.attribute : undefined;
      if (refused === undefined || !Object.hasOwn(extattrs, refused)) throw error;
      known.refuse(refused);
    }
  }
}
