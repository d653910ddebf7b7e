/** Calls of a core that drains: one POP, and each core a process of its own; every word and every tool counted. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { LightCaller, makeSrtpKey } from '../../bench/light-caller/index.ts';
import type { ClientEvent } from '../../src/agent/client-events.ts';
import { systemClock } from '../../src/clock.ts';
import { configSchema } from '../../src/config/index.ts';
import { Edge, type EdgeCall } from '../../src/edge/index.ts';
import { createMetrics, silentLogger } from '../../src/telemetry/index.ts';
import { temporaryCa } from '../backbone/support/control.ts';
import { workerBin } from '../backbone/support/workers.ts';
import { CoreProcess } from './support/core-process.ts';
import { COUNTED, tonalWords } from './support/tonal-agents.ts';

const POLL = { timeout: 60_000, interval: 20 };
const SSRC = 77;
/** 20 ms of Opus silence. */
const SILENCE = Buffer.from([0xf8, 0xff, 0xfe]);
const CALLS = 20;
/** Each caller says so many words, far enough apart that no answer is interrupted on a busy machine. */
const WORDS = 5;
const EVERY_MS = 4_000;

// Real processes on a machine that may be busy with other tests.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 30_000 });

interface Call {
  readonly call: EdgeCall;
  readonly caller: LightCaller;
  readonly events: ClientEvent[];
}

let cores: [CoreProcess, CoreProcess];
let edge: Edge;
let calls: Call[];

beforeEach(async () => {
  const ca = await temporaryCa();
  const startCore = async (nodeId: string) =>
    CoreProcess.start({ nodeId, identity: await ca.issue({ nodeId, role: 'core' }), workerBin: workerBin() });
  const [former, next, pop] = await Promise.all([
    startCore('core-1'),
    startCore('core-2'),
    Edge.start({
      config: configSchema.parse({ edge: { mediaPort: 0 } }),
      nodeId: 'pop-1',
      identity: await ca.issue({ nodeId: 'pop-1', role: 'pop' }),
      clock: systemClock,
      log: silentLogger,
      metrics: createMetrics({ processMetrics: false }),
      workerBin: workerBin(),
    }),
  ]);
  cores = [former, next];
  edge = pop;
  calls = [];
});

afterEach(async () => {
  await Promise.all(calls.map(({ caller }) => caller.stop()));
  await edge.close({ code: 'node-shutdown', reason: 'The test is over.' });
  await Promise.all(cores.map((core) => core[Symbol.asyncDispose]()));
});

async function openCall(sessionId: string, packets: readonly Buffer[], agent = 'clerk'): Promise<Call> {
  const call = await edge.openCall({
    ...{ sessionId, epoch: 1, room: 'r', agent, residency: null, confinement: null, metadata: {} },
    core: cores[0].address,
    successor: async ({ epoch }) => ({ core: cores[1].address, epoch: epoch + 1, confinement: null }),
    mover: async () => ({
      core: cores[1].address,
      confinement: null,
      taken: async () => {},
      dropped: () => {},
      returned: async (epoch) => epoch + 1,
    }),
  });
  const events: ClientEvent[] = [];
  call.on('event', (event) => events.push(event));
  const localKey = makeSrtpKey();
  const door = await call.connectPlain({ srtpParameters: localKey, ssrc: SSRC });
  const caller = new LightCaller({
    remote: { ip: door.ip, port: door.port },
    localKey,
    remoteKey: { cryptoSuite: 'AEAD_AES_128_GCM', keyBase64: door.srtpParameters.keyBase64 },
    ssrc: SSRC,
    payloadType: door.payloadType,
    signal: { packets, chirpAt: 0 },
    measureTrips: false,
  });
  return { call, caller, events };
}

/** The final words of one side, as the client has them in the end, in order. */
function said({ events }: Call, role: 'caller' | 'agent'): string[] {
  const lines = new Map<string, string>();
  for (const event of events) {
    if (event.type === 'transcript' && event.role === role && event.final) lines.set(event.id, event.text);
  }
  return [...lines.values()];
}

test('twenty calls leave a core that drains: no word is lost or said twice, and no tool is run twice', async () => {
  // An agent hears from its start on, which may take a while when there are twenty.
  const packets = [...Array.from({ length: 150 }, () => SILENCE), ...(await tonalWords(WORDS + 3, EVERY_MS))];
  for (let n = 1; n <= CALLS; n++) calls.push(await openCall(`s${n}`, packets));
  // Opening so many keeps this process from sending evenly, and a tone with a hole in it is two words.
  for (const { caller } of calls) await caller.start();
  await expect.poll(() => calls.every((call) => said(call, 'agent').length >= 2), POLL).toBe(true);
  cores[0].drain(8_000);
  await expect.poll(() => cores[0].sessions, POLL).toBe(0);
  expect(cores[1].sessions).toBe(CALLS);
  const moves = () => calls.flatMap(({ events }) => events.filter((event) => event.type === 'moved'));
  await expect.poll(() => moves().length, POLL).toBe(CALLS);
  expect(new Set(moves().map(({ reason }) => reason))).toEqual(new Set(['drain']));

  await expect.poll(() => calls.every((call) => said(call, 'agent').length >= WORDS), POLL).toBe(true);
  const words = Array.from({ length: WORDS }, (_, index) => `word${index + 1}`);
  const filed = [...cores[0].filed, ...cores[1].filed];
  for (const [index, call] of calls.entries()) {
    const sessionId = `s${index + 1}`;
    expect(said(call, 'caller').slice(0, WORDS), sessionId).toEqual(words);
    expect(said(call, 'agent').slice(0, WORDS), sessionId).toEqual(words.map((word) => `filed ${word}.`));
    const own = filed.filter((line) => line.startsWith(`${sessionId} `)).slice(0, WORDS);
    expect(own, sessionId).toEqual(words.map((word) => `${sessionId} ${word}`));
    expect(call.call.end).toBe(null);
  }
});

test('calls of a core that is killed in the middle of its drain go on elsewhere, none of their words twice', async () => {
  // They count to twenty for eight seconds: no pause comes before the core is gone.
  for (const id of ['s1', 's2', 's3']) calls.push(await openCall(id, [SILENCE], 'counter'));
  for (const { caller } of calls) await caller.start();
  await expect.poll(() => calls.every(({ call }) => call.stats().downlink.written > 60), POLL).toBe(true);
  cores[0].drain(8_000);
  // A POP that was told asks its core for a pause.
  await expect.poll(() => calls.every(({ call }) => call.stats().downlink.written > 80), POLL).toBe(true);
  cores[0].signal('SIGKILL');
  const moved = ({ events }: Call) => events.filter((event) => event.type === 'moved').map(({ reason }) => reason);
  await expect.poll(() => calls.map(moved), POLL).toEqual([['core-lost'], ['core-lost'], ['core-lost']]);
  await expect.poll(() => calls.every((call) => said(call, 'agent').length === 2), POLL).toBe(true);
  for (const call of calls) {
    expect(said(call, 'agent').join(' ').replace('.', '').split(' ')).toEqual(COUNTED);
    expect([call.call.end, call.call.coreId]).toEqual([null, 'core-2']);
  }
});
