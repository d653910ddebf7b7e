/** A caller comes back by another POP: two POPs on real ports with one registry, and edges that note what they open. */
import { describe, expect, it } from 'vitest';
import { AntipodeError } from '../../src/errors.ts';
import { SessionTokens, signalingRequests } from '../../src/signaling/index.ts';
import { coreRecord, popRecord } from '../support/nodes.ts';
import { type Pop, type PopOptions, SECRET, settle, startPop, until } from './support/pop.ts';
import type { TestClient } from './support/test-client.ts';

const LEASE_MS = 1e9;

/** Two POPs that know each other, and the one core. */
async function twoPops(second: PopOptions = {}): Promise<[Pop, Pop]> {
  const first = await startPop();
  const other = await startPop({ beside: first, nodeId: 'pop-2', region: 'eu-central-1', ...second });
  await announcePop(first, 'pop-1', 'local');
  await announcePop(other, 'pop-2', second.region ?? 'eu-central-1');
  await first.pass(1_000);
  return [first, other];
}

async function announcePop(pop: Pop, nodeId: string, region: string): Promise<void> {
  const signalingUrl = pop.server.url.replace('http', 'ws');
  await pop.registry.announce(popRecord({ nodeId, region, signalingUrl }), LEASE_MS);
}

async function cameBack(
  pop: Pop,
  resumeToken: string,
): Promise<{ client: TestClient; frame: Awaited<ReturnType<TestClient['resume']>> }> {
  const client = await pop.client();
  return { client, frame: await client.resume(resumeToken, false) };
}

/** As long as it takes until placement has read who is there, and clients were told. */
async function othersKnown(pop: Pop): Promise<void> {
  for (let step = 0; step < 10; step++) await pop.pass(250);
}

