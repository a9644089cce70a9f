/** From the names in a call to the attachment that it is about. */
import { checkContainerId, checkInterfaceName } from '../../../cni/names.ts';
import type { Netconf } from '../../../cni/netconf.ts';
import type { Attachment } from '../../../infoblox/mark.ts';
import type { Call } from '../../protocol.ts';

/**
 * Says which attachment a call is about. The plugin has judged the names already; but a caller of the socket must not be able
 * to write a mark on the grid that passes for another one.
 * @throws CniError 4 for a name that no runtime may use
 */
export function attachmentOf({ name }: Netconf, { containerId, ifName }: Call): Attachment {
  checkContainerId(containerId);
  checkInterfaceName(ifName);
  return { network: name, containerId, ifName };
}
