/**
 * What a session's token lets its caller do, as the token itself says: so that the page offers no buttons that the POP
 * would refuse. Proves nothing; the POP checks the token.
 */
import { z } from 'zod';
import { type Grant, grantSchema } from '../../../src/signaling/protocol.ts';
import { parseJson } from './json.ts';

const claims = z.object({ grants: z.array(z.string()) });

/** Grants of a JWT (RFC 7519) by its payload; none of a token that is none, or of grants that this page does not know. */
export function grantsOf(token: string): Grant[] {
  const parsed = claims.safeParse(parseJson(payloadOf(token)));
  if (!parsed.success) return [];
  return parsed.data.grants.flatMap((grant) => grantSchema.safeParse(grant).data ?? []);
}

function payloadOf(token: string): string {
  const base64 = (token.split('.')[1] ?? '').replaceAll('-', '+').replaceAll('_', '/');
  try {
    return new TextDecoder().decode(Uint8Array.from(atob(base64), (character) => character.charCodeAt(0)));
  } catch {
    return '';
  }
}
