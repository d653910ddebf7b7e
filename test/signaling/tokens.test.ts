import { decodeJwt } from 'jose';
import { describe, expect, it } from 'vitest';
import { DEFAULT_GRANTS, SessionTokens } from '../../src/signaling/index.ts';
import { addressMark } from '../../src/signaling/tokens.ts';
import { FakeClock } from '../support/fake-clock.ts';

const subject = { sessionId: 's-1', room: 'r-1', grants: DEFAULT_GRANTS, residency: 'eu' };

function fixture() {
  const clock = new FakeClock();
  const tokens = new SessionTokens({ secret: new Uint8Array(32).fill(1), clock });
  return { clock, tokens };
}

describe('a resume token', () => {
  it('says where its session ran, and marks the address that got it without telling it', async () => {
    const { tokens } = fixture();
    const run = { agent: 'echo', pop: 'pop-1', core: 'core-1', epoch: 3 };
    const from = addressMark('s-1', '203.0.113.9');
    const token = await tokens.issueResume(subject, 2, 60, { run, from });
    expect(await tokens.verifyResume(token)).toMatchObject({ generation: 2, run, from });
    expect(from).toMatch(/^[\w-]{16}$/);
    expect(addressMark('s-1', '203.0.113.9')).toBe(from);
    expect(addressMark('s-1', '203.0.113.8')).not.toBe(from);
    expect(addressMark('s-2', '203.0.113.9')).not.toBe(from);
  });

  it('of another secret is told from what never was one', async () => {
    const { tokens, clock } = fixture();
    const foreign = new SessionTokens({ secret: new Uint8Array(32).fill(2), clock });
    const words = (token: string) => tokens.verifyResume(token).catch((error: Error) => error.message);
    expect(await words(await foreign.issueResume(subject, 1, 60))).toContain('must share auth.tokenSecret');
    expect(await words('not.a.token')).toBe('This is not a resume token of ours.');
    expect(await words((await foreign.issueJoin(subject, 60)).token)).toBe('This is not a resume token of ours.');
  });
});

describe('a join token', () => {
  it('carries session, room, grants and pin, and a number of its own', async () => {
    const { tokens } = fixture();
    const { token, expiresAt } = await tokens.issueJoin(subject, 120);
    expect(expiresAt.toISOString()).toBe('2026-01-01T12:02:00.000Z');
    const claims = await tokens.verifyJoin(token);
    expect(claims).toMatchObject({
      sub: 's-1',
      room: 'r-1',
      grants: ['speak', 'listen', 'message', 'video'],
      residency: 'eu',
    });
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
