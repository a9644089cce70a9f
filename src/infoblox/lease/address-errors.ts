/** Makes the errors of an ADD that cannot give an address. */
import { GridError } from '../errors.ts';
import { gridTrouble } from '../grid-state.ts';
import { type Attachment, whoOf } from '../mark.ts';
import type { ReadyNetwork } from '../network/networks.ts';
import type { AddRequest } from './add.ts';
import type { LeaseDeps } from './deps.ts';
import type { Lease } from './lease.ts';
import type { Wish } from './obtain.ts';
import type { Found, Step } from './plan.ts';

/** Makes the error for a moved or altered reservation: a person must decide. */
export function refusal(
  lease: Lease,
  { moved, altered }: Extract<Step, { kind: 'refuse' }>,
  attachment: Attachment,
): GridError {
  const who = whoOf(attachment);
  if (moved !== undefined) return movedError(who, lease, moved);
  return new GridError(
    'address-unavailable',
    `${who} holds ${lease.address} in network ${attachment.network}, and its reservation ${altered}`,
    { hint: `make it a reservation with the comment "${lease.mark}" again, or delete the attachment before adding it` },
  );
}

/** Makes the error for a reservation in another view than its lease. @param who names the attachment */
export function movedError(who: string, lease: Lease, moved: Found): GridError {
  return new GridError(
    'network-conflict',
    `${who} holds ${moved.address} in network view ${moved.view}, not ${lease.view}: the view has been renamed`,
    { hint: `set network-view to ${moved.view}, or rename the view back to ${lease.view}` },
  );
}

/** Makes the error for a requested address that is taken. @param holder comment of the object that has the address; may be empty */
export function takenError(address: string, network: ReadyNetwork, holder: string): GridError {
  const by = holder === '' ? '' : ` by "${holder}"`;
  return new GridError(
    'address-unavailable',
    `the requested address ${address} in ${network.cidr.text} is taken${by}`,
    { hint: 'request another address, or none to get the next free one' },
  );
}

export function ownAddressError(address: string, { cidr }: ReadyNetwork): GridError {
  return new GridError('address-unavailable', `the requested address ${address} in ${cidr.text} is this host's own`, {
    hint: 'request another address, or none to get the next free one',
  });
}

/** Makes the error for a requested address in a block of another host. */
export function inBlockError(address: string, host: string): GridError {
  return new GridError('address-unavailable', `the requested address ${address} lies in a block of host ${host}`, {
    hint: 'request another address, or none to get the next free one',
  });
}

/** Makes the error for a grid that assigns too many addresses that have an owner. @param count of addresses assigned in one ADD */
export function misassignedError({ cidr }: ReadyNetwork, count: number): GridError {
  const what = `the grid assigned more than ${count} addresses of ${cidr.text} that this host, its gateway or other containers have`;
  return new GridError('network-conflict', what, {
    hint: 'reserve the addresses of the host on the grid ("ip route show table local" lists them), or choose another subnet',
  });
}

export function collisionError({ cidr, view }: ReadyNetwork, cause: GridError): GridError {
  return new GridError(
    'busy',
    `no address of network ${cidr.text} (view ${view}) could be reserved in time: other hosts are taking addresses of it at the same moment`,
    { hint: 'try again; if this goes on, start fewer containers at once, or raise --add-timeout', cause },
  );
}

export function nonsenseError(address: string, wrong: string): GridError {
  return new GridError('bad-answer', `the grid reserved ${address}, ${wrong}`, {
    hint: 'something other than a grid may be answering: check --grid-host, --ssl-verify and any proxy between',
  });
}

/** Makes the error for an attachment whose address does not fit the ADD. */
export function heldError(
  { address, view }: Lease,
  { attachment, sources: [spec] }: Pick<Wish, 'attachment' | 'sources'>,
): GridError {
  return new GridError(
    'address-unavailable',
    `${whoOf(attachment)} already holds ${address} in network ${attachment.network}`,
    {
      hint:
        view === spec.view
          ? 'delete the attachment before adding it with another address or subnet'
          : `it is in network view ${view}: name that one, or delete the attachment before adding it in another`,
    },
  );
}

/** Makes the error for an attachment with addresses of other sets than it asks for. */
export function otherSetsError(
  bound: readonly Lease[],
  { attachment, sets }: Pick<AddRequest, 'attachment' | 'sets'>,
): GridError {
  const addresses = bound.map(({ address }) => address).join(', ');
  const given = bound[0]?.sets ?? bound.length;
  const held = given > bound.length ? `${addresses}, all that is left of ${given} addresses,` : addresses;
  const wanted = sets.length === 1 ? 'one address' : `${sets.length} addresses, one of each set`;
  const what = `${whoOf(attachment)} holds ${held} in network ${attachment.network}, and its configuration asks for ${wanted}`;
  return new GridError('address-unavailable', what, {
    hint: 'delete the attachment before adding it again, or restore the sets of the configuration that it was added with',
  });
}

export function unsettledError(mark: string): GridError {
  return new GridError('bad-answer', `the grid shows something else at each look for ${mark}`);
}

export function deletedError(): GridError {
  return new GridError('busy', 'the attachment was deleted while its ADD was under way');
}

export function leftError(): GridError {
  return new GridError('timeout', 'the caller left before its turn came');
}

/** Makes the error for an ADD whose caller has stopped waiting. */
export function lateError({ conditions }: Pick<LeaseDeps, 'conditions'>, { reason }: AbortSignal): GridError {
  if (!(reason instanceof Error && reason.name === 'TimeoutError')) {
    return new GridError('timeout', 'the caller left before it had its answer');
  }
  const what = 'no address came from the grid in the time for one ADD';
  const trouble = gridTrouble(conditions)?.error;
  const hint = 'see the log of the daemon for the state of the grid; --add-timeout sets the time';
  if (trouble === undefined) return new GridError('timeout', what, { hint });
  return new GridError(trouble.reason, `${what}: ${trouble.message}`, { hint: trouble.hint ?? hint });
}
