/** A living session goes to another core by order: REST, placement's choice, the registry's home, the session's record. */
import { describe, expect, it } from 'vitest';
import type { NodeRecord } from '../../src/registry/index.ts';
import { coreRecord, popRecord } from '../support/nodes.ts';
import { API_KEY, settle, startPop } from './support/pop.ts';

const headers = { authorization: `Bearer ${API_KEY}` };
const cores = (): NodeRecord[] => [
  coreRecord({ capacity: { sessions: 10 } }),
  coreRecord({ nodeId: 'core-2', load: { sessions: 8 }, control: { host: '127.0.0.1', port: 7_002 } }),
  coreRecord({ nodeId: 'core-3', load: { sessions: 9 }, control: { host: '127.0.0.1', port: 7_003 } }),
];

async function joined() {
  const pop = await startPop({ nodes: cores() });
  const { session, call } = await pop.joined();
  const { sessionId } = session;
  const move = (body?: unknown, init: { headers?: Record<string, string> } = { headers }) =>
    pop.rest('POST', `/v1/sessions/${sessionId}/move`, { ...(body !== undefined && { body }), ...init });
  return { pop, sessionId, call, move };
}

describe('POST /v1/sessions/:id/move', () => {
  it('answers when the session is at the core that was asked for, as its home and its record say', async () => {
    const { pop, sessionId, move } = await joined();
    const answer = await move({ core: 'core-3' });
    expect([answer.status, answer.body]).toEqual([
      202,
      { from: 'core-1', to: 'core-3', epoch: 2, gapMs: 12, atTurnBoundary: true },
    ]);
    expect(await pop.registry.directory.get(sessionId)).toMatchObject({ core: 'core-3', epoch: 2 });
    await settle();
    expect(await pop.registry.session(sessionId)).toMatchObject({ core: 'core-3', state: 'active', epoch: 2 });
  });

  it('is refused, with the reason, where the core is no other one, or none', async () => {
    const { move } = await joined();
    const own = await move({ core: 'core-1' });
    expect([own.status, own.body.error.code]).toEqual([409, 'ERR_HANDOVER_REFUSED']);
    const unknown = await move({ core: 'core-9' });
    expect(unknown.body.error).toMatchObject({ code: 'ERR_HANDOVER_REFUSED', message: 'No core is called "core-9".' });
    const nonsense = await move({ kore: 'core-2' });
    expect(nonsense.status).toBe(400);
  });

  it('needs an API key', async () => {
    const { move, call } = await joined();
    expect((await move({}, {})).status).toBe(401);
    expect(call.asked).not.toContainEqual(expect.stringContaining('handOver'));
  });

  it('says at which POP the session is, and that one that ended is over', async () => {
    const { pop, sessionId } = await joined();
    const other = await startPop({ nodeId: 'pop-2', beside: pop });
    await pop.registry.announce(popRecord({ nodeId: 'pop-1', signalingUrl: pop.server.url }), 1e9);
    const sent = await fetch(`${other.server.url}/v1/sessions/${sessionId}/move`, {
      ...{ method: 'POST', headers, redirect: 'manual' },
    });
    expect(sent.status).toBe(307);
    expect(sent.headers.get('location')).toBe(`${pop.server.url}/v1/sessions/${sessionId}/move`);
    await pop.rest('DELETE', `/v1/sessions/${sessionId}`, { headers });
    const over = await pop.rest('POST', `/v1/sessions/${sessionId}/move`, { headers });
    expect([over.status, over.body.error.code]).toEqual([410, 'ERR_SESSION_ENDED']);
    const unknown = await pop.rest('POST', '/v1/sessions/nobody/move', { headers });
    expect([unknown.status, unknown.body.error.code]).toEqual([404, 'ERR_SESSION_UNKNOWN']);
  });
});

describe('what the edge asks of placement for a move', () => {
  it('gives the slot back when the call does not move', async () => {
    const { pop, sessionId, call } = await joined();
    const target = await call.request.mover!({ sessionId, reason: 'drain', from: 'core-1' });
    expect(target.core).toEqual({ nodeId: 'core-2', host: '127.0.0.1', port: 7_002 });
    target.dropped();
    expect(await pop.registry.directory.get(sessionId)).toMatchObject({ core: 'core-1', epoch: 1 });
    await settle();
    expect(await pop.registry.session(sessionId)).toMatchObject({ core: 'core-1', epoch: 1 });
  });

  it('keeps the home at the former core, at the next epoch, when that one has the call anew', async () => {
    const { pop, sessionId, call } = await joined();
    const target = await call.request.mover!({ sessionId, reason: 'drain', from: 'core-1' });
    target.dropped();
    expect(await target.returned(1)).toBe(2);
    expect(await pop.registry.directory.get(sessionId)).toMatchObject({ core: 'core-1', epoch: 2 });
    await settle();
    expect(await pop.registry.session(sessionId)).toMatchObject({ core: 'core-1', epoch: 2 });
  });

  it('is told when somebody else has the session', async () => {
    const { pop, sessionId, call } = await joined();
    const target = await call.request.mover!({ sessionId, reason: 'order', from: 'core-1' });
    const home = { pop: 'pop-2', core: 'core-1', zone: pop.registry.zone };
    await pop.registry.directory.takeOver(sessionId, 1, home, 6_000);
    await expect(target.taken(2)).rejects.toMatchObject({ code: 'ERR_REGISTRY_CONFLICT' });
  });
});

describe('/v1/drain', () => {
  const port = () => {
    const drain = { draining: false, sessions: 3, stopping: false, set: (on: boolean) => set(on) };
    const set = (on: boolean) => {
      if (drain.stopping) return false;
      drain.draining = on;
      return true;
    };
    return drain;
  };

  it('begins and ends for holders of an API key', async () => {
    const drain = port();
    const pop = await startPop({ drain });
    expect((await pop.rest('POST', '/v1/drain')).status).toBe(401);
    const begun = await pop.rest('POST', '/v1/drain', { headers });
    expect([begun.status, begun.body]).toEqual([202, { nodeId: 'pop-1', draining: true, sessions: 3 }]);
    const ended = await pop.rest('DELETE', '/v1/drain', { headers });
    expect([ended.status, ended.body.draining]).toEqual([200, false]);
    drain.stopping = true;
    expect((await pop.rest('DELETE', '/v1/drain', { headers })).body.error.code).toBe('ERR_SHUTTING_DOWN');
  });

  it('is open to this machine where no key is configured', async () => {
    const drain = port();
    const pop = await startPop({ drain, config: { auth: { apiKeys: [], openAgents: ['*'] } } });
    expect((await pop.rest('POST', '/v1/drain')).status).toBe(202);
    const foreign = await pop.rest('POST', '/v1/drain', { headers: { origin: 'https://elsewhere.example' } });
    expect(foreign.status).toBe(403);
  });
});
