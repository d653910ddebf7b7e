import { describe, expect, it } from 'vitest';
import type { AiEndpoint } from '../../src/placement/index.ts';
import { fixedPolicy, policyJsonSchema, readPolicy, readWorldDocument } from '../../src/placement/index.ts';
import { createSessionAnswerSchema } from '../../src/signaling/index.ts';
import { placementAnswerSchema, sessionViewSchema } from '../../src/signaling/rest-protocol.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { coreRecord, popRecord } from '../support/nodes.ts';
import { API_KEY, startPop } from './support/pop.ts';

const keyed = { authorization: `Bearer ${API_KEY}` };
const desk = {
  ...coreRecord().agents[0]!,
  name: 'desk',
  legs: [{ kind: 'llm' as const, service: 'thinks', k: 4, local: false }],
};
const inVirginia: AiEndpoint = {
  ...{ id: 'thinks@us', kind: 'llm', service: 'thinks', region: 'us', place: 'us-east-1', residency: 'pinned' },
  ...{ p50: 500, p95: 900, source: 'catalogue', centsPerMinute: 1.2 },
};
const inSydney: AiEndpoint = { ...inVirginia, id: 'thinks@au', region: 'au', place: 'ap-southeast-2' };
const core = (nodeId: string, region: string, sessions = 100) =>
  coreRecord({ nodeId, region, agents: [desk], capacity: { sessions } });

/** A POP in Sydney with cores there and in Virginia. */
const sydney = (endpoints: AiEndpoint[], more: Parameters<typeof startPop>[0] = {}) =>
  startPop({
    region: 'ap-southeast-2',
    nodes: [core('core-syd', 'ap-southeast-2'), core('core-iad', 'us-east-1')],
    endpoints,
    ...more,
  });

describe('a session', () => {
  it('says where it runs, the predicted milliseconds by part, what it would be elsewhere, and why', async () => {
    const pop = await sydney([inVirginia]);
    const { placement } = createSessionAnswerSchema.parse(await pop.create({ agent: 'desk' }));
    expect(placement.core).toEqual({ nodeId: 'core-iad', region: 'us-east-1' });
    const { predictedMs, parts, endpoints, alternatives, sources, pins } = placement.prediction!;
    const sum = Object.values(parts).reduce((total, part) => total + part, 0);
    expect(predictedMs.p50).toBeCloseTo(sum, 0);
    expect(endpoints).toEqual({ llm: { id: 'thinks@us', region: 'us-east-1' } });
    expect(alternatives).toHaveLength(1);
    expect(alternatives[0]).toMatchObject({ core: 'ap-southeast-2', excluded: null });
    expect(alternatives[0]!.predictedMs!.p50 - predictedMs.p50).toBeGreaterThan(300);
    expect(placement.reason).toMatch(
      /in ap-southeast-2 it would take \d+ ms more \(language model \+\d+, POP to core −\d+\)/,
    );
    expect(sources).toMatchObject({ callerPop: 'assumed', popCore: 'matrix', 'llm path': 'matrix' });
    expect(pins).toEqual([]);
  });

  it('stays in Sydney when the models are there', async () => {
    const pop = await sydney([inVirginia, inSydney]);
    expect((await pop.create({ agent: 'desk' })).placement.core.region).toBe('ap-southeast-2');
  });

  it('keeps the pins of policy, request and agent together, in its record and its token', async () => {
    const policy = fixedPolicy(readPolicy('version: 1\nresidency: { pin: "us,au" }\n'), new FakeClock());
    const pop = await sydney([inSydney, inVirginia], { policy });
    const session = await pop.create({ agent: 'desk', residency: 'au & au,nz' });
    const { body } = await pop.rest('GET', `/v1/sessions/${session.sessionId}`, { headers: keyed });
    expect(sessionViewSchema.parse(body)).toEqual(body);
    expect(body.residency).toBe('us,au&au&au,nz');
    expect(body.placement.prediction.pins).toEqual([
      { places: ['us', 'au'], from: 'policy' },
      { places: ['au'], from: 'request' },
      { places: ['au', 'nz'], from: 'request' },
    ]);
    const client = await pop.client();
    await client.join(session.token);
    expect(pop.edge.callOf(session.sessionId).request.residency).toBe('us,au&au&au,nz');
  });

  it('tells holders of a key every place that was looked at, with its cost', async () => {
    const pop = await sydney([inVirginia]);
    const session = await pop.create({ agent: 'desk', residency: 'us,au' });
    const { body } = await pop.rest('GET', `/v1/sessions/${session.sessionId}`, { headers: keyed });
    expect(body.candidates[0]).toMatchObject({ pop: 'ap-southeast-2', core: 'us-east-1', centsPerMinute: 1.2 });
  });

  it('is refused outside its pin with the leg, and never served elsewhere', async () => {
    const pop = await sydney([inVirginia]);
    const answer = await pop.rest('POST', '/v1/sessions', { body: { agent: 'desk', residency: 'au' }, headers: keyed });
    expect(answer.status).toBe(403);
    expect(answer.body.error).toMatchObject({ code: 'ERR_PLACEMENT_RESIDENCY', path: 'residency' });
    expect(answer.body.error.message).toContain('no endpoint for llm is promised to keep data within "au" (request)');
    expect(pop.edge.calls).toHaveLength(0);
  });

  it('gives its slot back when it ends, and when it was not admitted', async () => {
    const pop = await startPop({
      config: { limits: { maxSessions: 1 } },
      nodes: [coreRecord({ capacity: { sessions: 2 } })],
    });
    const first = await pop.create();
    for (let n = 0; n < 3; n++) {
      const refused = await pop.rest('POST', '/v1/sessions', { body: { agent: 'echo' }, headers: keyed });
      expect(refused.body.error.code).toBe('ERR_SESSION_LIMIT');
    }
    await pop.rest('DELETE', `/v1/sessions/${first.sessionId}`, { headers: keyed });
    const { body } = await pop.rest('GET', '/v1/world', { headers: keyed });
    expect(body.state.reservations).toEqual({ reserved: 0, held: 0 });
  });
});

