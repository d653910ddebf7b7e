import { describe, expect, it } from 'vitest';
import { fixedPolicy, readPolicy } from '../../src/placement/index.ts';
import { createSessionAnswerSchema, popListSchema } from '../../src/signaling/index.ts';
import { popBaseUrl } from '../../src/signaling/pop-address.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { coreRecord, popRecord } from '../support/nodes.ts';
import { API_KEY, type Pop, startPop } from './support/pop.ts';

const keyed = { authorization: `Bearer ${API_KEY}` };
const open = { auth: { openAgents: ['*'] } };
const FRA = popRecord({ nodeId: 'pop-fra', region: 'eu-central-1', signalingUrl: 'https://fra.example' });
const IAD = popRecord({ nodeId: 'pop-iad', region: 'us-east-1', signalingUrl: 'wss://iad.example/v1/signaling' });
const SYD = popRecord({ nodeId: 'pop-syd', region: 'ap-southeast-2', signalingUrl: 'https://example/syd/' });
const CORE = coreRecord({ region: 'us-east-1' });

/** `pop-1` in London with others far from there. */
const london = (more: Parameters<typeof startPop>[0] = {}) =>
  startPop({ region: 'eu-west-2', nodes: [CORE, FRA, IAD, SYD], config: open, ...more });

