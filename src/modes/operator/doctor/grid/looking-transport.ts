/** The way to the grid for those who only look: nothing passes that could change it. It notes what the clock of the grid says. */
import type { Exchange, Transport } from '../../../../infoblox/wapi/connection/transport.ts';

/** What an answer of the grid says about clocks. */
export interface ClockReading {
  /** Milliseconds since 1970, by the clock of this host: when the request was sent, and when the answer was there. */
  readonly sent: number;
  readonly received: number;
  /** Milliseconds since 1970, by the clock of the grid's host, to the second. */
  readonly grid: number;
}

/**
 * Makes a transport that passes on searches, functions that look, and the end of the session.
 * @param onClock told what each answer says
 */
export function lookingTransport(transport: Transport, onClock: (reading: ClockReading) => void): Transport {
  return {
    async exchange(exchange) {
      if (!isLook(exchange)) throw new Error(`a check must change nothing on the grid: ${exchange.method}`);
      const sent = Date.now();
      const answer = await transport.exchange(exchange);
      const grid = Date.parse(answer.date ?? '');
      if (Number.isFinite(grid)) onClock({ sent, received: Date.now(), grid });
      return answer;
    },
    close: () => transport.close(),
  };
}

/** Functions that answer what is free reserve nothing (prudhvitella/terraform-provider-infoblox, issue 13). */
function isLook({ method, url }: Exchange): boolean {
  if (method === 'GET') return true;
  const { pathname, searchParams } = new URL(url);
  const isFunction = /^next_available_(ip|network)$/.test(searchParams.get('_function') ?? '');
  return method === 'POST' && (isFunction || pathname.endsWith('/logout'));
}
