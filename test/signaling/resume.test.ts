import { describe, expect, it } from 'vitest';
import { AntipodeError } from '../../src/errors.ts';
import { signalingRequests } from '../../src/signaling/index.ts';
import { type Pop, settle, startPop, until } from './support/pop.ts';
import type { TestClient } from './support/test-client.ts';

/** Cuts a client's network and waits until the server has noticed. */
async function drop(pop: Pop, client: TestClient): Promise<void> {
  const before = pop.server.socketCount;
  client.ws.terminate();
  await until(() => pop.server.socketCount < before);
}

describe('a dropped signaling socket', () => {
  it('comes back with its media, and the edge learns both', async () => {
    const pop = await startPop();
    const { client, answer, call } = await pop.joined();
    await drop(pop, client);
    expect(call.asked).toEqual(['caller disconnected']);

    const again = await pop.client();
    const resumed = signalingRequests.resume.answer.parse((await again.resume(answer.resumeToken)).data);
    expect(resumed).toMatchObject({
      sessionId: answer.sessionId,
      mediaKept: true,
      sendTransport: null,
      recvTransport: null,
    });
    expect(resumed.resumeToken).not.toBe(answer.resumeToken);
    expect(call.asked).toEqual(['caller disconnected', 'caller connected']);
    expect((await again.request('ping')).ok).toBe(true);
  });

  it('gets new transports when it has lost its own', async () => {
    const pop = await startPop();
    const { client, answer, call } = await pop.joined();
    await drop(pop, client);
    const again = await pop.client();
    const { data } = await again.resume(answer.resumeToken, false);
    expect(data).toMatchObject({ mediaKept: false, sendTransport: { transportId: 'send-2' } });
    expect(call.asked).toContain('renewMedia');
  });

  it('gets new transports when the POP has lost them, whatever it wishes', async () => {
    const pop = await startPop();
    const { client, answer, call } = await pop.joined();
    call.mediaAlive = false;
    await drop(pop, client);
    const again = await pop.client();
    const { data } = await again.resume(answer.resumeToken, true);
    expect(data).toMatchObject({ mediaKept: false, recvTransport: { transportId: 'recv-2' } });
  });

  it('is sent what the agent told meanwhile, in order and after the answer', async () => {
    const pop = await startPop();
    const { client, answer, call } = await pop.joined();
    await drop(pop, client);
    call.say('one');
    call.emit('event', { type: 'caller-speaking', speaking: true });
    call.say('two');
    const again = await pop.client();
    await again.resume(answer.resumeToken);
    call.say('three');
    await again.frame((frame) => frame.seq === 4);
    expect(again.frames[0]).toMatchObject({ ok: true });
    expect(again.frames.slice(1).map(({ seq, data }) => [seq, data.text ?? data.type])).toEqual([
      [1, 'one'],
      [2, 'caller-speaking'],
      [3, 'two'],
      [4, 'three'],
    ]);
  });

  it('is sent again what was on its way when the network died, and not what the client had confirmed', async () => {
    const pop = await startPop();
    const { client, answer, call } = await pop.joined();
    call.say('confirmed');
    await client.frame((frame) => frame.seq === 1);
    await pop.pass(2_500);
    client.ws.pause();
    call.say('lost on the way');
    await drop(pop, client);
    const again = await pop.client();
    await again.resume(answer.resumeToken);
    await again.frame((frame) => frame.seq === 2);
    expect(again.events('agent').map(({ data }) => data.text)).toEqual(['lost on the way']);
  });

  it('says how many events it could not keep', async () => {
    const pop = await startPop();
    const { client, answer, call } = await pop.joined();
    await drop(pop, client);
    for (let n = 1; n <= 1_003; n++) call.say(`${n}`);
    const again = await pop.client();
    await again.resume(answer.resumeToken);
    const notice = await again.frame((frame) => frame.data?.code === 'events-dropped');
    expect(notice.data.text).toContain('3 events');
    expect(again.events('agent')[0]!.seq).toBe(4);
  });

  it('may come back until the window ends, and then the session is over', async () => {
    const pop = await startPop();
    const { client, answer, call, session } = await pop.joined();
    const stays = await pop.joined({ autoPong: true });
    await drop(pop, client);
    for (let step = 0; step < 11; step++) await pop.pass(2_500);
    await pop.pass(2_499);
    expect((await pop.registry.session(session.sessionId))?.state).toBe('active');
    await pop.pass(1);
    expect((await pop.registry.session(session.sessionId))?.end).toMatchObject({ code: 'caller-lost' });
    expect(call.asked.at(-1)).toBe('close caller-lost');

    const late = await pop.client();
    const refused = await late.resume(answer.resumeToken);
    expect(refused.error?.code).toBe('ERR_SESSION_ENDED');
    expect(refused.error?.message).toContain('caller-lost');
    expect((await late.closed).code).toBe(4000);
    expect((await stays.client.request('ping')).ok).toBe(true);
  });

  it('is noticed within ten seconds or so when the network just goes silent', async () => {
    const pop = await startPop();
    const { client, call } = await pop.joined({ autoPong: false });
    const answering = await pop.joined();
    for (let step = 0; step < 3; step++) await pop.pass(2_500);
    expect(call.asked).toEqual([]);
    await pop.pass(2_500);
    expect(call.asked).toEqual(['caller disconnected']);
    expect((await client.closed).code).toBe(1006);
    expect((await answering.client.request('ping')).ok).toBe(true);
    expect(await pop.metric('antipode_signaling_sockets_closed_total', { reason: 'silent' })).toBe(1);
  });

  it('costs nobody a socket when it was the server that stood still', async () => {
    const pop = await startPop();
    const { client } = await pop.joined({ autoPong: false });
    // One round falls due 40 s late: as after a stall of the process.
    const late = pop.clock.now() + 40_000;
    const now = pop.clock.now.bind(pop.clock);
    pop.clock.now = () => Math.max(late, now());
    await pop.pass(2_500);
    expect((await client.request('ping')).ok).toBe(true);
  });

  it('that came back in time is not lost because its new media takes longer than the window', async () => {
    const pop = await startPop();
    const { client, answer, call } = await pop.joined();
    await drop(pop, client);
    let renew = () => {};
    call.renewGate = new Promise((resolve) => {
      renew = resolve;
    });
    for (let step = 0; step < 11; step++) await pop.pass(2_500);
    const again = await pop.client();
    const resuming = again.resume(answer.resumeToken, false);
    await settle();
    for (let step = 0; step < 4; step++) await pop.pass(2_500);
    renew();
    expect((await resuming).ok).toBe(true);
    expect(call.asked.filter((asked) => asked.startsWith('close'))).toEqual([]);
  });

  it('ends the session at once where the window is zero', async () => {
    const pop = await startPop({ config: { limits: { resumeWindowMs: 0 } } });
    const { client, call } = await pop.joined();
    await drop(pop, client);
    await pop.pass(0);
    expect(call.asked.at(-1)).toBe('close caller-lost');
  });
});

