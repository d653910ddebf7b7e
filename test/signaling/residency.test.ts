import { describe, expect, it } from 'vitest';
import { popRequests } from '../../src/backbone/protocol.ts';
import { type AiEndpoint, breakOf, fixedPolicy, readPolicy, residencyRecordSchema } from '../../src/placement/index.ts';
import { SessionTokens } from '../../src/signaling/tokens.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { coreRecord } from '../support/nodes.ts';
import { API_KEY, SECRET, startPop } from './support/pop.ts';

const headers = { authorization: `Bearer ${API_KEY}` };

async function pinnedCall() {
  const pop = await startPop({
    region: 'eu-central-1',
    nodes: [coreRecord({ nodeId: 'core-1', region: 'eu-west-1' })],
  });
  const session = await pop.create({ agent: 'echo', residency: 'eu' });
  const client = await pop.client();
  await client.join(session.token);
  const { request } = pop.edge.calls[0]!;
  const record = async () => {
    const answer = await pop.rest('GET', `/v1/sessions/${session.sessionId}/residency`, { headers });
    return residencyRecordSchema.parse(answer.body);
  };
  return { pop, session, client, request, record };
}

describe('GET /v1/sessions/:id/residency', () => {
  it('tells every node, store and endpoint that the session touched, with their law, in a whole chain', async () => {
    const { client, request, record } = await pinnedCall();
    expect(request.confinement).toEqual({ pins: '"eu" (request)', endpoints: [], hosts: [] });
    request.onTouched!({ kind: 'endpoint', name: 'openai@eu', region: 'eu', detail: 'llm' });
    request.onTouched!({ kind: 'endpoint', name: 'flite@local', region: 'local', detail: 'tts' });
    request.onTouched!({ kind: 'stopped', name: 'api.example.us', region: null, detail: 'fetch' });
    const before = await record();
    expect(before.pins).toEqual([{ places: ['eu'], from: 'request' }]);
    expect(before.entries.map(({ kind, name, jurisdiction }) => `${kind} ${name} ${jurisdiction}`)).toEqual([
      'node pop-1 EU',
      'store registry EU',
      'store logs of pop-1 EU',
      'node core-1 EU',
      'store logs of core-1 EU',
      'endpoint openai@eu EU',
      'endpoint flite@local EU',
      'stopped api.example.us null',
    ]);
    expect(breakOf(before)).toBeNull();
    await client.request('leave');
    const after = await record();
    expect(after.entries.slice(0, 8)).toEqual(before.entries);
    expect(after.entries.at(-1)).toMatchObject({ kind: 'ended', detail: 'The caller left.' });
    expect(breakOf(after)).toBeNull();
  });

  it('tells where each node keeps what it writes down, and holds only what the pin allows', async () => {
    const pop = await startPop({
      region: 'eu-central-1',
      stores: { registry: 'eu-west-1', logs: 'eu-west-3' },
      nodes: [
        coreRecord({ nodeId: 'core-us', region: 'us-east-1' }),
        coreRecord({ nodeId: 'core-1', region: 'eu-west-1', stores: { logs: 'eu-north-1', traces: 'eu-central-1' } }),
      ],
    });
    const { sessionId } = await pop.create({ agent: 'echo', residency: 'eu' });
    const { body } = await pop.rest('GET', `/v1/sessions/${sessionId}/residency`, { headers });
    const { entries } = residencyRecordSchema.parse(body);
    expect(entries.map(({ name, region }) => `${name} in ${region}`)).toEqual([
      'pop-1 in eu-central-1',
      'registry in eu-west-1',
      'logs of pop-1 in eu-west-3',
      'core-1 in eu-west-1',
      'logs of core-1 in eu-north-1',
      'traces of core-1 in eu-central-1',
    ]);
    expect(new Set(entries.map(({ jurisdiction }) => jurisdiction))).toEqual(new Set(['EU']));
  });

  it('knows an address of one’s own by the operator’s word for where it stands', async () => {
    const thinks: AiEndpoint = {
      ...{ id: 'openai@own', kind: 'llm', service: 'openai', region: 'eu-central-1', place: 'eu-central-1' },
      ...{ residency: 'pinned', p50: 500, p95: 900, source: 'catalogue', centsPerMinute: null },
    };
    const legs = [{ kind: 'llm' as const, service: 'openai', k: 1, local: false }];
    const agents = [{ ...coreRecord().agents[0]!, name: 'desk', legs }];
    const nodes = [coreRecord({ region: 'eu-west-1', agents })];
    const pop = await startPop({ region: 'eu-central-1', nodes, endpoints: [thinks] });
    const session = await pop.create({ agent: 'desk', residency: 'eu' });
    const client = await pop.client();
    await client.join(session.token);
    pop.edge.calls[0]!.request.onTouched!({ kind: 'endpoint', name: 'openai@own', region: 'own', detail: 'llm' });
    const { body } = await pop.rest('GET', `/v1/sessions/${session.sessionId}/residency`, { headers });
    expect(body.entries.at(-1)).toMatchObject({ name: 'openai@own', region: 'eu-central-1', jurisdiction: 'EU' });
  });

  it('is begun for no session that a store would lead outside of its pin', async () => {
    const pop = await startPop({ region: 'eu-central-1', stores: { registry: 'us-east-1' } });
    const body = { agent: 'echo', residency: 'eu' };
    const answer = await pop.rest('POST', '/v1/sessions', { headers, body });
    expect(answer.status).toBe(403);
    expect(answer.body.error.message).toContain(
      'pop-1 keeps its registry in us-east-1, outside the pin "eu" (request)',
    );
    expect((await pop.create({ agent: 'echo' })).placement.core.nodeId).toBe('core-1');
  });

  it('is of a session whose pins are as long as they may be, which its core takes', async () => {
    const pin =
      'eu-central-1,eu-central-2,eu-north-1,eu-south-1,eu-south-2,eu-west-1,eu-west-3,de,fr,nl,ie,es,it,se,eu';
    const policy = fixedPolicy(readPolicy(`version: 1\nresidency: { pin: "${pin}" }\n`), new FakeClock());
    const pop = await startPop({ region: 'eu-central-1', policy, nodes: [coreRecord({ region: 'eu-west-1' })] });
    const residency = 'eu&de,fr,ie&eu-west-1,eu-central-1&eu,us&eu,gb&eea,us&eu,jp&eea,jp';
    const session = await pop.create({ agent: 'echo', residency });
    const client = await pop.client();
    await client.join(session.token);
    const { request } = pop.edge.calls[0]!;
    expect(request.residency!.length).toBeGreaterThan(64);
    const { residency: text, confinement } = popRequests['session.attach'].data.shape;
    expect(text.parse(request.residency)).toBe(request.residency);
    expect(confinement.parse(request.confinement)).toEqual(request.confinement);
  });

  it('is for those who may see the session, and of sessions that are known', async () => {
    const { pop, session } = await pinnedCall();
    const path = `/v1/sessions/${session.sessionId}/residency`;
    expect((await pop.rest('GET', path)).body.error.code).toBe('ERR_UNAUTHORIZED');
    expect((await pop.rest('GET', '/v1/sessions/s-nobody/residency', { headers })).body.error.code).toBe(
      'ERR_SESSION_UNKNOWN',
    );
    expect((await pop.rest('POST', path, { headers, body: {} })).status).toBe(405);
  });
});

describe('a token', () => {
  it.each([
    ['a wider pin', 'eu,us'],
    ['another pin', 'us'],
    ['no pin', null],
  ])('with %s in the place of the pin of its session opens nothing', async (_name, residency) => {
    const pop = await startPop({ region: 'eu-central-1', nodes: [coreRecord({ region: 'eu-west-1' })] });
    const session = await pop.create({ agent: 'echo', residency: 'eu' });
    const tokens = new SessionTokens({ secret: SECRET, clock: pop.clock });
    const grants = ['speak', 'listen', 'message'] as const;
    const subject = { sessionId: session.sessionId, room: session.room, grants, residency };
    const { token } = await tokens.issueJoin(subject, 60);
    const client = await pop.client();
    await expect(client.join(token)).rejects.toThrowError(/ERR_TOKEN_INVALID/);
    const own = await tokens.issueJoin({ ...subject, residency: 'eu' }, 60);
    await expect((await pop.client()).join(own.token)).resolves.toBeDefined();
  });
});
