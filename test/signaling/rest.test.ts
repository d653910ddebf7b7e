import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { AntipodeError } from '../../src/errors.ts';
import { agentListSchema, createSessionAnswerSchema, sessionViewSchema } from '../../src/signaling/index.ts';
import { coreRecord } from '../support/nodes.ts';
import { API_KEY, type Pop, startPop } from './support/pop.ts';

const authorization = `Bearer ${API_KEY}`;
const keyed = { authorization };
const open = { config: { auth: { openAgents: ['*'] } } };

function post(pop: Pop, body: unknown, headers: Record<string, string> = keyed) {
  return pop.rest('POST', '/v1/sessions', { body, headers });
}

/** As `rest`, with headers that fetch would not let us set, such as Host. */
function raw(pop: Pop, method: string, path: string, headers: Record<string, string>, body = '') {
  return new Promise<{ status: number; text: string }>((resolve, reject) => {
    const request = httpRequest(`${pop.server.url}${path}`, { method, headers }, (response) => {
      let text = '';
      response.on('data', (data) => {
        text += data;
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
    });
    request.on('error', reject);
    request.end(body);
  });
}

function createFrom(pop: Pop, headers: Record<string, string>) {
  const host = new URL(pop.server.url).host;
  return raw(
    pop,
    'POST',
    '/v1/sessions',
    { host, 'content-type': 'application/json', ...headers },
    JSON.stringify({ agent: 'echo' }),
  );
}

describe('POST /v1/sessions', () => {
  it.each([
    ['JSON that is broken', '{"agent":', 400, 'ERR_REQUEST_MALFORMED', undefined],
    ['no agent', {}, 400, 'ERR_REQUEST_MALFORMED', 'agent'],
    ['an unknown key', { agent: 'echo', agnet: 1 }, 400, 'ERR_REQUEST_MALFORMED', 'agnet'],
    ['a room with spaces', { agent: 'echo', room: 'a b' }, 400, 'ERR_REQUEST_MALFORMED', 'room'],
    ['an array', [], 400, 'ERR_REQUEST_MALFORMED', ''],
    ['null', 'null', 400, 'ERR_REQUEST_MALFORMED', undefined],
    ['deep nesting', `{"agent":"echo","metadata":{"a":${'['.repeat(9_000)}`, 400, 'ERR_REQUEST_MALFORMED', undefined],
    [
      'a body that is too long',
      { agent: 'echo', metadata: { a: 'x'.repeat(70_000) } },
      413,
      'ERR_REQUEST_TOO_LARGE',
      undefined,
    ],
    [
      'metadata that is too long',
      { agent: 'echo', metadata: { a: 'x'.repeat(16_384) } },
      413,
      'ERR_REQUEST_TOO_LARGE',
      'metadata',
    ],
    ['an agent that nobody has', { agent: 'ehco' }, 404, 'ERR_AGENT_UNKNOWN', 'agent'],
    ['a pin that excludes this POP', { agent: 'echo', residency: 'eu' }, 403, 'ERR_PLACEMENT_RESIDENCY', 'residency'],
  ])('refuses %s with its code, counts it, and goes on serving', async (_name, body, status, code, path) => {
    const pop = await startPop();
    const answer = await post(pop, body);
    expect(answer.status).toBe(status);
    expect(answer.body.error).toMatchObject({ code, retryable: false });
    expect(answer.body.error.path).toBe(path);
    expect(Object.keys(answer.body)).toEqual(['error']);
    expect(await pop.metric('antipode_session_requests_refused_total', { code })).toBe(1);
    expect((await post(pop, { agent: 'echo' })).status).toBe(201);
  });

  it('wants JSON by its content type, so that no form of another page can post', async () => {
    const pop = await startPop();
    const answer = await post(pop, '{"agent":"echo"}', { ...keyed, 'content-type': 'text/plain' });
    expect(answer.status).toBe(400);
    expect(answer.body.error.message).toContain('application/json');
  });

  it('names the known agents to who asked for another', async () => {
    const pop = await startPop();
    expect((await post(pop, { agent: 'ehco' })).body.error.message).toContain('Known: echo, front-desk.');
  });

  it('passes room, residency and metadata on to the call', async () => {
    const pop = await startPop();
    const metadata = { name: 'Ada', nested: { deep: [1, 2] } };
    const session = await pop.create({ agent: 'echo', room: 'r:1', residency: 'local', metadata });
    const client = await pop.client();
    await client.join(session.token);
    expect(pop.edge.calls[0]!.request).toMatchObject({ room: 'r:1', residency: 'local', metadata });
  });

  it('says that it is full with 503 and when to try again, and has room again after an end', async () => {
    const pop = await startPop({ config: { limits: { maxSessions: 2 } } });
    const first = await pop.create();
    await pop.create();
    const full = await post(pop, { agent: 'echo' });
    expect(full.status).toBe(503);
    expect(full.body.error).toMatchObject({ code: 'ERR_SESSION_LIMIT', retryable: true });
    expect(full.headers.get('retry-after')).toBe('5');
    await pop.rest('DELETE', `/v1/sessions/${first.sessionId}`, { headers: keyed });
    expect((await post(pop, { agent: 'echo' })).status).toBe(201);
  });

  it('never gives the last slot of a core twice, however many ask at once', async () => {
    const pop = await startPop({ nodes: [coreRecord({ capacity: { sessions: 3 } })] });
    const answers = await Promise.all(Array.from({ length: 10 }, () => post(pop, { agent: 'echo' })));
    expect(answers.filter((answer) => answer.status === 201)).toHaveLength(3);
    expect(answers.find((answer) => answer.status !== 201)?.body.error.code).toBe('ERR_PLACEMENT_NO_CORE');
  });

  it('refuses when no core is alive', async () => {
    const pop = await startPop({ nodes: [] });
    await pop.registry.withdraw('core-1');
    const answer = await post(pop, { agent: 'echo' });
    expect(answer.status).toBe(503);
    expect(answer.body.error.code).toBe('ERR_PLACEMENT_NO_CORE');
  });

  it('leaves nothing behind when the session can not be recorded', async () => {
    const pop = await startPop();
    const createSession = pop.registry.createSession.bind(pop.registry);
    pop.registry.createSession = async () => {
      throw new Error('connect ECONNREFUSED redis:6379');
    };
    const answer = await post(pop, { agent: 'echo' });
    expect(answer.status).toBe(500);
    expect(answer.body.error.code).toBe('ERR_INTERNAL');
    expect(JSON.stringify(answer.body)).not.toContain('redis');
    expect(pop.server.sessionCount).toBe(0);
    pop.registry.createSession = createSession;
    expect((await post(pop, { agent: 'echo' })).status).toBe(201);
  });

  it('is limited per address and minute, with the wait in Retry-After', async () => {
    const pop = await startPop({ config: { limits: { sessionsPerMinutePerAddress: 3 } } });
    for (let n = 0; n < 3; n++) expect((await post(pop, { agent: 'echo' })).status).toBe(201);
    const refused = await post(pop, { agent: 'echo' });
    expect(refused.status).toBe(429);
    expect(refused.body.error).toMatchObject({ code: 'ERR_RATE_LIMITED', retryable: true });
    expect(refused.headers.get('retry-after')).toBe('20');
    pop.clock.advance(20_000);
    expect((await post(pop, { agent: 'echo' })).status).toBe(201);
  });

  it('counts addresses as a trusted proxy tells them, and believes nobody else', async () => {
    const limits = { sessionsPerMinutePerAddress: 1 };
    const trusting = await startPop({ config: { limits, http: { trustedProxies: ['127.0.0.1'] } } });
    for (const address of ['8.8.8.8', '1.1.1.1']) {
      const headers = { ...keyed, 'x-forwarded-for': address };
      expect((await post(trusting, { agent: 'echo' }, headers)).status).toBe(201);
      expect((await post(trusting, { agent: 'echo' }, headers)).status).toBe(429);
    }
    const wary = await startPop({ config: { limits } });
    expect((await post(wary, { agent: 'echo' }, { ...keyed, 'x-forwarded-for': '8.8.8.8' })).status).toBe(201);
    expect((await post(wary, { agent: 'echo' }, { ...keyed, 'x-forwarded-for': '1.1.1.1' })).status).toBe(429);
  });

  it('keeps one address without a key from filling the POP with sessions that nobody joins', async () => {
    const pop = await startPop({ config: { auth: { openAgents: ['echo'] }, limits: { maxSessions: 20 } } });
    for (let n = 0; n < 10; n++) expect((await post(pop, { agent: 'echo' }, {})).status).toBe(201);
    expect((await post(pop, { agent: 'echo' }, {})).body.error.code).toBe('ERR_RATE_LIMITED');
    expect((await post(pop, { agent: 'echo' })).status).toBe(201);
  });
});

describe('who may create a session', () => {
  it.each([
    ['nobody', {}],
    ['a wrong key', { authorization: `Bearer ${API_KEY}x` }],
    ['the start of a key', { authorization: `Bearer ${API_KEY.slice(0, -1)}` }],
    ['another scheme', { authorization: 'Basic abc' }],
  ])('is refused with 401 as %s', async (_name, headers) => {
    const pop = await startPop();
    const answer = await post(pop, { agent: 'echo' }, headers);
    expect(answer.status).toBe(401);
    expect(answer.body.error.code).toBe('ERR_UNAUTHORIZED');
    expect(answer.headers.get('www-authenticate')).toBe('Bearer');
  });

  it('needs no key for open agents, only for those', async () => {
    const pop = await startPop({ config: { auth: { openAgents: ['echo'] } } });
    expect((await post(pop, { agent: 'echo' }, {})).status).toBe(201);
    expect((await post(pop, { agent: 'front-desk' }, {})).status).toBe(401);
    expect((await post(pop, { agent: 'nobody-knows' }, {})).status).toBe(401);
    expect((await post(pop, { agent: 'echo' }, { authorization: 'Bearer wrong-key-wrong-key' })).status).toBe(401);
  });

  it('without a key must come from our own page, or from no page', async () => {
    const pop = await startPop(open);
    const { host, port } = new URL(pop.server.url);
    expect((await createFrom(pop, {})).status).toBe(201);
    expect((await createFrom(pop, { origin: `http://${host}` })).status).toBe(201);
    expect((await createFrom(pop, { host: `localhost:${port}`, origin: `http://localhost:${port}` })).status).toBe(201);
    const foreign: Record<string, string>[] = [
      { origin: 'http://evil.example' },
      { origin: 'null' },
      { origin: 'http://localhost:3000' },
      { host: `evil.example:${port}` },
      { host: `evil.example:${port}`, origin: `http://evil.example:${port}` },
      { 'sec-fetch-site': 'cross-site' },
    ];
    for (const headers of foreign) {
      const answer = await createFrom(pop, headers);
      expect([headers, answer.status, JSON.parse(answer.text).error.code]).toEqual([headers, 403, 'ERR_FORBIDDEN']);
    }
    expect((await createFrom(pop, { ...keyed, origin: 'http://evil.example' })).status).toBe(201);
  });

  it('takes the public URL for its own', async () => {
    const pop = await startPop({
      config: { auth: { openAgents: ['*'] }, http: { publicUrl: 'https://voice.example/pop' } },
    });
    const address = `http://127.0.0.1:${pop.server.port}`;
    const answer = await fetch(`${address}/v1/sessions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', origin: 'https://voice.example' },
      body: '{"agent":"echo"}',
    });
    expect(answer.status).toBe(201);
    const session = createSessionAnswerSchema.parse(await answer.json());
    expect(session.signalingUrl).toBe('wss://voice.example/pop/v1/signaling');
  });

  it('offers no CORS to other origins', async () => {
    const pop = await startPop(open);
    const preflight = await pop.rest('OPTIONS', '/v1/sessions', { headers: { origin: 'http://evil.example' } });
    expect(preflight.status).toBe(405);
    const answer = await post(pop, { agent: 'echo' });
    for (const { headers } of [preflight, answer]) expect(headers.get('access-control-allow-origin')).toBeNull();
  });
});

describe('/v1/sessions/:id', () => {
  it('shows a session to a key in full and to its own token what concerns its caller', async () => {
    const pop = await startPop();
    const session = await pop.create({ agent: 'echo', metadata: { plan: 'gold' } });
    const path = `/v1/sessions/${session.sessionId}`;
    const full = await pop.rest('GET', path, { headers: keyed });
    expect(sessionViewSchema.parse(full.body)).toEqual(full.body);
    expect(full.body).toMatchObject({ state: 'created', metadata: { plan: 'gold' }, placement: session.placement });
    expect(full.body.candidates[0]).toMatchObject({ pop: 'local', core: 'local', excluded: null });
    const own = await pop.rest('GET', path, { headers: { authorization: `Bearer ${session.token}` } });
    expect(own.status).toBe(200);
    expect(own.body.metadata).toBeUndefined();
    expect(own.body.candidates).toBeUndefined();
  });

  it('refuses everybody else', async () => {
    const pop = await startPop();
    const mine = await pop.create();
    const other = await pop.create();
    const path = `/v1/sessions/${mine.sessionId}`;
    for (const method of ['GET', 'DELETE']) {
      expect((await pop.rest(method, path)).status).toBe(401);
      const foreign = await pop.rest(method, path, { headers: { authorization: `Bearer ${other.token}` } });
      expect([foreign.status, foreign.body.error.code]).toEqual([403, 'ERR_FORBIDDEN']);
      const bogus = await pop.rest(method, path, { headers: { authorization: 'Bearer bogus' } });
      expect([bogus.status, bogus.body.error.code]).toEqual([401, 'ERR_TOKEN_INVALID']);
    }
    expect((await pop.registry.session(mine.sessionId))?.state).toBe('created');
  });

  it('takes a resume token until a later one was used', async () => {
    const pop = await startPop();
    const { session, answer } = await pop.joined();
    const path = `/v1/sessions/${session.sessionId}`;
    const get = (token: string) => pop.rest('GET', path, { headers: { authorization: `Bearer ${token}` } });
    expect((await get(answer.resumeToken)).status).toBe(200);
    const second = (await (await pop.client()).resume(answer.resumeToken)).data.resumeToken;
    await (await pop.client()).resume(second);
    expect((await get(answer.resumeToken)).status).toBe(403);
    expect((await get(second)).status).toBe(200);
  });

  it('ends a running session by DELETE, and says the same when asked again', async () => {
    const pop = await startPop();
    const { session, client, call } = await pop.joined();
    const path = `/v1/sessions/${session.sessionId}`;
    const answer = await pop.rest('DELETE', path, { headers: keyed });
    expect(answer.body).toMatchObject({ state: 'ended', end: { code: 'deleted' } });
    expect((await client.closed).code).toBe(4000);
    expect(client.events('session-ended')[0]!.data.code).toBe('deleted');
    expect(call.asked).toEqual(['close deleted']);
    expect((await pop.rest('DELETE', path, { headers: keyed })).body).toEqual(answer.body);
  });

  it('answers 404 for what it does not know', async () => {
    const pop = await startPop();
    const answer = await pop.rest('GET', '/v1/sessions/s-none', { headers: keyed });
    expect([answer.status, answer.body.error.code]).toEqual([404, 'ERR_SESSION_UNKNOWN']);
    expect((await pop.rest('GET', '/v1/sessions/%E0%A4%A', { headers: keyed })).status).toBe(400);
  });
});

describe('GET /v1/agents', () => {
  it('lists the open agents to everybody and all to a key', async () => {
    const pop = await startPop({ config: { auth: { openAgents: ['echo'] } } });
    const anybody = agentListSchema.parse((await pop.rest('GET', '/v1/agents')).body);
    expect(anybody.agents.map(({ name, open }) => [name, open])).toEqual([['echo', true]]);
    const all = agentListSchema.parse((await pop.rest('GET', '/v1/agents', { headers: keyed })).body);
    expect(all.agents.map(({ name, open }) => [name, open])).toEqual([
      ['echo', true],
      ['front-desk', false],
    ]);
  });
});

describe('health', () => {
  it('is alive, and ready with its parts', async () => {
    const pop = await startPop();
    expect((await pop.rest('GET', '/healthz')).body).toEqual({ ok: true });
    const ready = await pop.rest('GET', '/readyz');
    expect([ready.status, ready.body]).toEqual([200, { ok: true, parts: { core: true, signaling: true } }]);
  });

  it('is not ready while a part is not, or can not be asked', async () => {
    const missing = await startPop({ readiness: async () => ({ ok: false, parts: { core: false } }) });
    const answer = await missing.rest('GET', '/readyz');
    expect([answer.status, answer.body]).toEqual([503, { ok: false, parts: { core: false, signaling: true } }]);
    const broken = await startPop({
      readiness: async () => {
        throw new AntipodeError('ERR_INTERNAL', 'secret detail');
      },
    });
    const failed = await broken.rest('GET', '/readyz');
    expect([failed.status, failed.body]).toEqual([503, { ok: false, parts: { check: false, signaling: true } }]);
  });

  it('shows metrics to this machine and to keys, not to who is behind a proxy or another site', async () => {
    const pop = await startPop();
    await post(pop, {});
    const local = await pop.rest('GET', '/metrics');
    expect(local.status).toBe(200);
    expect(local.body).toContain('antipode_session_requests_refused_total{code="ERR_REQUEST_MALFORMED"} 1');
    expect(local.body).toContain('antipode_signaling_sockets 0');
    expect((await pop.rest('GET', '/metrics', { headers: { 'x-forwarded-for': '127.0.0.1' } })).status).toBe(401);
    expect((await raw(pop, 'GET', '/metrics', { host: 'evil.example' })).status).toBe(403);
    const key = await pop.rest('GET', '/metrics', { headers: { ...keyed, 'x-forwarded-for': '8.8.8.8' } });
    expect(key.status).toBe(200);
  });
});

describe('HTTP', () => {
  it('answers unknown routes with 404, wrong methods with 405 and what is possible', async () => {
    const pop = await startPop();
    expect((await pop.rest('GET', '/v2/nothing')).body.error.code).toBe('ERR_NOT_FOUND');
    for (const [method, path, allow] of [
      ['PUT', '/v1/sessions', 'GET, POST'],
      ['PUT', '/v1/sessions/x', 'GET, DELETE'],
      ['POST', '/v1/agents', 'GET'],
      ['DELETE', '/healthz', 'GET, HEAD'],
    ] as const) {
      const answer = await pop.rest(method, path, { headers: keyed });
      expect([answer.status, answer.body.error.code]).toEqual([405, 'ERR_METHOD_NOT_ALLOWED']);
      expect(answer.headers.get('allow')).toBe(allow);
    }
    expect((await pop.rest('GET', '/v1/signaling')).body.error.message).toBe('Open a WebSocket here.');
  });

  it('sends security headers with everything', async () => {
    const pop = await startPop();
    for (const path of ['/', '/healthz', '/nothing']) {
      const { headers } = await pop.rest('GET', path);
      const policy = headers.get('content-security-policy') ?? '';
      expect(policy).toContain("default-src 'none'");
      expect(policy).toContain("script-src 'self';");
      expect(policy).toContain(`connect-src 'self' ws://127.0.0.1:${pop.server.port}`);
      expect(policy).toContain("frame-ancestors 'none'");
      expect(headers.get('permissions-policy')).toContain('microphone=(self)');
      expect(headers.get('x-content-type-options')).toBe('nosniff');
      expect(headers.get('x-powered-by')).toBeNull();
    }
  });

  it('answers what is no HTTP with 400 and goes on', async () => {
    const pop = await startPop();
    const answer = await new Promise<string>((resolve, reject) => {
      let text = '';
      const socket = connect(pop.server.port, '127.0.0.1', () => socket.write('\u0016\u0003\u0001 TLS?\r\n\r\n'));
      socket.on('data', (data) => {
        text += data;
      });
      socket.on('close', () => resolve(text));
      socket.on('error', reject);
    });
    expect(answer).toContain('HTTP/1.1 400 Bad Request');
    expect(answer).toContain('ERR_REQUEST_MALFORMED');
    expect((await pop.rest('GET', '/healthz')).status).toBe(200);
  });

  it('says in words that a port is taken, and how to choose another', async () => {
    const pop = await startPop();
    const second = startPop({ config: { http: { port: pop.server.port } } });
    await expect(second).rejects.toMatchObject({
      code: 'ERR_PORT_IN_USE',
      message: expect.stringMatching(new RegExp(`Port ${pop.server.port} on 127.0.0.1 is in use.*PORT=<number>`)),
    });
    await expect(startPop({ config: { http: { port: pop.server.port, host: 'localhost' } } })).rejects.toMatchObject({
      code: 'ERR_PORT_IN_USE',
    });
    expect((await pop.rest('GET', '/healthz')).status).toBe(200);
  });

  it('listens on both loopback addresses as localhost', async () => {
    const pop = await startPop({ config: { http: { host: 'localhost' } } });
    expect(pop.server.url).toBe(`http://localhost:${pop.server.port}`);
    expect((await fetch(`http://127.0.0.1:${pop.server.port}/healthz`)).status).toBe(200);
    expect((await fetch(`http://localhost:${pop.server.port}/healthz`)).status).toBe(200);
  });

  it('refuses a trusted proxy that is no address', async () => {
    await expect(startPop({ config: { http: { trustedProxies: ['10.0.0.0/40'] } } })).rejects.toMatchObject({
      code: 'ERR_CONFIG_INVALID',
      path: 'http.trustedProxies.0',
    });
  });
});

describe('the page', () => {
  it('is served with caching for files that carry their hash only, and nothing outside its folder', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'antipode-page-'));
    try {
      const pageDir = join(dir, 'page');
      await mkdir(join(pageDir, 'assets'), { recursive: true });
      await writeFile(join(pageDir, 'index.html'), '<!doctype html><title>Antipode</title>');
      await writeFile(join(pageDir, 'assets', 'app-1a2b.js'), 'export {}');
      await writeFile(join(dir, 'secret.txt'), 'secret');
      const pop = await startPop({ pageDir });
      const page = await pop.rest('GET', '/?agent=echo&autojoin=1');
      expect(page.body).toContain('<title>Antipode</title>');
      expect(page.headers.get('cache-control')).toBe('no-cache');
      const script = await pop.rest('GET', '/assets/app-1a2b.js');
      expect(script.headers.get('content-type')).toContain('text/javascript');
      expect(script.headers.get('cache-control')).toBe('public, max-age=31536000, immutable');
      const outside = await raw(pop, 'GET', '/%2e%2e/secret.txt', {});
      expect(outside.status).toBe(404);
      expect(outside.text).not.toContain('"secret"');
    } finally {
      await rm(dir, { recursive: true });
    }
  });

  it('says clearly that it was not built', async () => {
    const pop = await startPop();
    const page = await pop.rest('GET', '/', { headers: { accept: 'text/html' } });
    expect(page.status).toBe(404);
    expect(page.body).toContain('it was not built');
    const api = await pop.rest('GET', '/', { headers: { accept: 'application/json' } });
    expect(api.body.error.code).toBe('ERR_NOT_FOUND');
  });
});
