/** The last errors of the log, for `status`: what an operator would look for in the journal first. */
import type { Fields, Log } from '../../../infoblox/log.ts';
import { attachmentIn } from '../../../infoblox/mark.ts';
import type { Status } from '../../operator-protocol.ts';

export type RecentError = Status['errors'][number];

/** How many are kept. */
const most = 5;

/**
 * Makes a log that passes everything on and remembers its last errors.
 * @returns that log, and what reads the errors, the newest last
 */
export function rememberErrors(log: Log): { readonly log: Log; readonly recentErrors: () => readonly RecentError[] } {
  const errors: RecentError[] = [];
  const error = (message: string, fields: Fields = {}) => {
    const why = [...whose(fields), textOf(fields.error ?? fields.reason)].filter((text) => text !== null);
    const hint = textOf(fields.hint ?? fields.details);
    errors.push({ at: Date.now(), message, error: why.join(': ') || null, hint });
    if (errors.length > most) errors.shift();
    log.error(message, fields);
  };
  return { log: { ...log, error }, recentErrors: () => errors };
}

/** The container that an error is about, and its address. */
function whose({ attachment, container, address }: Fields): (string | null)[] {
  const id = textOf(container) || attachmentIn(textOf(attachment) ?? '').containerId;
  return [id === '' ? null : `container ${id}`, textOf(address)];
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}
