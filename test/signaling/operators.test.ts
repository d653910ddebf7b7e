/** What a POP tells operators: `GET /v1/nodes` and `GET /v1/sessions`. */
import { describe, expect, it } from 'vitest';
import { configSchema } from '../../src/config/index.ts';
import { clusterViewSchema, sessionListSchema } from '../../src/operate/index.ts';
import { MemoryRegistry } from '../../src/registry/index.ts';
import { NodeServer } from '../../src/signaling/index.ts';
import { createMetrics, silentLogger } from '../../src/telemetry/index.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { coreRecord, popRecord, sessionRecord } from '../support/nodes.ts';
import { API_KEY, startPop } from './support/pop.ts';

const headers = { authorization: `Bearer ${API_KEY}` };

describe('GET /v1/nodes', () => {
  it('tells the nodes of the zone to who is on this machine, and to holders of a key', async () => {
    const pop = await startPop({ nodes: [coreRecord({ version: '0.1.0' }), popRecord({ version: '0.1.0' })] });
    for (const asked of [{}, { headers }]) {
      const { status, body } = await pop.rest('GET', '/v1/nodes', asked);
      expect(status).toBe(200);
      expect(body).toEqual(clusterViewSchema.parse(body));
      expect(body.nodes.map(({ nodeId }: { nodeId: string }) => nodeId)).toEqual(['pop-1', 'core-1']);
      expect(body).toMatchObject({ by: 'pop-1', zone: 'local', registry: { connected: true }, troubles: [] });
    }
  });

  it('is for no page of another origin, and nobody behind a proxy without a key', async () => {
    const pop = await startPop({ config: { http: { trustedProxies: ['127.0.0.1'] } } });
    const foreign = await pop.rest('GET', '/v1/nodes', { headers: { origin: 'https://elsewhere.example' } });
    expect([foreign.status, foreign.body.error.code]).toEqual([403, 'ERR_FORBIDDEN']);
    const far = { 'x-forwarded-for': '203.0.113.9' };
    const stranger = await pop.rest('GET', '/v1/nodes', { headers: far });
    expect([stranger.status, stranger.body.error.code]).toEqual([401, 'ERR_UNAUTHORIZED']);
    expect((await pop.rest('GET', '/v1/nodes', { headers: { ...far, ...headers } })).status).toBe(200);
    expect((await pop.rest('POST', '/v1/nodes', { headers })).headers.get('allow')).toBe('GET, HEAD');
  });
});

describe('a node that is no POP', () => {
  it('tells the nodes too, but no sessions', async () => {
    const clock = new FakeClock();
    const registry = new MemoryRegistry({ clock });
    await registry.announce(coreRecord(), 60_000);
    await using server = await NodeServer.start({
      config: configSchema.parse({ http: { host: '127.0.0.1', port: 0 } }),
      ...{ nodeId: 'core-1', door: 'accepting', clock, registry, log: silentLogger },
      metrics: createMetrics({ processMetrics: false }),
      readiness: async () => ({ ok: true, parts: {} }),
    });
    const answer = await fetch(`${server.url}/v1/nodes`);
    expect([answer.status, await answer.json()]).toMatchObject([200, { by: 'core-1', nodes: [{ nodeId: 'core-1' }] }]);
    expect((await fetch(`${server.url}/v1/sessions`)).status).toBe(404);
  });
});

describe('GET /v1/sessions', () => {
  it('goes through all sessions of the zone by pages', async () => {
    const pop = await startPop();
    for (let n = 0; n < 7; n++) {
      await pop.registry.createSession(sessionRecord({ sessionId: `s-${n}`, core: `core-${n % 2}` }));
    }
    const found: string[] = [];
    let path: string | null = '/v1/sessions?limit=3';
    for (let pages = 0; path !== null; pages++) {
      expect(pages).toBeLessThan(4);
      const { status, body } = await pop.rest('GET', path, { headers });
      expect(status).toBe(200);
      expect(body).toEqual(sessionListSchema.parse(body));
      for (const { sessionId } of body.sessions) found.push(sessionId);
      path = body.next === null ? null : `/v1/sessions?limit=3&cursor=${body.next}`;
    }
    expect(found).toEqual(['s-0', 's-1', 's-2', 's-3', 's-4', 's-5', 's-6']);
    const { body } = await pop.rest('GET', '/v1/sessions?node=core-1', { headers });
    expect(body.sessions.map(({ sessionId }: { sessionId: string }) => sessionId)).toEqual(['s-1', 's-3', 's-5']);
  });

  it('has metadata and the words of ends only where all is asked for, and ended sessions likewise', async () => {
    const pop = await startPop();
    const end = { code: 'caller-left', reason: 'Erika left.' };
    await pop.registry.createSession(sessionRecord({ state: 'ended', end, metadata: { name: 'Erika' } }));
    const list = async (query: string) => (await pop.rest('GET', `/v1/sessions${query}`, { headers })).body;
    expect(await list('')).toEqual({ sessions: [], next: null, partial: false });
    const { sessions } = await list('?ended=true');
    expect(sessions).toEqual([
      {
        ...{ sessionId: 'session-1', room: 'room-1', agent: 'echo', pop: 'pop-1', core: 'core-1', epoch: 1 },
        ...{ zone: 'local', residency: null, state: 'ended', ended: 'caller-left' },
        createdAt: '2026-01-01T12:00:00.000Z',
      },
    ]);
    expect((await list('?ended=true&full=true')).sessions[0]).toMatchObject({
      metadata: { name: 'Erika' },
      endReason: 'Erika left.',
    });
  });

  it('needs an API key, also on this machine, and refuses what it does not know', async () => {
    const pop = await startPop();
    const refused = async (path: string, init = {}) => {
      const { status, body } = await pop.rest('GET', path, init);
      return [status, body.error.code, body.error.path];
    };
    expect(await refused('/v1/sessions')).toEqual([401, 'ERR_UNAUTHORIZED', undefined]);
    const bearer = { headers: { authorization: 'Bearer something-else-entirely' } };
    expect(await refused('/v1/sessions', bearer)).toEqual([401, 'ERR_UNAUTHORIZED', undefined]);
    expect(await refused('/v1/sessions?rom=1', { headers })).toEqual([400, 'ERR_REQUEST_MALFORMED', 'rom']);
    expect(await refused('/v1/sessions?limit=1001', { headers })).toEqual([400, 'ERR_REQUEST_MALFORMED', 'limit']);
    expect(await refused('/v1/sessions?cursor=x', { headers })).toEqual([400, 'ERR_REQUEST_MALFORMED', 'cursor']);
    expect((await pop.rest('PUT', '/v1/sessions', { headers })).headers.get('allow')).toBe('GET, POST');
  });
});
