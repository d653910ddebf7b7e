import { describe, expect, it } from 'vitest';
import { AntipodeError } from '../../src/errors.ts';
import { createSessionAnswerSchema, serverFrameSchema, signalingRequests } from '../../src/signaling/index.ts';
import { API_KEY, settle, startPop, until } from './support/pop.ts';

const dtlsParameters = { role: 'client', fingerprints: [{ algorithm: 'sha-256', value: 'AB:CD' }] };
const rtpParameters = { codecs: [{ mimeType: 'audio/opus', payloadType: 111, clockRate: 48_000, channels: 2 }] };
const rtpCapabilities = { codecs: [{ kind: 'audio', mimeType: 'audio/opus', clockRate: 48_000, channels: 2 }] };

describe('a session over the signaling socket', () => {
  it('is created, joined, set up and left, with every answer as the protocol says', async () => {
    const pop = await startPop();
    const session = createSessionAnswerSchema.parse(await pop.create({ agent: 'echo', room: 'kitchen' }));
    expect(session).toMatchObject({ room: 'kitchen', signalingUrl: pop.signalingUrl, iceServers: [] });
    expect(session.placement.reason).toBe('core-1 in local is the only place with a core that can take echo.');
    expect(session.expiresAt).toBe('2026-01-01T12:02:00.000Z');

    const client = await pop.client();
    const join = signalingRequests.join.answer.parse(await client.join(session.token));
    expect(join).toMatchObject({ sessionId: session.sessionId, room: 'kitchen', mediaKept: false });
    expect(join.sendTransport?.transportId).toBe('send-1');
    expect(join.agent.name).toBe('echo');
    expect(pop.edge.calls[0]!.request).toEqual({
      sessionId: session.sessionId,
      epoch: 1,
      room: 'kitchen',
      agent: 'echo',
      residency: null,
      confinement: { pins: null, endpoints: [], hosts: [] },
      metadata: {},
      onTouched: expect.any(Function),
      successor: expect.any(Function),
      mover: expect.any(Function),
      core: { nodeId: 'core-1', host: '127.0.0.1', port: 7_001 },
    });
    expect((await pop.registry.session(session.sessionId))?.state).toBe('active');

    const answers = await Promise.all([
      client.request('connectTransport', { transportId: 'send-1', dtlsParameters }),
      client.request('connectTransport', { transportId: 'recv-1', dtlsParameters }),
      client.request('produce', { transportId: 'send-1', kind: 'audio', rtpParameters }),
      client.request('consume', { transportId: 'recv-1', rtpCapabilities }),
      client.request('restartIce', { transportId: 'recv-1' }),
      client.request('message', { type: 'text', text: 'hello' }),
      client.request('ping'),
    ]);
    expect(answers.map((answer) => answer.ok)).toEqual(Array(7).fill(true));
    for (const frame of client.frames) serverFrameSchema.parse(frame);
    expect(answers[2]!.data).toEqual({ producerId: 'producer-1' });
    expect(signalingRequests.consume.answer.parse(answers[3]!.data).consumerId).toBe('consumer-1');
    expect(answers[4]!.data.iceParameters.usernameFragment).toBe('restarted');
    expect(answers[6]!.data).toEqual({ serverTime: '2026-01-01T12:00:00.000Z' });
    expect(pop.edge.calls[0]!.asked).toEqual([
      'connectTransport send-1',
      'connectTransport recv-1',
      'produce send-1',
      'consume recv-1',
      'restartIce recv-1',
      'message text',
    ]);

    expect((await client.request('leave')).ok).toBe(true);
    expect(await client.closed).toEqual({ code: 4000, reason: 'session ended' });
    expect(client.events('session-ended')[0]!.data).toEqual({ code: 'caller-left', reason: 'The caller left.' });
    expect(pop.edge.calls[0]!.asked.at(-1)).toBe('close caller-left');
    expect((await pop.registry.session(session.sessionId))?.end?.code).toBe('caller-left');
    expect(await pop.metric('antipode_sessions_created_total', { agent: 'echo' })).toBe(1);
    expect(await pop.metric('antipode_sessions_ended_total', { code: 'caller-left' })).toBe(1);
  });

  it('passes on what the agent tells, in order and numbered', async () => {
    const pop = await startPop();
    const { client, call } = await pop.joined();
    call.say('one');
    call.emit('event', { type: 'agent-state', state: 'speaking' });
    call.say('two');
    await client.frame((frame) => frame.seq === 3);
    expect(client.events('agent').map(({ seq, data }) => [seq, data.text ?? data.state])).toEqual([
      [1, 'one'],
      [2, 'speaking'],
      [3, 'two'],
    ]);
  });

  it('tells the client when the call ends by itself, and closes with 4000 after that', async () => {
    const pop = await startPop();
    const { client, call, session } = await pop.joined();
    call.emit('ended', { code: 'agent-hung-up', reason: 'Goodbye.' });
    expect((await client.closed).code).toBe(4000);
    expect(client.frames.at(-1)).toEqual({
      event: 'session-ended',
      data: { code: 'agent-hung-up', reason: 'Goodbye.' },
    });
    expect(call.asked).not.toContain('close agent-hung-up');
    const record = await pop.registry.session(session.sessionId);
    expect(record).toMatchObject({ state: 'ended', end: { code: 'agent-hung-up' } });
  });

  it('tells the client when its media is lost', async () => {
    const pop = await startPop();
    const { client, call } = await pop.joined();
    call.emit('mediaLost', { code: 'ERR_MEDIA_WORKER_DIED', reason: 'A worker died.' });
    const event = await client.frame((frame) => frame.event === 'media-lost');
    expect(event.data).toEqual({ code: 'ERR_MEDIA_WORKER_DIED', reason: 'A worker died.' });
  });

  it('expires when nobody joins it, and says so to who comes late', async () => {
    const pop = await startPop({ config: { auth: { joinTokenTtlSeconds: 60 } } });
    const session = await pop.create();
    await pop.pass(59_999);
    expect((await pop.registry.session(session.sessionId))?.state).toBe('created');
    await pop.pass(1);
    expect(await pop.registry.session(session.sessionId)).toMatchObject({ state: 'ended', end: { code: 'expired' } });
    expect(pop.edge.calls).toEqual([]);
    expect(pop.server.sessionCount).toBe(0);
  });

  it('ends at its longest duration', async () => {
    const pop = await startPop({ config: { limits: { maxSessionSeconds: 10 } } });
    const { client, call } = await pop.joined();
    for (let second = 0; second < 10; second++) await pop.pass(1_000);
    expect((await client.closed).code).toBe(4000);
    expect(client.events('session-ended')[0]!.data.code).toBe('expired');
    expect(call.asked.at(-1)).toBe('close expired');
  });

  it('is forgotten five minutes after its end', async () => {
    const pop = await startPop();
    const { client, session } = await pop.joined();
    await client.request('leave');
    await client.closed;
    await pop.pass(299_999);
    expect(await pop.registry.session(session.sessionId)).not.toBeNull();
    await pop.pass(1);
    expect(await pop.registry.session(session.sessionId)).toBeNull();
  });

  it('ends when its call can not be opened, and the client gets the reason', async () => {
    const pop = await startPop();
    const other = await pop.joined();
    const session = await pop.create();
    pop.edge.openError = new AntipodeError('ERR_BACKBONE_CLOSED', 'The core is out of reach.');
    const client = await pop.client();
    const frame = await client.request('join', { version: 1, token: session.token });
    expect(frame.error).toMatchObject({ code: 'ERR_BACKBONE_CLOSED', retryable: true });
    expect((await client.closed).code).toBe(4000);
    expect(await pop.registry.session(session.sessionId)).toMatchObject({
      state: 'ended',
      end: { code: 'agent-failed', reason: 'The core is out of reach.' },
    });
    expect((await other.client.request('ping')).ok).toBe(true);
  });

  it('is joined with new media when that of its call died just then', async () => {
    const pop = await startPop();
    pop.edge.prepare = (call) => {
      call.mediaAlive = false;
    };
    const { answer, call } = await pop.joined();
    expect(answer.sendTransport?.transportId).toBe('send-2');
    expect(call.asked).toEqual(['renewMedia']);
  });

  it('ends, and is not left half open, when that fails too', async () => {
    const pop = await startPop();
    pop.edge.prepare = (call) => {
      call.mediaAlive = false;
      call.renewError = new AntipodeError('ERR_MEDIA_WORKER_DIED', 'Not yet back.');
    };
    const session = await pop.create();
    const client = await pop.client();
    const frame = await client.request('join', { version: 1, token: session.token });
    expect(frame.error?.code).toBe('ERR_MEDIA_WORKER_DIED');
    expect((await client.closed).code).toBe(4000);
    expect(pop.edge.calls[0]!.asked).toEqual(['close agent-failed']);
    expect(pop.server.sessionCount).toBe(0);
  });

  it('hides what went wrong inside, but gives a stable code', async () => {
    const pop = await startPop();
    const session = await pop.create();
    pop.edge.openError = new Error('password=hunter2');
    const client = await pop.client();
    const frame = await client.request('join', { version: 1, token: session.token });
    expect(frame.error?.code).toBe('ERR_INTERNAL');
    expect(JSON.stringify(client.frames)).not.toContain('hunter2');
  });

  it('ends at once when the caller goes away while the call is being opened', async () => {
    const pop = await startPop();
    let open = () => {};
    pop.edge.gate = new Promise((resolve) => {
      open = resolve;
    });
    const session = await pop.create();
    const client = await pop.client();
    client.ws.send(JSON.stringify({ id: 1, method: 'join', data: { version: 1, token: session.token } }));
    await settle();
    client.ws.terminate();
    await until(() => pop.server.socketCount === 0);
    open();
    await until(() => pop.server.sessionCount === 0);
    expect(pop.edge.callOf(session.sessionId).asked).toEqual(['close caller-lost']);
    expect((await pop.registry.session(session.sessionId))?.end?.code).toBe('caller-lost');
  });

  it('closes the call again when it was deleted while the call was being opened', async () => {
    const pop = await startPop();
    let open = () => {};
    pop.edge.gate = new Promise((resolve) => {
      open = resolve;
    });
    const session = await pop.create();
    const client = await pop.client();
    const joining = client.request('join', { version: 1, token: session.token });
    await settle();
    const headers = { authorization: `Bearer ${API_KEY}` };
    expect((await pop.rest('DELETE', `/v1/sessions/${session.sessionId}`, { headers })).body.state).toBe('ended');
    open();
    expect((await joining).error?.code).toBe('ERR_SESSION_ENDED');
    expect((await client.closed).code).toBe(4000);
    expect(pop.edge.callOf(session.sessionId).asked).toEqual(['close deleted']);
  });
});

