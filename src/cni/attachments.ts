/**
 * The list of attachments that GC leaves alone (SPEC section 2 "GC"). Used by the daemon only.
 */
import * as v from 'valibot';
import { attachmentsKey } from './call.ts';
import { checkConfig, jsonObject } from './config-check.ts';

/** One container's interface on the network that GC is about. */
interface ValidAttachment {
  readonly containerId: string;
  readonly ifName: string;
}

const name = v.pipe(v.string('a string'), v.nonEmpty('a name'));
const attachment = v.pipe(
  jsonObject,
  v.object({ containerID: name, ifname: name }),
  v.transform((item): ValidAttachment => ({ containerId: item.containerID, ifName: item.ifname })),
);
const listSchema = v.nullable(v.array(attachment, 'an array of attachments'));

/**
 * Reads the attachments that are still valid on the network of this configuration.
 *
 * Neither key: the caller had no list, and nothing may be released. `[]`: no attachment is valid any more. `null` is
 * read as `[]`: Go prints an empty list so, and CRI-O sends it when the last pod has left the network. The specification does
 * not say; that caller means it, and only leases of this host on this network are released.
 *
 * @returns undefined if there is no list
 * @throws CniError 7 if an entry is not readable. Entries are never skipped: one that is not understood may stand for a
 * running container, whose address would be released.
 */
export function validAttachments(config: Readonly<Record<string, unknown>>): readonly ValidAttachment[] | undefined {
  const key = attachmentsKey(config);
  if (key === undefined) return undefined;
  return checkConfig(listSchema, config[key], key) ?? [];
}
