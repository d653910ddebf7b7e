import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { DevelopmentCa } from '../../src/backbone/index.ts';
import { type Clock, systemClock } from '../../src/clock.ts';
import { configSchema } from '../../src/config/index.ts';
import { Edge, type EdgeCall } from '../../src/edge/index.ts';
import { AntipodeError } from '../../src/errors.ts';
import { createMetrics, type Registry, silentLogger } from '../../src/telemetry/index.ts';
import { temporaryCa } from '../backbone/support/control.ts';
import { metricValue, processIsAlive, workerBin } from '../backbone/support/workers.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { ScriptedCore } from '../support/scripted-core.ts';
import { WebRtcCaller } from '../support/web-rtc-caller.ts';

const END = { code: 'node-shutdown', reason: 'The test is over.' } as const;
const DTLS = {
  role: 'client',
  fingerprints: [{ algorithm: 'sha-256', value: Array.from({ length: 32 }, () => 'AB').join(':') }],
};
const RTP = {
  codecs: [{ mimeType: 'audio/opus', payloadType: 111, clockRate: 48_000, channels: 2, parameters: {} }],
  encodings: [{ ssrc: 1_234 }],
};

// Real processes on a machine that may be busy with other tests.
vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 });

let ca: DevelopmentCa;
let core: ScriptedCore;
let edge: Edge;
let metrics: Registry;

async function startEdge(limits: object = {}, clock: Clock = systemClock): Promise<Edge> {
  metrics = createMetrics({ processMetrics: false });
  return Edge.start({
    config: configSchema.parse({ edge: { mediaPort: 0 }, limits }),
    nodeId: 'pop-1',
    identity: await ca.issue({ nodeId: 'pop-1', role: 'pop' }),
    clock,
    log: silentLogger,
    metrics,
    workerBin: workerBin(),
  });
}

function request(sessionId = 's1') {
  const place = {
    sessionId,
    epoch: 1,
    room: 'room-1',
    agent: 'echo',
    residency: null,
    confinement: null,
    metadata: { from: 'test' },
  };
  return { ...place, core: core.address };
}

