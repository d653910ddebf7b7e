/** The reflex in calls with real media: real workers, pipes and callers, and a core that says what the test wants. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { LightCaller, makeSrtpKey } from '../../bench/light-caller/index.ts';
import { systemClock } from '../../src/clock.ts';
import { configSchema } from '../../src/config/index.ts';
import { Edge, type EdgeCall } from '../../src/edge/index.ts';
import { createMetrics, type Registry, silentLogger } from '../../src/telemetry/index.ts';
import { temporaryCa } from '../backbone/support/control.ts';
import { metricValue, workerBin } from '../backbone/support/workers.ts';
import { ScriptedCore } from '../support/scripted-core.ts';
import { WebRtcCaller } from '../support/web-rtc-caller.ts';

const POLL = { timeout: 15_000, interval: 10 };
const SSRC = 77;

// Real processes on a machine that may be busy with other tests.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 30_000 });

let core: ScriptedCore;
let edge: Edge;
let metrics: Registry;
let speaking: NodeJS.Timeout | null = null;

async function openCall(reflex: object = {}): Promise<EdgeCall> {
  const ca = await temporaryCa();
  core = await ScriptedCore.start(ca);
  metrics = createMetrics({ processMetrics: false });
  edge = await Edge.start({
    config: configSchema.parse({ edge: { mediaPort: 0, reflex } }),
    nodeId: 'pop-1',
    identity: await ca.issue({ nodeId: 'pop-1', role: 'pop' }),
    clock: systemClock,
    log: silentLogger,
    metrics,
    workerBin: workerBin(),
  });
  const session = { sessionId: 's1', epoch: 1, room: 'r', agent: 'echo', residency: null, confinement: null };
  return edge.openCall({ ...session, metadata: {}, core: core.address });
}

const ducks = () => core.session('s1').ducked.length;
const counted = (outcome: string) => metricValue(metrics, 'antipode_edge_reflex_ducks_total', { outcome });

beforeEach(() => {
  speaking = null;
});

afterEach(async () => {
  if (speaking) clearInterval(speaking);
  await edge.close({ code: 'node-shutdown', reason: 'The test is over.' });
  await core[Symbol.asyncDispose]();
});

describe('the reflex in a call', () => {
  test('a WebRTC caller tells how loud it is; the agent is held for its tone, goes on at a no and is cut off by a flush', async () => {
    // A tone has no end: only the core's word ends a duck.
    const call = await openCall({ answerTimeoutMs: 5_000 });
    const session = core.session('s1');
    await using _caller = await WebRtcCaller.connect(call, edge.routerRtpCapabilities);
    let said = 0;
    speaking = setInterval(() => {
      core.say('s1', Buffer.alloc(40, 1));
      said += 1;
    }, 20);
    await expect.poll(() => call.stats().reflex, POLL).toMatchObject({ level: true, armed: false, ducks: 0 });
    await expect.poll(() => session.played.length, POLL).toBeGreaterThan(5);
    expect(ducks()).toBe(0);

    core.arm('s1', true);
    await expect.poll(ducks, POLL).toBe(1);
    const [ducked] = session.ducked;
    const playedAtDuck = call.stats().downlink.written;
    expect(ducked).toMatchObject({ epoch: 1, duck: 1 });
    expect(ducked?.uplinkPacket).toBeGreaterThan(3);
    // The mouth's timestamps begin at 0 here: what was written is what they say.
    expect(ducked?.timestamp).toBe(playedAtDuck * 960);
    expect(call.stats().downlink.written).toBe(playedAtDuck);

    core.answer('s1', 'rejected');
    await expect.poll(() => call.stats().downlink.written, POLL).toBeGreaterThan(playedAtDuck);
    expect(await counted('rejected')).toBe(1);

    await expect.poll(ducks, POLL).toBe(2);
    const saidAtDuck = said;
    await expect.poll(() => said - saidAtDuck, POLL).toBeGreaterThan(10);
    core.arm('s1', false);
    core.flush('s1');
    await expect.poll(() => call.stats().reflex, POLL).toMatchObject({ armed: false, confirmed: 1, rejected: 1 });
    await expect.poll(() => call.stats().downlink.flushed, POLL).toBeGreaterThan(0);
    expect(call.stats().downlink).toMatchObject({ late: 0, overflow: 0 });
  });

  test('is off for a caller whose packets do not tell how loud they are, which is counted', async () => {
    const call = await openCall();
    const localKey = makeSrtpKey();
    const door = await call.connectPlain({ srtpParameters: localKey, ssrc: SSRC });
    const caller = new LightCaller({
      remote: { ip: door.ip, port: door.port },
      localKey,
      remoteKey: { cryptoSuite: 'AEAD_AES_128_GCM', keyBase64: door.srtpParameters.keyBase64 },
      ssrc: SSRC,
      payloadType: door.payloadType,
      signal: { packets: [Buffer.alloc(40, 1)], chirpAt: 0 },
      measureTrips: false,
    });
    await caller.start();
    core.arm('s1', true);
    speaking = setInterval(() => core.say('s1'), 20);
    await expect.poll(() => call.stats().reflex?.level, POLL).toBe(false);
    expect(await metricValue(metrics, 'antipode_edge_reflex_unavailable_total', {})).toBe(1);
    await expect.poll(() => call.stats().downlink.written, POLL).toBeGreaterThan(20);
    expect(ducks()).toBe(0);
    await caller.stop();
  });

  test('can be switched off', async () => {
    const call = await openCall({ enabled: false });
    core.arm('s1', true);
    core.answer('s1', 'rejected');
    core.tell('s1', { type: 'agent-state', state: 'listening' });
    await new Promise((resolve) => call.once('event', resolve));
    expect(call.stats().reflex).toBeNull();
  });
});
