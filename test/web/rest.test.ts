import { afterEach, beforeEach, expect, test } from 'vitest';
import { createSession, listAgents, parseRetryAfter } from '../../web/src/client/rest.ts';
import { FAKE_AGENTS, FakePop } from './fake-pop.ts';

let pop: FakePop;
const options = () => ({ baseUrl: pop.url, timeoutMs: 2_000, fetch });
const failureOf = (promise: Promise<unknown>) =>
  promise.then(
    () => expect.fail('must not succeed'),
    (error) => error.failure,
  );

beforeEach(async () => {
  pop = await FakePop.start();
});
afterEach(() => pop.close());

test('agents that need an API key are not offered', async () => {
  pop.agents = [FAKE_AGENTS[0]!, { ...FAKE_AGENTS[1]!, open: false }];
  expect((await listAgents(options())).map((agent) => agent.name)).toEqual(['front-desk']);
  pop.agents = [{ ...FAKE_AGENTS[1]!, open: false }];
  expect(await failureOf(listAgents(options()))).toMatchObject({ code: 'AGENTS_CLOSED' });
  pop.agents = [];
  expect(await failureOf(listAgents(options()))).toMatchObject({ code: 'AGENTS_NONE' });
});

test('a full POP is told with its code and how long to wait', async () => {
  pop.refusals.set('create', { code: 'ERR_SESSION_LIMIT', message: 'Full.', retryAfter: 7 });
  expect(await failureOf(createSession(options(), { agent: 'echo' }))).toEqual({
    code: 'ERR_SESSION_LIMIT',
    message: 'Full.',
    retryable: true,
    retryAfterMs: 7_000,
  });
});

test('a session comes with its signaling URL and token', async () => {
  const session = await createSession(options(), { agent: 'echo' });
  expect(session).toMatchObject({ signalingUrl: pop.signalingUrl, token: 'join:echo' });
});

test('a server that is not there, and one that answers something else, are told apart', async () => {
  const elsewhere = await failureOf(listAgents({ ...options(), baseUrl: `${pop.url}/nothing/here` }));
  expect(elsewhere).toMatchObject({ code: 'SERVER_ANSWER', message: 'HTTP 404' });
  const refused = await failureOf(listAgents({ ...options(), baseUrl: 'http://127.0.0.1:1' }));
  expect(refused).toMatchObject({ code: 'SERVER_UNREACHABLE', retryable: true });
});

test('Retry-After is seconds or a date', () => {
  const now = new Date('2026-01-01T12:00:00Z');
  expect(parseRetryAfter('5', now)).toBe(5_000);
  expect(parseRetryAfter('Thu, 01 Jan 2026 12:00:30 GMT', now)).toBe(30_000);
  expect(parseRetryAfter('soon', now)).toBeNull();
  expect(parseRetryAfter(null, now)).toBeNull();
});