describe('GET /v1/world', () => {
  it('tells the world as a document, for holders of a key', async () => {
    const pop = await sydney([inVirginia]);
    const { status, body } = await pop.rest('GET', '/v1/world', { headers: keyed });
    expect(status).toBe(200);
    const document = readWorldDocument(JSON.stringify(body));
    expect(document.nodes.map(({ nodeId }) => nodeId)).toEqual(['core-syd', 'core-iad', 'pop-1']);
    expect(body.state).toMatchObject({ by: 'pop-1', registry: { reachable: true }, policy: { refused: null } });
    const strange = await pop.rest('GET', '/v1/world', { headers: { ...keyed, authorization: 'Bearer who' } });
    // This machine may read it, as it may the metrics; a page of another origin may not.
    expect(strange.status).toBe(200);
    const page = await pop.rest('GET', '/v1/world', { headers: { origin: 'http://evil.example' } });
    expect(page.status).toBe(403);
  });

  it('shows a policy version that was refused, and so do the metrics', async () => {
    const clock = new FakeClock();
    const fixed = fixedPolicy(readPolicy('version: 1\n'), clock);
    const refused = { at: clock.date().toISOString(), problems: ['cores.bloked: there is no such key'] };
    const policy = {
      current: fixed.current,
      status: { ...fixed.status, file: 'placement.yaml', refused, refusals: 2 },
    };
    const pop = await sydney([inVirginia], { policy });
    const { body } = await pop.rest('GET', '/v1/world', { headers: keyed });
    expect(body.state.policy).toMatchObject({ file: 'placement.yaml', refused, refusals: 2 });
    expect(await pop.metric('antipode_placement_policy_refused')).toBe(1);
    expect(await pop.metric('antipode_placement_policy_refusals')).toBe(2);
  });
});

