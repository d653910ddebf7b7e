import { describe, expect, it } from 'vitest';
import { AntipodeError } from '../../src/errors.ts';
import { coreRecord, popRecord } from '../support/nodes.ts';
import { API_KEY, type Pop, startPop } from './support/pop.ts';

const HIGH_KEY = 'high-key-0123456789abcdef';
const SLOW_KEY = 'slow-key-0123456789abcdef';
const post = (pop: Pop, key = API_KEY, body: Record<string, unknown> = { agent: 'echo' }) =>
  pop.rest('POST', '/v1/sessions', { body, headers: { authorization: `Bearer ${key}` } });

const full = coreRecord({ capacity: { sessions: 2 }, load: { sessions: 2 } });
const singapore = popRecord({ nodeId: 'pop-sin', region: 'ap-southeast-1', signalingUrl: 'https://sin.example/' });

/** The first `count` calls are refused by their core. */
function refuseAtCore(pop: Pop, count: number): string[] {
  const asked: string[] = [];
  const openCall = pop.edge.openCall.bind(pop.edge);
  pop.edge.openCall = async (request) => {
    asked.push(request.core.nodeId);
    if (asked.length <= count) throw new AntipodeError('ERR_SESSION_LIMIT', 'This core is full (2 sessions).');
    return openCall(request);
  };
  return asked;
}

describe('a POP whose cores are full', () => {
  it('refuses with 503, when to come back, and another POP to try', async () => {
    const pop = await startPop({ nodes: [full, singapore], config: { auth: { openAgents: ['echo'] } } });
    const answer = await post(pop);
    expect(answer.status).toBe(503);
    expect(answer.headers.get('retry-after')).toBe('5');
    expect(answer.body).toEqual({
      error: { code: 'ERR_PLACEMENT_NO_CORE', message: expect.stringContaining('full'), retryable: true },
      elsewhere: { pop: 'pop-sin', region: 'ap-southeast-1', sessionsUrl: 'https://sin.example/v1/sessions' },
    });
    const anonymous = await pop.rest('POST', '/v1/sessions', { body: { agent: 'echo' } });
    expect(anonymous.body.elsewhere.pop).toBe('pop-sin');
  });

  it('names no POP that is full, drains, is outside the pin, or is itself', async () => {
    const nodes = [
      full,
      { ...singapore, load: { sessions: 100 } },
      popRecord({ nodeId: 'pop-fra', region: 'eu-central-1', draining: true }),
      popRecord({ nodeId: 'pop-1' }),
    ];
    expect((await post(await startPop({ nodes }))).body.elsewhere).toBeUndefined();
    const pinned = await post(await startPop({ nodes: [full, singapore] }), API_KEY, {
      agent: 'echo',
      residency: 'local',
    });
    expect(pinned.body.elsewhere).toBeUndefined();
  });

  it('names another POP when only itself is full', async () => {
    const pop = await startPop({ nodes: [coreRecord(), singapore], config: { limits: { maxSessions: 1 } } });
    await pop.create();
    const answer = await post(pop);
    expect(answer.body.error.code).toBe('ERR_SESSION_LIMIT');
    expect(answer.body.elsewhere.pop).toBe('pop-sin');
  });

  it('refuses a hundred in a row within 50 ms, half of them at least', async () => {
    const pop = await startPop({ nodes: [full, singapore] });
    const tookMs: number[] = [];
    for (let count = 0; count < 100; count++) {
      const startedMs = performance.now();
      expect((await post(pop)).status).toBe(503);
      tookMs.push(performance.now() - startedMs);
    }
    expect(tookMs.sort((a, b) => a - b)[50]).toBeLessThan(50);
  });
});

describe('priorities', () => {
  it('leave the last slots of a core to sessions of high priority', async () => {
    const pop = await startPop({
      nodes: [coreRecord({ capacity: { sessions: 3, reserved: 1 } })],
      config: { auth: { apiKeys: [{ key: API_KEY }, { key: HIGH_KEY, priority: 'high' }] } },
    });
    expect((await post(pop)).status).toBe(201);
    expect((await post(pop)).status).toBe(201);
    expect((await post(pop)).body.error.code).toBe('ERR_PLACEMENT_NO_CORE');
    const high = await post(pop, HIGH_KEY);
    expect(high.status).toBe(201);
    expect((await post(pop, HIGH_KEY)).body.error.code).toBe('ERR_PLACEMENT_NO_CORE');
    const client = await pop.client();
    await client.join(high.body.token);
    expect(pop.edge.callOf(high.body.sessionId).request.priority).toBe('high');
  });

  it('hold for places that are reserved', async () => {
    const pop = await startPop({
      nodes: [popRecord(), coreRecord({ capacity: { sessions: 1, reserved: 1 } })],
      config: { auth: { apiKeys: [{ key: API_KEY }, { key: HIGH_KEY, priority: 'high', sessionsPerMinute: 1 }] } },
    });
    const reserve = (key: string) =>
      pop.rest('POST', '/v1/placements', {
        body: { agent: 'echo', caller: {}, reserve: true },
        headers: { authorization: `Bearer ${key}` },
      });
    expect((await reserve(API_KEY)).body.error.code).toBe('ERR_PLACEMENT_NO_CORE');
    expect((await reserve(HIGH_KEY)).status).toBe(201);
    expect((await reserve(HIGH_KEY)).body.error.code).toBe('ERR_RATE_LIMITED');
  });
});

