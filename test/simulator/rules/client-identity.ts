import { conflictError, protocolError } from '../errors.ts';
import { type FixedAddressObject, type Values, ZERO_MAC } from '../store/grid-objects.ts';
import { parseDuid, parseMac } from '../store/mac-and-duid.ts';
import { textOf } from './field-access.ts';

/** Who may use a fixed address. */
export interface ClientIdentity {
  readonly matchClient: string;
  /** MAC or DUID. */
  readonly client?: string;
}

export const CLIENT_IDENTIFIERS = ['dhcp_client_identifier', 'agent_circuit_id', 'agent_remote_id'] as const;

const IDENTIFIER_OF: Readonly<Record<string, (typeof CLIENT_IDENTIFIERS)[number]>> = {
  CLIENT_ID: 'dhcp_client_identifier',
  CIRCUIT_ID: 'agent_circuit_id',
  REMOTE_ID: 'agent_remote_id',
};

/**
 * Determines the client of a fixed address. WAPI: a reservation *is* a fixed address with the zero MAC. The zero MAC
 * reads as RESERVED whatever was requested, and a real MAC turns a reservation into an ordinary fixed address. Any
 * other match needs its identifier.
 */
export function identifyClient(fields: Values, current?: FixedAddressObject): ClientIdentity {
  const duid = textOf(fields, 'duid');
  if (duid !== undefined || current?.matchClient === 'DUID') {
    return { matchClient: 'DUID', client: duid === undefined ? (current?.client ?? '') : duidOf(duid) };
  }
  const given = textOf(fields, 'mac');
  const mac = given === undefined ? undefined : macOf(given);
  const wanted = textOf(fields, 'match_client');
  const identifier = IDENTIFIER_OF[wanted ?? (mac === undefined ? (current?.matchClient ?? '') : '')];
  if (identifier !== undefined) {
    if (fields[identifier] === undefined && current?.values[identifier] === undefined) throw missing(identifier);
    return { matchClient: wanted ?? current?.matchClient ?? '', ...(mac === undefined ? {} : { client: mac }) };
  }
  if (wanted === 'RESERVED') {
    // Assumed wording: a real MAC contradicts a reservation, which has no client.
    if (mac !== undefined && mac !== ZERO_MAC)
      throw conflictError(`A reservation can not have the MAC address ${mac}.`);
    return { matchClient: 'RESERVED', client: ZERO_MAC };
  }
  const effective = mac ?? current?.client;
  if (effective === undefined) throw missing('mac');
  return { matchClient: effective === ZERO_MAC ? 'RESERVED' : 'MAC_ADDRESS', client: effective };
}

/** Normalises a MAC to lower case with colons; the wording of the refusal is assumed. */
export function macOf(text: string): string {
  const mac = parseMac(text);
  if (mac === undefined) throw conflictError(`Invalid MAC address '${text}'`);
  return mac;
}

/** Normalises a DUID likewise. */
export function duidOf(text: string): string {
  const duid = parseDuid(text);
  if (duid === undefined) throw conflictError(`Invalid DUID '${text}'`);
  return duid;
}

function missing(field: string): Error {
  return protocolError(`field for create missing: ${field}`);
}