describe('a caller whose POP is lost', () => {
  it('is told at the join where else to come back', async () => {
    const [first, second] = await twoPops();
    const { answer } = await first.joined();
    expect(answer.elsewhere).toEqual([{ pop: 'pop-2', region: 'eu-central-1', signalingUrl: second.signalingUrl }]);
  });

  it('comes back by another POP with the token of the one that is gone, at the same core and the next epoch', async () => {
    const [first, second] = await twoPops();
    const { session, answer } = await first.joined();
    const { frame } = await cameBack(second, answer.resumeToken);
    const resumed = signalingRequests.resume.answer.parse(frame.data);
    expect(resumed).toMatchObject({
      sessionId: session.sessionId,
      mediaKept: false,
      adopted: true,
      sendTransport: { transportId: 'send-1' },
      placement: { pop: { nodeId: 'pop-2', region: 'eu-central-1' }, core: { nodeId: 'core-1' } },
      elsewhere: [{ pop: 'pop-1' }],
    });
    const { request } = second.edge.callOf(session.sessionId);
    expect(request).toMatchObject({ epoch: 2, adopt: true, agent: 'echo', core: { nodeId: 'core-1' } });
    expect(await second.registry.directory.get(session.sessionId)).toMatchObject({
      pop: 'pop-2',
      core: 'core-1',
      epoch: 2,
      generation: 2,
    });
    expect(await second.registry.session(session.sessionId)).toMatchObject({ pop: 'pop-2', epoch: 2, state: 'active' });
    expect(await second.metric('antipode_sessions_adopted_total', { outcome: 'taken' })).toBe(1);
    expect(await second.metric('antipode_signaling_resumes_total', { pop: 'other', address: 'same' })).toBe(1);
  });

  it('is known there as at any POP: events are numbered from 1, and it may resume and leave', async () => {
    const [first, second] = await twoPops();
    const { session, answer, call } = await first.joined();
    call.say('one');
    const { client, frame } = await cameBack(second, answer.resumeToken);
    second.edge.callOf(session.sessionId).say('two');
    expect((await client.frame(({ event }) => event === 'agent')).seq).toBe(1);
    client.ws.terminate();
    const again = await second.client();
    expect((await again.resume(frame.data.resumeToken)).data).toMatchObject({ mediaKept: true });
    expect((await again.request('leave')).ok).toBe(true);
    await until(() => second.server.sessionCount === 0);
    await settle();
    expect((await second.registry.session(session.sessionId))?.end).toMatchObject({ code: 'caller-left' });
    expect(await second.registry.directory.get(session.sessionId)).toBeNull();
  });

  it('has its call taken from a POP that lives, which says and writes nothing of it', async () => {
    const [first, second] = await twoPops();
    const { session, answer, call, client } = await first.joined();
    await cameBack(second, answer.resumeToken);
    call.emit('ended', { code: 'replaced', reason: 'The caller came back by another POP.' });
    expect((await client.closed).code).toBe(4000);
    await settle();
    expect(first.server.sessionCount).toBe(0);
    expect(await first.registry.session(session.sessionId)).toMatchObject({ state: 'active', pop: 'pop-2', end: null });
    expect(await first.registry.directory.get(session.sessionId)).toMatchObject({ pop: 'pop-2', epoch: 2 });
  });

  it('has it taken also from a POP that nobody told: at the next renewal of its home', async () => {
    const [first, second] = await twoPops();
    const { session, answer } = await first.joined();
    await cameBack(second, answer.resumeToken);
    expect(first.server.sessionCount).toBe(1);
    await first.pass(5_000);
    expect(first.server.sessionCount).toBe(0);
    expect(second.server.sessionCount).toBe(1);
    expect((await first.registry.session(session.sessionId))?.state).toBe('active');
  });

  it('has it taken from a POP that wants to move it to another core, at once', async () => {
    const [first, second] = await twoPops();
    await first.registry.announce(coreRecord({ nodeId: 'core-2' }), LEASE_MS);
    await othersKnown(first);
    const { session, answer, call } = await first.joined();
    await cameBack(second, answer.resumeToken);
    const lost = { sessionId: session.sessionId, epoch: 1, reason: 'core-lost', excludedCores: ['core-1'] } as const;
    await expect(call.request.successor!(lost)).rejects.toMatchObject({ code: 'ERR_REGISTRY_CONFLICT' });
    await until(() => first.server.sessionCount === 0);
    expect(await first.registry.session(session.sessionId)).toMatchObject({ state: 'active', pop: 'pop-2' });
  });

  it('goes back to the first POP as it came', async () => {
    const [first, second] = await twoPops();
    const { session, answer, call } = await first.joined();
    const { frame } = await cameBack(second, answer.resumeToken);
    call.emit('ended', { code: 'replaced', reason: 'The caller came back by another POP.' });
    await settle();
    const { frame: back } = await cameBack(first, frame.data.resumeToken);
    expect(back.data).toMatchObject({ adopted: true, placement: { pop: { nodeId: 'pop-1' } } });
    expect(await first.registry.directory.get(session.sessionId)).toMatchObject({ pop: 'pop-1', epoch: 3 });
  });

  it('may have another address, which is counted', async () => {
    const [first, second] = await twoPops({ config: { http: { trustedProxies: ['127.0.0.1'] } } });
    const { answer } = await first.joined();
    const client = await second.client({ headers: { 'x-forwarded-for': '203.0.113.9' } });
    expect((await client.resume(answer.resumeToken, false)).ok).toBe(true);
    expect(await second.metric('antipode_signaling_resumes_total', { pop: 'other', address: 'another' })).toBe(1);
  });
});