describe('API keys', () => {
  it('may ask so often each, one not at the cost of the other', async () => {
    const pop = await startPop({
      config: {
        auth: { apiKeys: [{ key: API_KEY }, { key: SLOW_KEY, sessionsPerMinute: 2 }] },
        limits: { sessionsPerMinutePerKey: 4 },
      },
    });
    const statuses = async (key: string, times: number) => {
      const seen: number[] = [];
      for (let count = 0; count < times; count++) seen.push((await post(pop, key)).status);
      return seen;
    };
    expect(await statuses(SLOW_KEY, 3)).toEqual([201, 201, 429]);
    expect(await statuses(API_KEY, 5)).toEqual([201, 201, 201, 201, 429]);
    const refused = await post(pop, SLOW_KEY);
    expect(refused.body.error.code).toBe('ERR_RATE_LIMITED');
    expect(refused.headers.get('retry-after')).toBe('30');
    pop.clock.advance(30_000);
    expect(await statuses(SLOW_KEY, 2)).toEqual([201, 429]);
  });
});

describe('a core that has no room after all', () => {
  const cores = [
    coreRecord({ nodeId: 'core-1', capacity: { sessions: 10 } }),
    coreRecord({ nodeId: 'core-2', capacity: { sessions: 10 }, load: { sessions: 5 } }),
    coreRecord({ nodeId: 'core-3', capacity: { sessions: 10 }, load: { sessions: 8 } }),
  ];

  it('is replaced by the next one, and everything says so', async () => {
    const pop = await startPop({ nodes: cores });
    const asked = refuseAtCore(pop, 1);
    const session = await pop.create();
    expect(session.placement.core.nodeId).toBe('core-1');
    const client = await pop.client();
    const joined = await client.join(session.token);
    expect(asked).toEqual(['core-1', 'core-2']);
    expect(joined).toMatchObject({ placement: { core: { nodeId: 'core-2' } } });
    const headers = { authorization: `Bearer ${API_KEY}` };
    const { body } = await pop.rest('GET', `/v1/sessions/${session.sessionId}`, { headers });
    expect(body).toMatchObject({ state: 'active', placement: { core: { nodeId: 'core-2' } } });
    expect((await pop.registry.session(session.sessionId))?.core).toBe('core-2');
    const residency = await pop.rest('GET', `/v1/sessions/${session.sessionId}/residency`, { headers });
    expect(residency.body.entries.map(({ name }: { name: string }) => name)).toContain('core-2');
    expect(await pop.metric('antipode_sessions_core_full_total', { outcome: 'another' })).toBe(1);
    const { body: world } = await pop.rest('GET', '/v1/world', { headers });
    expect(world.state.reservations).toEqual({ reserved: 0, held: 1 });
  });

  it('is replaced once: then the caller is told to try again', async () => {
    const pop = await startPop({ nodes: cores });
    const asked = refuseAtCore(pop, 2);
    const session = await pop.create();
    const client = await pop.client();
    await expect(client.join(session.token)).rejects.toThrow('ERR_SESSION_LIMIT');
    expect(asked).toEqual(['core-1', 'core-2']);
    const { body } = await pop.rest('GET', '/v1/world', { headers: { authorization: `Bearer ${API_KEY}` } });
    expect(body.state.reservations).toEqual({ reserved: 0, held: 0 });
  });

  it('ends the join with its own refusal when no other has room', async () => {
    const pop = await startPop({ nodes: [cores[0]!] });
    const asked = refuseAtCore(pop, 1);
    const session = await pop.create();
    const client = await pop.client();
    await expect(client.join(session.token)).rejects.toThrow('ERR_SESSION_LIMIT');
    expect(asked).toEqual(['core-1']);
    expect(await pop.metric('antipode_sessions_core_full_total', { outcome: 'none' })).toBe(1);
    const { body } = await pop.rest('GET', '/v1/world', { headers: { authorization: `Bearer ${API_KEY}` } });
    expect(body.state.reservations).toEqual({ reserved: 0, held: 0 });
  });
});
