/**
 * What only the host that accepts writes can say. A Grid Master Candidate serves reads but may lack what the master has just
 * confirmed (NIOS 9.0 documentation, "Enabling Read-only API Access", "Promoting a Grid Master Candidate"), so from it
 * neither "there is none" nor a whole answer is proof.
 */
import { GridError } from '../errors.ts';
import { describe, type Request } from './request.ts';

interface Answerer {
  /** Who has answered. */
  readonly host: string;
  /** Who is known to accept writes. */
  readonly writer: string | undefined;
}

/**
 * Decides whether the host that accepts writes has to be asked the same.
 * @param error what `host` refused it with; undefined if it gave a value
 */
export function needsConfirmation({ confirm }: Request, { host, writer }: Answerer, error?: GridError): boolean {
  if (confirm === undefined || host === writer) return false;
  return error === undefined || error.reason === 'missing';
}

/** Makes the error for an answer that nobody confirms. */
export function unconfirmed(request: Request, { host, writer }: Answerer, cause: unknown): GridError {
  const why = writer === undefined ? 'no host is known to' : `${writer}, which does, cannot be asked`;
  return new GridError(
    'unconfirmed',
    `${describe(request)}: ${host} is not known to accept writes and may lack what was written last; ${why}`,
    {
      cause,
      hint: 'see why the Grid Master does not answer, and name it first in --grid-host; the daemon tries again',
    },
  );
}