describe('a resume token at another POP', () => {
  it('is refused when its successor was used, wherever that was', async () => {
    const [first, second] = await twoPops();
    const { answer } = await first.joined();
    const { frame } = await cameBack(first, answer.resumeToken);
    await cameBack(first, frame.data.resumeToken);
    await settle();
    const stale = await cameBack(second, answer.resumeToken);
    expect(stale.frame.error).toMatchObject({ code: 'ERR_TOKEN_REPLAYED' });
    expect((await stale.client.closed).code).toBe(4002);
    expect(second.edge.calls).toEqual([]);
  });

  it('wins at one POP when it is shown to two at the same moment', async () => {
    const [first, second] = await twoPops();
    const third = await startPop({ beside: first, nodeId: 'pop-3', region: 'us-east-1' });
    const { session, answer } = await first.joined();
    const clients = await Promise.all([second.client(), third.client()]);
    // Neither takes it before both have looked.
    const { directory } = first.registry;
    const takeOver = directory.takeOver.bind(directory);
    const both = Promise.withResolvers<void>();
    let asking = 0;
    directory.takeOver = async (...args) => {
      asking += 1;
      if (asking === 2) both.resolve();
      await both.promise;
      return takeOver(...args);
    };
    const frames = await Promise.all(clients.map((client) => client.resume(answer.resumeToken, false)));
    expect(frames.map(({ ok, error }) => (ok ? 'taken' : error!.code)).toSorted()).toEqual([
      'ERR_TOKEN_REPLAYED',
      'taken',
    ]);
    expect(second.edge.calls.length + third.edge.calls.length).toBe(1);
    expect((await first.registry.directory.get(session.sessionId))?.epoch).toBe(2);
  });

  it('is good again at a third POP when the answer of the second was lost', async () => {
    const [first, second] = await twoPops();
    const third = await startPop({ beside: first, nodeId: 'pop-3', region: 'us-east-1' });
    const { session, answer } = await first.joined();
    await cameBack(second, answer.resumeToken);
    expect((await cameBack(third, answer.resumeToken)).frame.data).toMatchObject({ adopted: true });
    expect(await first.registry.directory.get(session.sessionId)).toMatchObject({ pop: 'pop-3', epoch: 3 });
  });

  it('is worth nothing after the end of its call', async () => {
    const [first, second] = await twoPops();
    const { client, answer } = await first.joined();
    await client.request('leave');
    await client.closed;
    await settle();
    const late = await cameBack(second, answer.resumeToken);
    expect(late.frame.error).toMatchObject({ code: 'ERR_SESSION_ENDED' });
    expect(late.frame.error?.message).toContain('caller-left');
  });

  it('is refused when it tells of another room, and when nobody knows the session', async () => {
    const [first, second] = await twoPops();
    const { session } = await first.joined();
    const tokens = new SessionTokens({ secret: SECRET, clock: first.clock });
    const claims = { sessionId: session.sessionId, room: 'elsewhere', grants: ['speak' as const], residency: null };
    const forged = await tokens.issueResume(claims, 1, 60);
    expect((await cameBack(second, forged)).frame.error).toMatchObject({ code: 'ERR_TOKEN_INVALID' });
    const unknown = await tokens.issueResume({ ...claims, sessionId: 's-nobody' }, 1, 60);
    expect((await cameBack(second, unknown)).frame.error).toMatchObject({ code: 'ERR_SESSION_UNKNOWN' });
    expect(await first.registry.directory.get(session.sessionId)).toMatchObject({ pop: 'pop-1', epoch: 1 });
  });

  it('is refused by a POP of another secret, in words for whoever set it up', async () => {
    const secret = new TextEncoder().encode('another secret, and as long as it has to be');
    const [first, second] = await twoPops({ secret });
    const { answer } = await first.joined();
    const { frame } = await cameBack(second, answer.resumeToken);
    expect(frame.error?.code).toBe('ERR_TOKEN_INVALID');
    expect(frame.error?.message).toContain('POPs that share callers must share auth.tokenSecret');
  });
});

describe('a session that cannot be at another POP', () => {
  it('stays out of a place that its pins exclude', async () => {
    const first = await startPop({ region: 'eu-central-1', nodes: [coreRecord({ region: 'eu-central-1' })] });
    const second = await startPop({ beside: first, nodeId: 'pop-2', region: 'us-east-1' });
    const session = await first.create({ agent: 'echo', residency: 'eu' });
    const client = await first.client();
    const answer = await client.join(session.token);
    expect(answer.elsewhere).toBeUndefined();
    const { frame } = await cameBack(second, answer.resumeToken);
    expect(frame.error).toMatchObject({ code: 'ERR_PLACEMENT_RESIDENCY' });
    expect(frame.error?.message).toContain('us-east-1');
    expect(second.edge.calls).toEqual([]);
    expect((await client.request('ping')).ok).toBe(true);
  });

  it('is over at once when its core is gone as well', async () => {
    const [first, second] = await twoPops();
    const { session, answer } = await first.joined();
    await first.registry.withdraw('core-1');
    const { frame } = await cameBack(second, answer.resumeToken);
    expect(frame.error).toMatchObject({ code: 'ERR_SESSION_UNKNOWN', retryable: false });
    expect(frame.error?.message).toContain('core');
    expect((await first.registry.directory.get(session.sessionId))?.epoch).toBe(1);
  });

  it('is over when its core does not know it', async () => {
    const [first, second] = await twoPops();
    const { session, answer } = await first.joined();
    second.edge.openError = new AntipodeError('ERR_SESSION_UNKNOWN', 'There is no such session here.');
    const { frame } = await cameBack(second, answer.resumeToken);
    expect(frame.error).toMatchObject({ code: 'ERR_SESSION_UNKNOWN' });
    await settle();
    expect(await first.registry.session(session.sessionId)).toMatchObject({ state: 'ended' });
    expect(second.server.sessionCount).toBe(0);
  });

  it('may be tried again, on the same socket, when the core was out of reach', async () => {
    const [first, second] = await twoPops();
    const { session, answer } = await first.joined();
    second.edge.openError = new AntipodeError('ERR_BACKBONE_CLOSED', 'The core is out of reach.');
    const { client, frame } = await cameBack(second, answer.resumeToken);
    expect(frame.error).toMatchObject({ code: 'ERR_BACKBONE_CLOSED', retryable: true });
    expect(second.server.sessionCount).toBe(0);
    second.edge.openError = null;
    expect((await client.resume(answer.resumeToken, false)).data).toMatchObject({ adopted: true });
    expect((await first.registry.directory.get(session.sessionId))?.epoch).toBe(3);
  });

  it('is refused by a POP that is full or stops', async () => {
    const [first, second] = await twoPops({ config: { limits: { maxSessions: 1 } } });
    await second.joined();
    const { answer } = await first.joined();
    expect((await cameBack(second, answer.resumeToken)).frame.error).toMatchObject({ code: 'ERR_SESSION_LIMIT' });
    second.server.beginDrain();
    expect((await cameBack(second, answer.resumeToken)).frame.error).toMatchObject({ code: 'ERR_SHUTTING_DOWN' });
  });
});