describe('POST /v1/placements', () => {
  const place = (pop: Awaited<ReturnType<typeof startPop>>, body: object, headers: Record<string, string> = keyed) =>
    pop.rest('POST', '/v1/placements', { body, headers });

  it('answers with a POP, a core and a reserved slot', async () => {
    const pop = await sydney([inVirginia]);
    const { status, body } = await place(pop, {
      agent: 'desk',
      caller: { country: 'AU', at: { lat: -33.9, lon: 151.2 } },
    });
    expect(status).toBe(201);
    expect(placementAnswerSchema.parse(body)).toEqual(body);
    expect(body.pop).toEqual({ nodeId: 'pop-1', region: 'ap-southeast-2', signalingUrl: pop.signalingUrl });
    expect(body.core).toEqual({ nodeId: 'core-iad', region: 'us-east-1' });
    expect(body.reservation.expiresAt).toBe('2026-01-01T12:00:30.000Z');
  });

  it('goes by the probes that a caller measured, and tells the URL of another POP', async () => {
    const other = popRecord({ nodeId: 'pop-iad', region: 'us-east-1', signalingUrl: 'ws://iad.example/v1/signaling' });
    const pop = await sydney([inVirginia], { nodes: [core('core-iad', 'us-east-1'), other] });
    const caller = { at: { lat: -33.9, lon: 151.2 }, probesMs: { 'us-east-1': 8, 'ap-southeast-2': 260 } };
    const { body } = await place(pop, { agent: 'desk', caller });
    expect(body.pop).toEqual({ nodeId: 'pop-iad', region: 'us-east-1', signalingUrl: 'ws://iad.example/v1/signaling' });
    expect(body.prediction.sources.callerPop).toBe('measured');
  });

  it('keeps the slot for the session that brings it, and for no other', async () => {
    const pop = await startPop({ nodes: [coreRecord({ capacity: { sessions: 1 } })] });
    const { body } = await place(pop, { agent: 'echo' });
    const other = await pop.rest('POST', '/v1/sessions', { body: { agent: 'echo' }, headers: keyed });
    expect(other.body.error.code).toBe('ERR_PLACEMENT_NO_CORE');
    const { placementId } = body.reservation;
    const session = await pop.create({ agent: 'echo', placementId });
    expect(session.placement.core.nodeId).toBe('core-1');
    const again = await pop.rest('POST', '/v1/sessions', { body: { agent: 'echo', placementId }, headers: keyed });
    expect(again.status).toBe(404);
    expect(again.body.error).toMatchObject({ code: 'ERR_NOT_FOUND', path: 'placementId' });
  });

  it('lets the slot go when its time is over', async () => {
    const pop = await startPop({ nodes: [coreRecord({ capacity: { sessions: 1 } })] });
    await place(pop, { agent: 'echo' });
    expect((await place(pop, { agent: 'echo' })).status).toBe(503);
    pop.clock.advance(30_000);
    expect((await place(pop, { agent: 'echo' })).status).toBe(201);
  });

  it('only asks when nothing is to be reserved', async () => {
    const pop = await startPop({ nodes: [coreRecord({ capacity: { sessions: 1 } })] });
    for (let n = 0; n < 3; n++) {
      const { status, body } = await place(pop, { agent: 'echo', reserve: false });
      expect([status, body.reservation]).toEqual([201, null]);
    }
  });

  it.each([
    ['nothing', {}, 'agent'],
    ['an unknown field', { agent: 'echo', agnet: 1 }, undefined],
    ['a latitude beyond the poles', { agent: 'echo', caller: { at: { lat: 91, lon: 0 } } }, 'caller.at.lat'],
    ['a negative probe', { agent: 'echo', caller: { probesMs: { local: -1 } } }, 'caller.probesMs.local'],
    ['a pin that is none', { agent: 'echo', residency: 'e u' }, 'residency'],
  ])('refuses %s', async (_name, body, path) => {
    const pop = await startPop();
    const answer = await place(pop, body);
    expect(answer.status).toBe(400);
    expect(answer.body.error.code).toBe('ERR_REQUEST_MALFORMED');
    if (path !== undefined) expect(answer.body.error.path).toBe(path);
  });

  it('is for holders of an API key', async () => {
    const pop = await startPop({ config: { auth: { openAgents: ['*'] } } });
    expect((await place(pop, { agent: 'echo' }, {})).status).toBe(401);
    expect((await pop.rest('GET', '/v1/placements', { headers: keyed })).status).toBe(405);
  });
});

it('the JSON Schema of policies is one that editors can read', () => {
  expect(policyJsonSchema().$schema).toBe('https://json-schema.org/draft/2020-12/schema');
});