async function until(what: string, met: () => boolean, timeoutMs = 5_000): Promise<void> {
  const untilMs = performance.now() + timeoutMs;
  while (!met()) {
    if (performance.now() > untilMs) throw new Error(`waited in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const ended = (call: EdgeCall) => new Promise((resolve) => call.once('ended', resolve));

beforeEach(async () => {
  ca = await temporaryCa();
  core = await ScriptedCore.start(ca);
  edge = await startEdge();
});

afterEach(async () => {
  await edge.close(END);
  await core[Symbol.asyncDispose]();
});

describe('Edge.openCall()', () => {
  test('attaches the session at its core and offers a transport for each direction', async () => {
    const call = await edge.openCall(request());
    const { sendTransport, recvTransport } = call.offer();
    expect(sendTransport.transportId).not.toBe(recvTransport.transportId);
    expect(sendTransport.iceCandidates.map(({ protocol }) => protocol).sort()).toEqual(['tcp', 'udp']);
    expect(core.session('s1').attach).toMatchObject({ agent: 'echo', room: 'room-1', metadata: { from: 'test' } });
    expect(core.session('s1').readyCount).toBe(0);
    expect(call.mediaAlive).toBe(true);
    expect(edge.call('s1')).toBe(call);
    expect(edge.callCount).toBe(1);
    expect(await metricValue(metrics, 'antipode_edge_calls', {})).toBe(1);
  });

  test('opens one channel and one pipe for many calls, however they come', async () => {
    await Promise.all(['a', 'b', 'c', 'd'].map((id) => edge.openCall(request(id))));
    await edge.openCall(request('e'));
    expect(core.asked.filter((method) => method === 'pipe.open')).toHaveLength(1);
    expect((await edge.stats()).cores).toMatchObject([{ nodeId: 'core-1', up: true, sessions: 5, pipes: 1 }]);
  });

  test('says what the core says, and leaves nothing behind', async () => {
    core.refuseAttach = new AntipodeError('ERR_AGENT_UNKNOWN', 'There is no such agent.');
    await expect(edge.openCall(request())).rejects.toMatchObject({ code: 'ERR_AGENT_UNKNOWN' });
    expect(edge.callCount).toBe(0);
    expect(core.asked).not.toContain('session.detach');
    core.refuseAttach = null;
    await edge.openCall(request());
    expect(edge.callCount).toBe(1);
  });

  test('fails with ERR_BACKBONE_CLOSED when the core is out of reach', async () => {
    await core.hangUp();
    await expect(edge.openCall(request())).rejects.toMatchObject({ code: 'ERR_BACKBONE_CLOSED' });
    expect(edge.callCount).toBe(0);
  });

  test('refuses a second call of one session, and any after close()', async () => {
    const opening = edge.openCall(request());
    await expect(edge.openCall(request())).rejects.toMatchObject({ code: 'ERR_MEDIA_STATE' });
    await opening;
    await expect(edge.openCall(request())).rejects.toMatchObject({ code: 'ERR_MEDIA_STATE' });
    await edge.close(END);
    await expect(edge.openCall(request('s2'))).rejects.toMatchObject({ code: 'ERR_SHUTTING_DOWN' });
  });
});

describe('EdgeCall refuses', () => {
  test('bogus parameters with ERR_MEDIA_PARAMETERS, takes right ones after, and the worker survives', async () => {
    const call = await edge.openCall(request());
    const { sendTransport, recvTransport } = call.offer();
    const send = sendTransport.transportId;
    const refused = { code: 'ERR_MEDIA_PARAMETERS' };
    const pid = (await edge.stats()).workers[0]?.pid;
    const bogusDtls = [
      {},
      { fingerprints: [] },
      { role: 'boss', fingerprints: DTLS.fingerprints },
      { fingerprints: [{ algorithm: 'md5', value: 'AB:CD' }] },
      { fingerprints: [{ algorithm: 'sha-256', value: 'AB:CD' }] },
      { fingerprints: [{ algorithm: 'sha-256', value: 'zz' }] },
    ];
    for (const bogus of bogusDtls) await expect(call.connectTransport(send, bogus)).rejects.toMatchObject(refused);
    const opus = RTP.codecs[0];
    const bogusRtp = [
      null,
      {},
      { ...RTP, codecs: [] },
      { ...RTP, codecs: [opus, opus] },
      { ...RTP, codecs: [{ ...opus, mimeType: 'video/VP8' }] },
      { ...RTP, codecs: [{ ...opus, clockRate: 8_000 }] },
      { ...RTP, codecs: [{ ...opus, payloadType: 300 }] },
      { ...RTP, encodings: [{ ssrc: 1 }, { ssrc: 2 }] },
      { ...RTP, encodings: [{ ssrc: 0 }] },
      { ...RTP, encodings: [{}] },
      { ...RTP, encodings: [{ ssrc: 2 ** 40 }] },
      { ...RTP, headerExtensions: [{ uri: 'urn:ietf:params:rtp-hdrext:sdes:mid', id: 99 }] },
    ];
    for (const bogus of bogusRtp) await expect(call.produce(send, bogus)).rejects.toMatchObject(refused);
    const recv = recvTransport.transportId;
    for (const bogus of [
      {},
      { codecs: [] },
      { codecs: [{ kind: 'audio', mimeType: 'audio/PCMU', clockRate: 8_000 }] },
    ]) {
      await expect(call.consume(recv, bogus)).rejects.toMatchObject(refused);
    }
    expect(await metricValue(metrics, 'antipode_edge_media_connect_failures_total', { reason: 'parameters' })).toBe(
      bogusDtls.length + bogusRtp.length + 3,
    );
    await call.connectTransport(send, DTLS);
    await call.produce(send, { ...RTP, headerExtensions: [{ uri: 'urn:from:the:future', id: 3 }] });
    await call.consume(recv, edge.routerRtpCapabilities);
    expect((await edge.stats()).workers[0]?.pid).toBe(pid);
  });

  test('what comes twice or to the wrong transport with ERR_MEDIA_STATE', async () => {
    const call = await edge.openCall(request());
    const send = call.offer().sendTransport.transportId;
    const recv = call.offer().recvTransport.transportId;
    const refused = { code: 'ERR_MEDIA_STATE' };
    await call.connectTransport(send, DTLS);
    await expect(call.connectTransport(send, DTLS)).rejects.toMatchObject(refused);
    await expect(call.produce(recv, RTP)).rejects.toMatchObject(refused);
    await expect(call.consume(send, edge.routerRtpCapabilities)).rejects.toMatchObject(refused);
    await call.produce(send, RTP);
    await expect(call.produce(send, RTP)).rejects.toMatchObject(refused);
    await call.consume(recv, edge.routerRtpCapabilities);
    await expect(call.consume(recv, edge.routerRtpCapabilities)).rejects.toMatchObject(refused);
    await expect(call.restartIce('no-such-transport')).rejects.toMatchObject(refused);
    const { usernameFragment } = call.offer().recvTransport.iceParameters;
    expect((await call.restartIce(recv)).usernameFragment).not.toBe(usernameFragment);
  });

  test('everything once it ended with ERR_SESSION_ENDED', async () => {
    const call = await edge.openCall(request());
    const send = call.offer().sendTransport.transportId;
    await call.close({ code: 'caller-left', reason: 'The caller hung up.' });
    expect(() => call.offer()).toThrow(expect.objectContaining({ code: 'ERR_SESSION_ENDED' }));
    await expect(call.connectTransport(send, DTLS)).rejects.toMatchObject({ code: 'ERR_SESSION_ENDED' });
    await expect(call.renewMedia()).rejects.toMatchObject({ code: 'ERR_SESSION_ENDED' });
  });
});

describe('EdgeCall ends', () => {
  test('once, by close(), and tells the core why', async () => {
    const call = await edge.openCall(request());
    const ends: unknown[] = [];
    call.on('ended', (end) => ends.push(end));
    await call.close({ code: 'caller-left', reason: 'The caller hung up.' });
    await call.close({ code: 'deleted', reason: 'Too late.' });
    expect(ends).toEqual([{ code: 'caller-left', reason: 'The caller hung up.' }]);
    expect(core.session('s1').end).toEqual(ends[0]);
    expect(core.asked.filter((method) => method === 'session.detach')).toHaveLength(1);
    expect(edge.callCount).toBe(0);
    expect(await metricValue(metrics, 'antipode_edge_calls_ended_total', { code: 'caller-left' })).toBe(1);
  });

  test('when the core says so, without telling it back', async () => {
    const call = await edge.openCall(request());
    const end = ended(call);
    core.end('s1', { code: 'agent-hung-up', reason: 'Goodbye.' });
    expect(await end).toEqual({ code: 'agent-hung-up', reason: 'Goodbye.' });
    expect(core.asked).not.toContain('session.detach');
    expect(edge.callCount).toBe(0);
  });

  test('when its media does not connect in time', async () => {
    await edge.close(END);
    const clock = new FakeClock();
    edge = await startEdge({ mediaConnectTimeoutMs: 1_000 }, clock);
    const call = await edge.openCall(request());
    clock.advance(999);
    expect(call.end).toBeNull();
    const end = ended(call);
    clock.advance(1);
    expect(await end).toMatchObject({ code: 'caller-lost' });
    await until('the core was told', () => core.session('s1').end !== null);
    expect(core.session('s1').end).toMatchObject({ code: 'caller-lost' });
    expect(await metricValue(metrics, 'antipode_edge_media_connect_failures_total', { reason: 'timeout' })).toBe(1);
  });

  test('with the edge, which leaves no process behind', async () => {
    const call = await edge.openCall(request());
    const end = ended(call);
    const pids = (await edge.stats()).workers.map(({ pid }) => pid);
    await edge.close(END);
    await edge.close(END);
    expect(await end).toEqual(END);
    expect(core.session('s1').end).toEqual(END);
    expect(pids.map(processIsAlive)).toEqual([false]);
  });
});

describe('EdgeCall and the core exchange', () => {
  test('messages, the state of the caller, and events, those before a listener included', async () => {
    const call = await edge.openCall(request());
    core.tell('s1', { type: 'agent-state', state: 'starting' });
    core.tell('s1', { type: 'agent-state', state: 'thinking' }, 7);
    core.tell('s1', { type: 'agent-state', state: 'listening' });
    call.sendMessage({ type: 'text', text: 'hello' });
    call.callerConnection('disconnected');
    call.callerConnection('connected');
    const session = core.session('s1');
    await until('the core heard of the caller', () => session.callerStates.length === 2);
    expect(session.messages).toEqual([{ type: 'text', text: 'hello' }]);
    expect(session.callerStates).toEqual(['disconnected', 'connected']);
    const events: unknown[] = [];
    call.on('event', (event) => events.push(event));
    await until('both events came', () => events.length === 2);
    expect(events).toEqual([
      { type: 'agent-state', state: 'starting' },
      { type: 'agent-state', state: 'listening' },
    ]);
    expect(await metricValue(metrics, 'antipode_edge_stale_events_total', {})).toBe(1);
  });
});

describe('a call with a real WebRTC caller', () => {
  test('carries both voices, survives the death of either worker, and ends when the caller is gone', {
    timeout: 60_000,
  }, async () => {
    await edge.close(END);
    edge = await startEdge({ resumeWindowMs: 1_500 });
    const call = await edge.openCall(request());
    const session = core.session('s1');
    const speaking = setInterval(() => core.say('s1'), 20);
    await using caller = await WebRtcCaller.connect(call, edge.routerRtpCapabilities);
    await until('the core was told that the agent may speak', () => session.readyCount === 1, 10_000);

    // The caller's voice at the core: numbered from one, without a hole, 20 ms apart.
    await until('the core hears the caller', () => session.heard.length >= 50);
    const numbers = session.heard.map((view) => view.packetNumber);
    expect(numbers).toEqual(numbers.map((_, index) => index + 1));
    const steps = session.heard.slice(1).map((view, index) => view.timestamp - (session.heard[index]?.timestamp ?? 0));
    expect(new Set(steps)).toEqual(new Set([960]));
    const { uplink } = call.stats();
    expect(uplink).toMatchObject({ late: 0, malformed: 0, missing: 0, overwritten: 0 });

    // The agent's voice at the caller.
    await until('the core hears what was played', () => (session.played.at(-1)?.frames ?? 0) > 50);
    const heardBefore = await caller.stats();
    expect(heardBefore.received).toBeGreaterThan(10);
    expect(heardBefore.lost).toBe(0);

    // The core's worker dies: the call goes on over a new pipe, the caller's transports untouched.
    const atDeath = session.heard.length;
    process.kill(core.worker.pid, 'SIGKILL');
    await until('the session has a new pipe', () => session.repipeCount === 1);
    await until('the core hears the caller again', () => session.heard.length > atDeath + 20);
    expect(call.mediaAlive).toBe(true);
    const received = async () => (await caller.stats()).received;
    const after = await received();
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(await received()).toBeGreaterThan(after + 15);
    expect((await caller.stats()).lost).toBe(0);

    // The control channel breaks and comes back: the media does not care, the session is told anew.
    await core.hangUp();
    await core.listen();
    await until('the session was told anew', () => session.repipeCount === 2);
    const atReturn = session.heard.length;
    await until('the core hears the caller after it', () => session.heard.length > atReturn + 20);

    // The POP's worker dies: the caller must come back, and its numbers go on.
    const lost = new Promise((resolve) => call.once('mediaLost', resolve));
    process.kill((await edge.stats()).workers[0]?.pid as number, 'SIGKILL');
    expect(await lost).toMatchObject({ code: 'ERR_MEDIA_WORKER_DIED' });
    expect(call.mediaAlive).toBe(false);
    const last = session.heard.at(-1)?.packetNumber ?? 0;
    await Promise.all([call.renewMedia(), call.renewMedia()]);
    // The core holds its words for a caller who can't hear them yet.
    expect(session.repipeCount).toBe(2);
    await caller.kill();
    await using again = await WebRtcCaller.connect(call, edge.routerRtpCapabilities);
    await until('the session has a pipe on the new worker', () => session.repipeCount === 3);
    await until('the core hears the caller who came back', () => (session.heard.at(-1)?.packetNumber ?? 0) > last + 20);
    await until('the caller hears the agent again', () => (session.played.at(-1)?.frames ?? 0) > 0);
    const ordered = session.heard.map((view) => view.packetNumber ?? 0);
    expect(ordered).toEqual([...ordered].sort((a, b) => a - b));
    expect(session.readyCount).toBe(1);
    expect((await again.stats()).lost).toBe(0);
    clearInterval(speaking);
    expect(await metricValue(metrics, 'antipode_edge_media_lost_total', {})).toBe(1);
    expect(await metricValue(metrics, 'antipode_edge_repipes_total', { result: 'done' })).toBe(3);
    expect(await metricValue(metrics, 'antipode_edge_uplink_packets_total', { result: 'forwarded' })).toBe(
      call.stats().uplink.forwarded,
    );

    // The caller closes its transports and stays away.
    const end = ended(call);
    again.hangUp();
    await until('its transports are of no use', () => !call.mediaAlive);
    expect(call.end).toBeNull();
    expect(await end).toMatchObject({ code: 'caller-lost' });
    await until('the core was told', () => session.end !== null);
  });
});