describe('GET /v1/probe', () => {
  it('answers with nothing, to pages of any origin, which may read its timing', async () => {
    const pop = await startPop();
    const { status, headers, body } = await pop.rest('GET', '/v1/probe?n=1', {
      headers: { origin: 'https://evil.example' },
    });
    expect([status, body]).toEqual([204, '']);
    expect(headers.get('cache-control')).toBe('no-store');
    expect(headers.get('access-control-allow-origin')).toBe('*');
    expect(headers.get('timing-allow-origin')).toBe('*');
    expect(headers.get('content-security-policy')).toBeNull();
    expect((await pop.rest('HEAD', '/v1/probe')).status).toBe(204);
    const post = await pop.rest('POST', '/v1/probe', { body: {} });
    expect([post.status, post.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
  });

  it('is limited by address, and session requests are counted apart', async () => {
    const pop = await startPop();
    const answers = new Map<number, number>();
    for (let n = 0; n < 1_250; n += 50) {
      const batch = await Promise.all(Array.from({ length: 50 }, () => pop.rest('GET', '/v1/probe')));
      for (const { status } of batch) answers.set(status, (answers.get(status) ?? 0) + 1);
    }
    expect([...answers]).toEqual([
      [204, 1_200],
      [429, 50],
    ]);
    const refused = await pop.rest('GET', '/v1/probe');
    expect(refused.headers.get('retry-after')).toBe('1');
    expect(refused.headers.get('access-control-allow-origin')).toBe('*');
    await pop.create();
    pop.clock.advance(60_000);
    expect((await pop.rest('GET', '/v1/probe')).status).toBe(204);
  });
});

describe('GET /v1/pops', () => {
  const list = async (pop: Pop, query = '', headers = {}) => {
    const answer = await pop.rest('GET', `/v1/pops${query}`, { headers });
    if (answer.status === 200) expect(popListSchema.parse(answer.body)).toEqual(answer.body);
    return answer;
  };
  const ids = (body: { pops: { pop: string }[] }) => body.pops.map(({ pop }) => pop);

  it('tells the POPs with the URLs that they announce, its own by the name that was used', async () => {
    const pop = await london();
    const { status, body } = await list(pop);
    expect(status).toBe(200);
    expect(body.probeWithinMs).toBe(150);
    expect(body.pops).toEqual([
      { pop: 'pop-1', region: 'eu-west-2', probeUrl: `${pop.server.url}/v1/probe`, expectedMs: null },
      { pop: 'pop-fra', region: 'eu-central-1', probeUrl: 'https://fra.example/v1/probe', expectedMs: null },
      { pop: 'pop-iad', region: 'us-east-1', probeUrl: 'https://iad.example/v1/probe', expectedMs: null },
      { pop: 'pop-syd', region: 'ap-southeast-2', probeUrl: 'https://example/syd/v1/probe', expectedMs: null },
    ]);
  });

  it('tells only those that the pins of request, policy and agent allow', async () => {
    const pop = await london();
    expect(ids((await list(pop, '?residency=eu,us')).body)).toEqual(['pop-fra', 'pop-iad']);
    expect(ids((await list(pop, '?residency=ca')).body)).toEqual([]);
    const policy = fixedPolicy(readPolicy('version: 1\nresidency: { whenUnknown: us }\n'), new FakeClock());
    expect(ids((await list(await london({ policy }))).body)).toEqual(['pop-iad']);
    const agent = { ...CORE.agents[0]!, name: 'local', residency: 'au' };
    const desk = await london({ nodes: [{ ...CORE, agents: [agent] }, FRA, SYD] });
    expect(ids((await list(desk, '?agent=local')).body)).toEqual(['pop-syd']);
  });

  it('goes by where the caller is, nearest first', { timeout: 30_000 }, async () => {
    const pop = await london({ config: { http: { trustedProxies: ['127.0.0.1'] } } });
    const headers = { 'x-forwarded-for': '129.94.242.2' };
    let { body } = await list(pop, '', headers);
    // The first public address has the database loaded.
    while (body.pops[0].expectedMs === null) {
      await new Promise((resolve) => setTimeout(resolve, 50));
      ({ body } = await list(pop, '', headers));
    }
    expect(ids(body)).toEqual(['pop-syd', 'pop-iad', 'pop-fra', 'pop-1']);
    expect(body.pops[0].expectedMs).toBeCloseTo(18, 0);
    const session = await pop.rest('POST', '/v1/sessions', {
      headers: { ...keyed, ...headers },
      body: { agent: 'echo', probes: [{ pop: 'pop-1', rttMs: 1 }] },
    });
    // Sydney to London: 17,000 km.
    expect(session.body.placement.probes[0].countedMs).toBeGreaterThan(165);
    expect(session.body.placement.caller).toMatchObject({ country: 'AU', city: 'Kensington' });
    expect(await pop.metric('antipode_placement_probes_total', { result: 'bounded' })).toBe(1);
  });

  it('tells five at the most, all of them to holders of a key', async () => {
    const many = ['eu-west-1', 'eu-west-3', 'eu-north-1', 'us-west-2', 'ca-central-1', 'sa-east-1'].map((region) =>
      popRecord({ nodeId: `pop-${region}`, region, signalingUrl: `https://${region}.example` }),
    );
    const pop = await london({ nodes: [CORE, ...many], config: {} });
    expect((await list(pop)).body.pops).toHaveLength(5);
    expect((await list(pop, '?all=true', keyed)).body.pops).toHaveLength(7);
    const strange = await list(pop, '?all=true');
    expect([strange.status, strange.body.error.path]).toEqual([401, 'all']);
  });

  it('leaves out what drains, is full, or tells no URL', async () => {
    const pop = await london({
      nodes: [
        ...[CORE, { ...FRA, draining: true }, { ...IAD, load: { sessions: 100 } }, { ...SYD, signalingUrl: null }],
        popRecord({ nodeId: 'pop-odd', region: 'us-west-2', signalingUrl: 'ftp://odd.example' }),
      ],
    });
    expect(ids((await list(pop)).body)).toEqual(['pop-1']);
  });

  it.each(['?residency=e%20u', '?agent=', '?agnet=echo', '?agent=a&agent=b', '?all=yes'])(
    'refuses %s',
    async (query) => {
      const pop = await london();
      const { status, body } = await list(pop, query);
      expect([status, body.error.code]).toEqual([400, 'ERR_REQUEST_MALFORMED']);
    },
  );

  it('is limited by address', async () => {
    const pop = await london();
    const answers = await Promise.all(Array.from({ length: 121 }, () => list(pop)));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(120);
    expect(answers.find(({ status }) => status !== 200)!.body.error.code).toBe('ERR_RATE_LIMITED');
    await pop.create();
  });
});

describe('a session with probes', () => {
  const create = (pop: Pop, probes: unknown, headers: Record<string, string> = keyed) =>
    pop.rest('POST', '/v1/sessions', { body: { agent: 'echo', probes }, headers });

  it('goes by them and shows them', async () => {
    const pop = await london();
    const { status, body } = await create(pop, [
      { pop: 'pop-1', rttMs: 31.5 },
      { pop: 'pop-fra', rttMs: 40 },
      { pop: 'pop-gone', rttMs: 1 },
    ]);
    expect(status).toBe(201);
    const { placement } = createSessionAnswerSchema.parse(body);
    expect(placement.prediction!.parts.callerPop).toBe(31.5);
    expect(placement.prediction!.sources.callerPop).toBe('measured');
    expect(placement.probes).toEqual([
      { pop: 'pop-1', region: 'eu-west-2', rttMs: 31.5, countedMs: 31.5 },
      { pop: 'pop-fra', region: 'eu-central-1', rttMs: 40, countedMs: 40 },
    ]);
    expect(await pop.metric('antipode_placement_probes_total', { result: 'kept' })).toBe(2);
    expect(await pop.metric('antipode_placement_probes_total', { result: 'refused' })).toBe(1);
  });

  it('without any that is of a POP goes by the address', async () => {
    const pop = await london();
    const { body } = await create(pop, [{ pop: 'pop-gone', rttMs: 1 }]);
    expect(body.placement.prediction.sources.callerPop).toBe('assumed');
    expect(body.placement.probes).toBeUndefined();
  });

  it.each([
    ['too far', [{ pop: 'pop-1', rttMs: 2_001 }], 'probes.0.rttMs'],
    ['negative', [{ pop: 'pop-1', rttMs: -1 }], 'probes.0.rttMs'],
    ['no number', [{ pop: 'pop-1', rttMs: null }], 'probes.0.rttMs'],
    ['infinite', '[{"pop":"pop-1","rttMs":1e999}]', 'probes.0.rttMs'],
    ['nameless', [{ rttMs: 1 }], 'probes.0.pop'],
    ['too many', Array.from({ length: 6 }, () => ({ pop: 'pop-1', rttMs: 1 })), 'probes'],
    ['more than was asked for', [{ pop: 'pop-1', rttMs: 1, country: 'DE' }], 'probes.0.country'],
  ])('refuses probes that are %s', async (_name, probes, path) => {
    const pop = await london();
    const body = typeof probes === 'string' ? `{"agent":"echo","probes":${probes}}` : { agent: 'echo', probes };
    const answer = await pop.rest('POST', '/v1/sessions', { body, headers: keyed });
    expect([answer.status, answer.body.error.path]).toEqual([400, path]);
  });

  describe('of a page', () => {
    /** As a browser's page sends it, without following. */
    async function post(pop: Pop, body: object, headers: Record<string, string> = {}, query = '') {
      const response = await fetch(`${pop.server.url}/v1/sessions${query}`, {
        ...{ method: 'POST', redirect: 'manual', body: JSON.stringify(body) },
        headers: { 'content-type': 'application/json', ...headers },
      });
      const text = await response.text();
      return { status: response.status, headers: response.headers, body: text === '' ? null : JSON.parse(text) };
    }
    const nearVirginia = [
      { pop: 'pop-1', rttMs: 80 },
      { pop: 'pop-iad', rttMs: 9 },
    ];

    it('is sent on to a POP that answers sooner, before there is a session, and once only', async () => {
      const pop = await london();
      const sent = await post(pop, { agent: 'echo', probes: nearVirginia });
      expect(sent.status).toBe(307);
      expect(sent.headers.get('location')).toBe('https://iad.example/v1/sessions?sentBy=pop-1');
      expect(pop.server.sessionCount).toBe(0);
      expect((await post(pop, { agent: 'echo', probes: nearVirginia }, {}, '?sentBy=pop-x')).status).toBe(201);
    });

    it('stays where another gains nothing, where it measured one POP only, and with a key', async () => {
      const pop = await london({ nodes: [coreRecord({ region: 'eu-west-2' }), IAD] });
      const near = [nearVirginia[1], { pop: 'pop-1', rttMs: 5 }];
      expect((await post(pop, { agent: 'echo', probes: near })).status).toBe(201);
      expect((await post(pop, { agent: 'echo', probes: [nearVirginia[1]] })).status).toBe(201);
      expect((await post(pop, { agent: 'echo' })).status).toBe(201);
      const another = await london();
      expect((await post(another, { agent: 'echo', probes: nearVirginia }, keyed)).status).toBe(201);
    });

    it('is never sent on to a POP outside its pin, or to one that is not there', async () => {
      const pop = await london({ nodes: [coreRecord({ region: 'eu-west-2' }), IAD] });
      expect((await post(pop, { agent: 'echo', residency: 'gb', probes: nearVirginia })).status).toBe(201);
      const full = await london({ nodes: [CORE, { ...IAD, draining: true }] });
      expect((await post(full, { agent: 'echo', probes: nearVirginia })).status).toBe(201);
    });

    it('may come from a page of a fellow POP, and from no other', async () => {
      const pop = await london();
      await pop.rest('GET', '/v1/pops');
      const fellow = { origin: 'https://iad.example', 'sec-fetch-site': 'cross-site' };
      const created = await post(pop, { agent: 'echo' }, fellow, '?sentBy=pop-iad');
      expect(created.status).toBe(201);
      expect(created.headers.get('access-control-allow-origin')).toBe('https://iad.example');
      expect(created.headers.get('vary')).toContain('Origin');
      expect(created.body.signalingUrl).toBe(pop.signalingUrl);
      const preflight = await pop.rest('OPTIONS', '/v1/sessions', { headers: fellow });
      expect(preflight.status).toBe(204);
      expect(preflight.headers.get('access-control-allow-headers')).toBe('content-type');
      const evil = { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' };
      const refused = await post(pop, { agent: 'echo' }, evil);
      expect([refused.status, refused.headers.get('access-control-allow-origin')]).toEqual([403, null]);
      expect((await pop.rest('OPTIONS', '/v1/sessions', { headers: evil })).status).toBe(405);
      // What is read with a session's token stays with the page's own POP.
      const read = await pop.rest('GET', `/v1/sessions/${created.body.sessionId}`, { headers: fellow });
      expect(read.headers.get('access-control-allow-origin')).toBeNull();
    });

    it('is told refusals in a way that it can read', async () => {
      const pop = await london({ config: { ...open, limits: { maxSessions: 1 } } });
      const fellow = { origin: 'https://iad.example' };
      await pop.rest('GET', '/v1/pops');
      await post(pop, { agent: 'echo' }, fellow);
      const full = await post(pop, { agent: 'echo' }, fellow);
      expect(full.body.error.code).toBe('ERR_SESSION_LIMIT');
      expect(full.headers.get('access-control-allow-origin')).toBe('https://iad.example');
      expect(full.headers.get('access-control-expose-headers')).toBe('Retry-After');
    });

    it('may connect to fellow POPs by its content security policy', async () => {
      const pop = await london();
      await pop.rest('GET', '/v1/pops');
      const { headers } = await pop.rest('GET', '/healthz');
      const own = new URL(pop.signalingUrl).origin;
      expect(headers.get('content-security-policy')).toContain(
        `connect-src 'self' ${own} https://fra.example wss://fra.example https://iad.example wss://iad.example ` +
          'https://example wss://example;',
      );
    });
  });
});

describe('popBaseUrl()', () => {
  it.each([
    ['ws://localhost:8080', 'http://localhost:8080'],
    ['https://voice.example/', 'https://voice.example'],
    ['wss://voice.example/eu/v1/signaling', 'https://voice.example/eu'],
    ['http://[::1]:8080', 'http://[::1]:8080'],
    ['ftp://voice.example', null],
    ['javascript:alert(1)', null],
    ['voice', null],
    [null, null],
  ])('%s is %s', (announced, base) => {
    expect(popBaseUrl(announced)).toBe(base);
  });
});
