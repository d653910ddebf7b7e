/** A POP that drains: nothing new, and everything that there is goes on. */
import { expect, test } from 'vitest';
import { API_KEY, startPop } from './support/pop.ts';

test('a draining POP refuses new sessions; those that were created are joined, and those that run go on', async () => {
  const counts: number[] = [];
  const pop = await startPop({ onSessionCount: (sessions) => counts.push(sessions) });
  const running = await pop.joined();
  const created = await pop.create();
  pop.server.beginDrain();

  const headers = { authorization: `Bearer ${API_KEY}` };
  const refused = await pop.rest('POST', '/v1/sessions', { body: { agent: 'echo' }, headers });
  expect(refused.status).toBe(503);
  expect(refused.body.error).toMatchObject({ code: 'ERR_SHUTTING_DOWN', retryable: true });
  expect(refused.headers.get('retry-after')).not.toBeNull();

  const late = await pop.client();
  expect((await late.join(created.token)).sessionId).toBe(created.sessionId);
  expect((await running.client.request('ping')).ok).toBe(true);
  expect((await running.client.request('leave')).ok).toBe(true);
  expect((await late.request('leave')).ok).toBe(true);
  expect(counts).toEqual([1, 2, 1, 0]);
  expect(pop.server.sessionCount).toBe(0);
});