describe('one socket per session', () => {
  it('lets a newer resume take over, and closes the older socket with 4005', async () => {
    const pop = await startPop();
    const { client, answer, call } = await pop.joined();
    const newer = await pop.client();
    expect((await newer.resume(answer.resumeToken)).ok).toBe(true);
    expect((await client.closed).code).toBe(4005);
    expect(call.asked).toEqual([]);
    call.say('to the newer');
    await newer.frame((frame) => frame.seq === 1);
    expect(client.events('agent')).toEqual([]);
    await settle();
    expect((await newer.request('ping')).ok).toBe(true);
    for (let step = 0; step < 14; step++) await pop.pass(2_500);
    expect(call.asked).toEqual([]);
  });

  it('lets the last of two resumes that race have it', async () => {
    const pop = await startPop();
    const { answer, call } = await pop.joined();
    const [a, b] = await Promise.all([pop.client(), pop.client()]);
    const results = await Promise.all([a.resume(answer.resumeToken, false), b.resume(answer.resumeToken, false)]);
    expect(results.map((frame) => frame.ok)).toEqual([true, true]);
    call.say('hello');
    // The loser's wait fails when its socket closes, which may come first.
    const winner = await Promise.any([
      a.frame((frame) => frame.event === 'agent').then(() => a),
      b.frame((frame) => frame.event === 'agent').then(() => b),
    ]);
    const loser = winner === a ? b : a;
    expect((await loser.closed).code).toBe(4005);
    expect((await winner.request('ping')).ok).toBe(true);
  });
});

describe('a resume token', () => {
  it('is good again as long as its successor was not used, however often the answer is lost', async () => {
    const pop = await startPop();
    const { client, answer } = await pop.joined();
    await drop(pop, client);
    for (let attempt = 0; attempt < 3; attempt++) {
      const lost = await pop.client();
      expect((await lost.resume(answer.resumeToken)).ok).toBe(true);
      await drop(pop, lost);
    }
    const found = await pop.client();
    const { data } = await found.resume(answer.resumeToken);
    await drop(pop, found);

    const next = await pop.client();
    expect((await next.resume(data.resumeToken)).ok).toBe(true);
    const stale = await pop.client();
    expect((await stale.resume(answer.resumeToken)).error?.code).toBe('ERR_TOKEN_REPLAYED');
    expect((await stale.closed).code).toBe(4002);
    expect((await next.request('ping')).ok).toBe(true);
  });

  it('stays good when renewing the media failed, and the same socket may try again', async () => {
    const pop = await startPop();
    const { client, answer, call } = await pop.joined();
    await drop(pop, client);
    call.renewError = new AntipodeError('ERR_MEDIA_WORKER_DIED', 'Not yet back.');
    const again = await pop.client();
    expect((await again.resume(answer.resumeToken, false)).error).toMatchObject({
      code: 'ERR_MEDIA_WORKER_DIED',
      retryable: true,
    });
    call.renewError = null;
    expect((await again.resume(answer.resumeToken, false)).ok).toBe(true);
  });

  it('leaves the session resumable for its window when the resume that took it over failed', async () => {
    const pop = await startPop();
    const { client, answer, call } = await pop.joined();
    call.renewError = new AntipodeError('ERR_MEDIA_WORKER_DIED', 'Not yet back.');
    const again = await pop.client();
    await again.resume(answer.resumeToken, false);
    expect((await client.closed).code).toBe(4005);
    expect(call.asked).toEqual(['caller disconnected']);
    for (let step = 0; step < 12; step++) await pop.pass(2_500);
    expect(call.asked.at(-1)).toBe('close caller-lost');
  });
});
