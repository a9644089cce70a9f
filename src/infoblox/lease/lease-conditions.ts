/** Raises and clears conditions of leases: lost or altered reservations, and refused releases. */
import { GridError, hasReason } from '../errors.ts';
import { attachmentIn, whoOf } from '../mark.ts';
import { workloadFields } from '../workload.ts';
import type { LeaseDeps } from './deps.ts';
import { type Lease, personPauseMs } from './lease.ts';

/** Milliseconds before the condition of a refused release lapses: twice the longest pause before a retry. */
const refusalLapsesAfterMs = 600_000;

type Deps = Pick<LeaseDeps, 'conditions' | 'log'>;

/** Raises a condition: the reservation of a live attachment is missing, and the grid refuses to re-create it. */
export function noteLost({ conditions, log }: Deps, { mark, address, workload }: Lease, why: GridError): void {
  const subject = subjectOf(mark);
  const hint = 'restart this container, so that it gets an address of its own';
  const what = `${address} of ${subject} is not reserved any more: ${why.message}`;
  const isNews = conditions.find('reservation-lost', subject) === undefined;
  const error = new GridError('reservation-lost', what, { hint });
  conditions.raise('reservation-lost', error, { subject, lapsesAfterMs: 2 * personPauseMs });
  if (!isNews) return;
  const fields = { attachment: mark, address, ...workloadFields(workload), reason: why.message, hint };
  log.error('the grid has lost the reservation of a live attachment and refuses to re-create it', fields);
}

/**
 * Raises a condition: the reservation of a lease was altered.
 * @param now describes it now, in words that follow its address
 */
export function noteAltered({ conditions, log }: Deps, lease: Lease, now: string): void {
  const { mark, view, address, phase, workload } = lease;
  const subject = subjectOf(mark);
  const isHeld = phase === 'bound';
  const hint = `on the grid, restore its comment to exactly "${mark}", with the match RESERVED${isHeld ? '' : ', or delete it: its container is gone'}`;
  const what = `${address} of ${subject}, view ${view}, ${now}${isHeld ? '' : ': it is not released'}`;
  const isNews = conditions.find('reservation-altered', subject)?.error.message !== what;
  const error = new GridError('reservation-lost', what, { hint });
  conditions.raise('reservation-altered', error, { subject, lapsesAfterMs: 2 * personPauseMs });
  if (!isNews) return;
  const fields = { attachment: mark, address, view, now, ...workloadFields(workload), hint };
  if (isHeld)
    log.error('the reservation of a live attachment was moved or altered on the grid: it is left alone', fields);
  else log.error('the reservation of an ended attachment is not released: it was changed on the grid', fields);
}

/** Clears the conditions of a lease whose reservation is as it should be. */
export function noteFound({ conditions }: Deps, mark: string): void {
  const subject = subjectOf(mark);
  conditions.clear('reservation-lost', subject);
  conditions.clear('reservation-altered', subject);
}

/** Raises a condition if the grid refused to release a lease. */
export function noteRefusedRelease({ conditions }: Deps, lease: Lease, error: unknown): void {
  if (lease.phase !== 'releasing' || !hasReason(error, 'permission', 'rejected', 'conflict', 'not-wapi')) return;
  const subject = networkSubject(lease);
  const what = `the grid refuses to release addresses of ${subject}, which stay reserved: ${error.message}`;
  const hint =
    error.reason === 'permission'
      ? 'give the user of --wapi-username the right to read and delete fixed addresses there; the daemon then releases them'
      : error.hint;
  const refusal = new GridError(error.reason, what, { hint });
  conditions.raise('releases-refused', refusal, { subject, lapsesAfterMs: refusalLapsesAfterMs });
}

/** Clears the conditions of a released lease. */
export function noteReleased(deps: Deps, lease: Lease): void {
  if (lease.phase !== 'releasing') return;
  noteFound(deps, lease.mark);
  if (lease.attempts > 0) deps.conditions.clear('releases-refused', networkSubject(lease));
}

function networkSubject({ network, view }: Lease): string {
  return `network ${network} in view ${view}`;
}

/** Names an attachment as the subject of a condition. */
function subjectOf(mark: string): string {
  const attachment = attachmentIn(mark);
  return `${whoOf(attachment)} in network ${attachment.network}`;
}
