/** A call whose core is killed, or stopped for a while: one POP, and each core a process of its own. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { LightCaller, makeSrtpKey } from '../../bench/light-caller/index.ts';
import type { ClientEvent } from '../../src/agent/client-events.ts';
import { systemClock } from '../../src/clock.ts';
import { configSchema } from '../../src/config/index.ts';
import { Edge, type EdgeCall } from '../../src/edge/index.ts';
import { createMetrics, silentLogger } from '../../src/telemetry/index.ts';
import { temporaryCa } from '../backbone/support/control.ts';
import { workerBin } from '../backbone/support/workers.ts';
import { CoreProcess } from './support/core-process.ts';
import { COUNTED, WORD_MS } from './support/tonal-agents.ts';

const POLL = { timeout: 20_000, interval: 10 };
const SSRC = 77;
const SILENCE = Buffer.from([0xf8, 0xff, 0xfe]);

// Real processes on a machine that may be busy with other tests.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 30_000 });

let cores: [CoreProcess, CoreProcess];
let edge: Edge;
let call: EdgeCall;
let caller: LightCaller;
let events: ClientEvent[];
let writtenThen = 0;

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
  events = [];
  call = await edge.openCall({
    ...{ sessionId: 's1', epoch: 1, room: 'r', agent: 'counter', residency: null, confinement: null, metadata: {} },
    core: former.address,
    successor: async ({ epoch }) => {
      writtenThen = call.stats().downlink.written;
      return { core: next.address, epoch: epoch + 1, confinement: null };
    },
  });
  call.on('event', (event) => events.push(event));
  const localKey = makeSrtpKey();
  const door = await call.connectPlain({ srtpParameters: localKey, ssrc: SSRC });
  caller = new LightCaller({
    remote: { ip: door.ip, port: door.port },
    localKey,
    remoteKey: { cryptoSuite: 'AEAD_AES_128_GCM', keyBase64: door.srtpParameters.keyBase64 },
    ssrc: SSRC,
    payloadType: door.payloadType,
    signal: { packets: [SILENCE], chirpAt: 0 },
    measureTrips: false,
  });
  await caller.start();
  await expect.poll(() => call.stats().downlink.written, POLL).toBeGreaterThan(120);
});

afterEach(async () => {
  await caller.stop();
  await edge.close({ code: 'node-shutdown', reason: 'The test is over.' });
  await Promise.all(cores.map((core) => core[Symbol.asyncDispose]()));
});

const moved = () => events.find((event) => event.type === 'moved');

/** The next core says what the former one had not, from its first word on. */
async function goesOn(): Promise<void> {
  await expect.poll(moved, POLL).toMatchObject({ reason: 'core-lost' });
  await expect.poll(() => cores[1].spoken.length, POLL).toBe(1);
  const rest = cores[1].spoken.join(' ').replace('.', '').split(' ');
  expect(rest).toEqual(COUNTED.slice(Math.floor((writtenThen * 20) / WORD_MS)));
  const all = writtenThen + (rest.length * WORD_MS) / 20;
  await expect.poll(() => call.stats().downlink.written, POLL).toBeGreaterThanOrEqual(all);
  expect(call.stats().downlink.written).toBeLessThanOrEqual(all + 3);
  expect(call.end).toBe(null);
}

describe('a core in the middle of a sentence', () => {
  test('is killed: the call goes on with the next word', async () => {
    cores[0].signal('SIGKILL');
    await goesOn();
  });

  test('is stopped and let go on: it can not speak over the one that has the call, and lets go of it', async () => {
    cores[0].signal('SIGSTOP');
    await expect.poll(moved, POLL).toBeDefined();
    cores[0].signal('SIGCONT');
    await goesOn();
    await expect.poll(() => cores[0].sessions, POLL).toBe(0);
    expect(cores[1].sessions).toBe(1);
  });
});