describe('shutting down', () => {
  it('refuses new sessions and sockets while running calls go on', async () => {
    const pop = await startPop();
    const { client } = await pop.joined();
    pop.server.beginShutdown();
    const refused = await pop.rest('POST', '/v1/sessions', {
      body: { agent: 'echo' },
      headers: { authorization: `Bearer ${API_KEY}` },
    });
    expect(refused.status).toBe(503);
    expect(refused.body.error.code).toBe('ERR_SHUTTING_DOWN');
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    expect((await pop.rest('GET', '/readyz')).status).toBe(503);
    await expect(pop.client()).rejects.toThrow('503');
    expect((await client.request('ping')).ok).toBe(true);
  });

  it('tells every client why, closes with 4006 and closes the calls', async () => {
    const pop = await startPop();
    const one = await pop.joined();
    const two = await pop.joined();
    const fresh = await pop.client();
    const end = { code: 'node-shutdown' as const, reason: 'Maintenance.' };
    await Promise.all([pop.server.close(end), pop.server.close(end)]);
    for (const { client, call } of [one, two]) {
      expect(await client.closed).toEqual({ code: 4006, reason: 'server is shutting down' });
      expect(client.frames.at(-1)).toEqual({ event: 'session-ended', data: end });
      expect(call.asked).toEqual(['close node-shutdown']);
    }
    expect((await fresh.closed).code).toBe(4006);
    await expect(fetch(`${pop.server.url}/healthz`)).rejects.toThrow();
  });
});