describe('without the registry', () => {
  it('a token alone brings a session to another POP, and the registry is told when it is back', async () => {
    const [first, second] = await twoPops();
    const { session, answer } = await first.joined();
    const { registry } = second;
    const away = async () => {
      throw new AntipodeError('ERR_REGISTRY_UNAVAILABLE', 'The registry is out of reach.');
    };
    const known = { session: registry.session, get: registry.directory.get };
    registry.session = away;
    registry.directory.get = away;
    const { frame } = await cameBack(second, answer.resumeToken);
    expect(frame.data).toMatchObject({ adopted: true });
    expect(second.edge.callOf(session.sessionId).request).toMatchObject({ epoch: 2, adopt: true, agent: 'echo' });
    Object.assign(registry, { session: known.session });
    registry.directory.get = known.get;
    await second.pass(5_000);
    expect(await registry.directory.get(session.sessionId)).toMatchObject({ pop: 'pop-2', epoch: 2, generation: 2 });
  });
});

describe('a POP that sends its callers away', () => {
  it('tells each client once where to go, in small groups, and those for whom there is no other POP nothing', async () => {
    const [first, second] = await twoPops();
    const callers: Awaited<ReturnType<Pop['joined']>>[] = [];
    for (let n = 0; n < 7; n++) callers.push(await first.joined());
    first.server.beginDrain();
    const sent = first.server.sendCallersAway({ withinMs: 1_000, reason: 'It is being stopped.' });
    const told = () => callers.filter(({ client }) => client.events('come-back').length > 0).length;
    await until(() => told() === 5);
    await settle();
    expect(told()).toBe(5);
    await first.pass(100);
    await until(() => told() === 7);
    await first.pass(100);
    expect(await sent).toEqual({ told: 7, nowhere: 0 });
    expect(callers[0]!.client.events('come-back')[0]!.data).toEqual({
      elsewhere: [{ pop: 'pop-2', region: 'eu-central-1', signalingUrl: second.signalingUrl }],
      reason: 'It is being stopped.',
    });
    await first.registry.withdraw('pop-2');
    await othersKnown(first);
    expect(callers[0]!.client.events('elsewhere').at(-1)?.data).toEqual({ elsewhere: [] });
    const again = first.server.sendCallersAway({ withinMs: 1_000 });
    let over = false;
    void again.then(() => {
      over = true;
    });
    while (!over) await first.pass(100);
    expect(await again).toEqual({ told: 0, nowhere: 7 });
  });
});

describe('the other POPs', () => {
  it('are told anew when one comes, and not when nothing changed for the caller', async () => {
    const [first] = await twoPops();
    const { client } = await first.joined();
    await first.registry.announce(
      popRecord({ nodeId: 'pop-3', region: 'us-east-1', signalingUrl: 'ws://pop-3.example' }),
      LEASE_MS,
    );
    await othersKnown(first);
    const told = await client.frame(({ event }) => event === 'elsewhere');
    expect(told.data.elsewhere.map(({ pop }: { pop: string }) => pop)).toContain('pop-3');
    await first.registry.announce(
      popRecord({ nodeId: 'pop-3', region: 'us-east-1', signalingUrl: 'ws://pop-3.example', load: { sessions: 3 } }),
      LEASE_MS,
    );
    await othersKnown(first);
    expect(client.events('elsewhere')).toHaveLength(1);
  });
});
