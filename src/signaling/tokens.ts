/**
 * Join and resume tokens: JWTs (RFC 7519) under HS256 with one audience each. Owns their claims and what is wrong with
 * one that is refused; single use of a join token is the registry's claimOnce, and which resume token is stale is
 * resume-chain.ts.
 */
import { createHash, randomUUID } from 'node:crypto';
import { decodeJwt, errors, jwtVerify, SignJWT } from 'jose';
import { z } from 'zod';
import type { Clock } from '../clock.ts';
import { AntipodeError } from '../errors.ts';
import { type Grant, grantSchema } from './protocol.ts';

const ISSUER = 'antipode';
const JOIN_AUDIENCE = 'antipode:join';
const RESUME_AUDIENCE = 'antipode:resume';

/** What a caller may do of whom nobody said anything else. */
export const DEFAULT_GRANTS: readonly Grant[] = ['speak', 'listen', 'message', 'video'];

const sessionClaims = z.object({
  /** Session id. */
  sub: z.string().min(1).max(128),
  room: z.string().min(1).max(128),
  grants: z.array(grantSchema).max(8),
  residency: z.string().max(2_000).nullable(),
  /** Unix seconds. */
  exp: z.number(),
  iat: z.number().optional(),
});
const joinClaims = sessionClaims.extend({ jti: z.string().min(1).max(64) });
const resumeClaims = sessionClaims.extend({
  generation: z.number().int().min(1),
  /** Where the session ran when the token was made; absent in tokens of earlier versions. */
  run: z
    .object({
      agent: z.string().min(1).max(64),
      pop: z.string().min(1).max(128),
      core: z.string().min(1).max(128),
      epoch: z.number().int().min(1),
    })
    .optional(),
  /** The caller's seat in its room. */
  seat: z.object({ participantId: z.string().min(1).max(128), name: z.string().min(1).max(64) }).optional(),
  /** Which address the token was handed out to, as `addressMark` has it. */
  from: z.string().max(64).optional(),
});

export type JoinClaims = z.infer<typeof joinClaims>;
export type ResumeClaims = z.infer<typeof resumeClaims>;

/** What a token says of its session. */
export interface TokenSubject {
  sessionId: string;
  room: string;
  grants: readonly Grant[];
  residency: string | null;
}

/** What a resume token says beside: for the POP to which its caller comes back. */
export type ResumeDetails = Pick<ResumeClaims, 'run' | 'seat' | 'from'>;

export interface SessionTokensOptions {
  /** HMAC secret, at least 32 bytes. */
  secret: Uint8Array;
  clock: Clock;
}

export class SessionTokens {
  readonly #secret: Uint8Array;
  readonly #clock: Clock;

  constructor(options: SessionTokensOptions) {
    this.#secret = options.secret;
    this.#clock = options.clock;
  }

  /** A token that opens its session once, within `ttlSeconds`. */
  async issueJoin(subject: TokenSubject, ttlSeconds: number): Promise<{ token: string; expiresAt: Date }> {
    const exp = this.#unixSeconds() + ttlSeconds;
    const token = await this.#sign(subject, JOIN_AUDIENCE, exp, { jti: randomUUID() });
    return { token, expiresAt: new Date(exp * 1_000) };
  }

  /** @throws ERR_TOKEN_EXPIRED | ERR_TOKEN_INVALID */
  verifyJoin(token: string): Promise<JoinClaims> {
    return this.#verify(token, JOIN_AUDIENCE, joinClaims, 'join');
  }

  /** A token that opens its session again; `generation` tells the later from the earlier. */
  async issueResume(
    subject: TokenSubject,
    generation: number,
    ttlSeconds: number,
    details: ResumeDetails = {},
  ): Promise<string> {
    return this.#sign(subject, RESUME_AUDIENCE, this.#unixSeconds() + ttlSeconds, { generation, ...details });
  }

  /** @throws ERR_TOKEN_EXPIRED | ERR_TOKEN_INVALID */
  verifyResume(token: string): Promise<ResumeClaims> {
    return this.#verify(token, RESUME_AUDIENCE, resumeClaims, 'resume');
  }

  #unixSeconds(): number {
    return Math.floor(this.#clock.date().getTime() / 1_000);
  }

  #sign(subject: TokenSubject, audience: string, exp: number, extra: Record<string, unknown>): Promise<string> {
    const { sessionId, room, grants, residency } = subject;
    return new SignJWT({ room, grants: [...grants], residency, ...extra })
      .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
      .setIssuer(ISSUER)
      .setAudience(audience)
      .setSubject(sessionId)
      .setIssuedAt(this.#unixSeconds())
      .setExpirationTime(exp)
      .sign(this.#secret);
  }

  async #verify<T>(token: string, audience: string, schema: z.ZodType<T>, kind: 'join' | 'resume'): Promise<T> {
    try {
      const { payload } = await jwtVerify(token, this.#secret, {
        algorithms: ['HS256'],
        issuer: ISSUER,
        audience,
        currentDate: this.#clock.date(),
        clockTolerance: 0,
        requiredClaims: ['exp', 'sub'],
      });
      return schema.parse(payload);
    } catch (error) {
      if (error instanceof errors.JWTExpired) {
        throw new AntipodeError('ERR_TOKEN_EXPIRED', `The ${kind} token has expired.`, { cause: error });
      }
      const words = isOfAnotherSecret(error, token, audience)
        ? `This ${kind} token was signed with another secret: POPs that share callers must share auth.tokenSecret.`
        : `This is not a ${kind} token of ours.`;
      throw new AntipodeError('ERR_TOKEN_INVALID', words, { cause: error });
    }
  }
}

/** Tells one address of a session's caller from another without telling the address. */
export function addressMark(sessionId: string, addressKey: string): string {
  return createHash('sha256').update(`${sessionId} ${addressKey}`).digest('base64url').slice(0, 16);
}

/** A token like ours in everything but its signature: forged, or of a POP that is set up otherwise. */
function isOfAnotherSecret(error: unknown, token: string, audience: string): boolean {
  if (!(error instanceof errors.JWSSignatureVerificationFailed)) return false;
  try {
    const { iss, aud } = decodeJwt(token);
    return iss === ISSUER && aud === audience;
  } catch {
    return false; // no claims: it is not like ours
  }
}
