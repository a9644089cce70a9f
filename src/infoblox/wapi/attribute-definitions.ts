/** Which extensible attributes a grid defines: asked, and added to. */
import type { AttributeDefinition } from '../attributes.ts';
import { searchPages } from './paged-search.ts';
import { referenceTo } from './reference.ts';
import { attributeDefinition, type DefinedAttribute, parseAnswer } from './schemas.ts';
import type { Session } from './session.ts';

type Requests = Pick<Session, 'request'>;

/** Yields the definitions of extensible attributes that this user may see. @throws as `searchPages` */
export function listAttributeDefinitions(session: Requests, signal: AbortSignal): AsyncGenerator<DefinedAttribute> {
  return searchPages(session, { ...attributeDefinition, query: {} }, signal);
}

/**
 * Defines an extensible attribute, which only superusers may (crossplane provider, notes of its tests).
 * @throws GridError as the session does, `conflict` if it is there
 */
export async function defineAttribute(
  session: Requests,
  { name, type, comment, values }: AttributeDefinition,
  signal: AbortSignal,
): Promise<void> {
  const path = attributeDefinition.type;
  const body = { name, type, comment, ...(values && { list_values: values.map((value) => ({ value })) }) };
  const answer = await session.request({ method: 'POST', path, body }, signal);
  parseAnswer(referenceTo(path), answer, { what: `POST ${path}`, outcome: 'unknown' });
}
