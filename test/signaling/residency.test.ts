import { describe, expect, it } from 'vitest';
import { breakOf, residencyRecordSchema } from '../../src/placement/index.ts';
import { coreRecord } from '../support/nodes.ts';
import { API_KEY, startPop } from './support/pop.ts';

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
      'store log of pop-1 EU',
      'node core-1 EU',
      'store log of core-1 EU',
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
