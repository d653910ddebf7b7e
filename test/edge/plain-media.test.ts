/** The plain door: a caller by SRTP alone, behind the same tap and writer as every other. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { LightCaller, makeSrtpKey } from '../../bench/light-caller/index.ts';
import { systemClock } from '../../src/clock.ts';
import { configSchema } from '../../src/config/index.ts';
import { Edge, type EdgeCall } from '../../src/edge/index.ts';
import { createMetrics, silentLogger } from '../../src/telemetry/index.ts';
import { temporaryCa } from '../backbone/support/control.ts';
import { workerBin } from '../backbone/support/workers.ts';
import { ScriptedCore } from '../support/scripted-core.ts';

const SSRC = 77;
/** 20 ms of Opus silence. */
const SILENCE = Buffer.from([0xf8, 0xff, 0xfe]);

let core: ScriptedCore;
let edge: Edge;
let call: EdgeCall;

beforeEach(async () => {
  const ca = await temporaryCa();
  core = await ScriptedCore.start(ca);
  edge = await Edge.start({
    config: configSchema.parse({ edge: { mediaPort: 0 } }),
    nodeId: 'pop-1',
    identity: await ca.issue({ nodeId: 'pop-1', role: 'pop' }),
    clock: systemClock,
    log: silentLogger,
    metrics: createMetrics({ processMetrics: false }),
    workerBin: workerBin(),
  });
  const session = {
    sessionId: 's1',
    epoch: 1,
    room: 'r',
    agent: 'echo',
    residency: null,
    confinement: null,
    metadata: {},
  };
  call = await edge.openCall({ ...session, core: core.address });
});

afterEach(async () => {
  await edge.close({ code: 'node-shutdown', reason: 'The test is over.' });
  await core[Symbol.asyncDispose]();
});

test('a plain caller is heard by the core, in order, and the agent may speak once it has sent something', async () => {
  const localKey = makeSrtpKey();
  const door = await call.connectPlain({ srtpParameters: localKey, ssrc: SSRC });
  expect(core.session('s1').readyCount).toBe(0);
  const caller = new LightCaller({
    remote: { ip: door.ip, port: door.port },
    localKey,
    remoteKey: { cryptoSuite: 'AEAD_AES_128_GCM', keyBase64: door.srtpParameters.keyBase64 },
    ssrc: SSRC,
    payloadType: door.payloadType,
    signal: { packets: [SILENCE], chirpAt: 0 },
    measureTrips: false,
  });
  await caller.start();
  await expect.poll(() => core.session('s1').heard.length, { timeout: 10_000 }).toBeGreaterThan(10);
  await caller.stop();
  const numbers = core.session('s1').heard.map((view) => view.packetNumber);
  expect(numbers).toEqual(numbers.map((_, index) => 1 + index));
  expect(core.session('s1').readyCount).toBe(1);
});

test('a call with plain media takes no WebRTC any more, and no second door', async () => {
  await call.connectPlain({ srtpParameters: makeSrtpKey(), ssrc: SSRC });
  const refused = { code: 'ERR_MEDIA_STATE' };
  expect(() => call.offer()).toThrow(expect.objectContaining(refused));
  await expect(call.connectPlain({ srtpParameters: makeSrtpKey(), ssrc: SSRC })).rejects.toMatchObject(refused);
});

test('a key that is none is refused, and the offered transports stay', async () => {
  const srtpParameters = { cryptoSuite: 'AEAD_AES_128_GCM', keyBase64: 'AAAA' } as const;
  await expect(call.connectPlain({ srtpParameters, ssrc: SSRC })).rejects.toMatchObject({
    code: 'ERR_MEDIA_PARAMETERS',
  });
  expect(call.offer().sendTransport.transportId).toBeTruthy();
  expect(call.mediaAlive).toBe(true);
});
