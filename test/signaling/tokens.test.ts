import { decodeJwt } from 'jose';
import { describe, expect, it } from 'vitest';
import { ALL_GRANTS, SessionTokens } from '../../src/signaling/index.ts';
import { FakeClock } from '../support/fake-clock.ts';

const subject = { sessionId: 's-1', room: 'r-1', grants: ALL_GRANTS, residency: 'eu' };

function fixture() {
  const clock = new FakeClock();
  const tokens = new SessionTokens({ secret: new Uint8Array(32).fill(1), clock });
  return { clock, tokens };
}

describe('a join token', () => {
  it('carries session, room, grants and pin, and a number of its own', async () => {
    const { tokens } = fixture();
    const { token, expiresAt } = await tokens.issueJoin(subject, 120);
    expect(expiresAt.toISOString()).toBe('2026-01-01T12:02:00.000Z');
    const claims = await tokens.verifyJoin(token);
    expect(claims).toMatchObject({ sub: 's-1', room: 'r-1', grants: ['speak', 'listen', 'message'], residency: 'eu' });
    expect(decodeJwt(token)).toMatchObject({ iss: 'antipode', aud: 'antipode:join', iat: 1_767_268_800 });
    const another = await tokens.verifyJoin((await tokens.issueJoin(subject, 120)).token);
    expect(another.jti).not.toBe(claims.jti);
  });

  it('is good until its last second and expired from then on', async () => {
    const { tokens, clock } = fixture();
    const { token } = await tokens.issueJoin(subject, 120);
    clock.advance(119_999);
    expect((await tokens.verifyJoin(token)).sub).toBe('s-1');
    clock.advance(1);
    await expect(tokens.verifyJoin(token)).rejects.toMatchObject({ code: 'ERR_TOKEN_EXPIRED' });
  });

  it('is not taken for a resume token, nor the other way round', async () => {
    const { tokens } = fixture();
    const { token } = await tokens.issueJoin(subject, 120);
    await expect(tokens.verifyResume(token)).rejects.toMatchObject({ code: 'ERR_TOKEN_INVALID' });
    const resume = await tokens.issueResume(subject, 1, 120);
    await expect(tokens.verifyJoin(resume)).rejects.toMatchObject({ code: 'ERR_TOKEN_INVALID' });
    expect((await tokens.verifyResume(resume)).generation).toBe(1);
  });

  it('tells nothing of an expiry when the signature is not ours', async () => {
    const { tokens, clock } = fixture();
    const foreign = new SessionTokens({ secret: new Uint8Array(32).fill(2), clock });
    const { token } = await foreign.issueJoin(subject, 1);
    clock.advance(5_000);
    await expect(tokens.verifyJoin(token)).rejects.toMatchObject({ code: 'ERR_TOKEN_INVALID' });
  });
});
