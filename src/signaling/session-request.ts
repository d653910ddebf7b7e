/** What a request for a session asks for besides a place: a seat in a room, and what its caller may do. Pure but for ids. */
import { randomBytes } from 'node:crypto';
import { AntipodeError } from '../errors.ts';
import type { CreateSessionRequest, Grant } from './protocol.ts';
import type { Seat } from './room-port.ts';
import { DEFAULT_GRANTS } from './tokens.ts';

/** @throws ERR_REQUEST_MALFORMED for a name without a room */
export function seatOf({ room, name }: CreateSessionRequest): Seat | null {
  if (name === undefined) return null;
  if (room === undefined) {
    throw new AntipodeError('ERR_REQUEST_MALFORMED', 'A name needs a room to be known by.', { path: 'room' });
  }
  return { participantId: `p-${randomBytes(9).toString('base64url')}`, name };
}

/** @throws ERR_FORBIDDEN for who may not give them */
export function grantsOf(
  { grants }: CreateSessionRequest,
  { authenticated }: { authenticated: boolean },
): readonly Grant[] {
  if (grants?.includes('moderate') && !authenticated) {
    throw new AntipodeError('ERR_FORBIDDEN', 'The grant "moderate" is given with an API key only.', { path: 'grants' });
  }
  return grants === undefined ? DEFAULT_GRANTS : [...new Set(grants)];
}
