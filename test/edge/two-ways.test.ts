/** A call between a POP and a core that have two ways: the first one's media dies while the control channel lives. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { LightCaller, makeSrtpKey } from '../../bench/light-caller/index.ts';
import type { ClientEvent } from '../../src/agent/client-events.ts';
import { systemClock } from '../../src/clock.ts';
import { configSchema } from '../../src/config/index.ts';
import { Core } from '../../src/core/index.ts';
import { Edge, type EdgeCall } from '../../src/edge/index.ts';
import { createMetrics, silentLogger as log, type Registry } from '../../src/telemetry/index.ts';
import { temporaryCa } from '../backbone/support/control.ts';
import { metricValue, workerBin } from '../backbone/support/workers.ts';
import { UdpNetwork } from '../wan/udp-network.ts';
import { freePorts } from './support/free-ports.ts';
import { COUNTED, TonalAgents, WORD_MS } from './support/tonal-agents.ts';

// Real processes on a machine that may be busy with other tests.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 30_000 });

const POLL = { timeout: 30_000, interval: 10 };
const END = { code: 'node-shutdown', reason: 'The test is over.' } as const;
const SILENCE = Buffer.from([0xf8, 0xff, 0xfe]);
const [POP, CORE] = ['127.0.0.72', '127.0.0.71'];

let core: Core;
let edge: Edge;
let network: UdpNetwork<'pop' | 'core'>;
let metrics: Registry;
let call: EdgeCall;
let caller: LightCaller;
let events: ClientEvent[];
let spoken: string[];

const addresses = (host: string) => [
  { name: 'backbone', host, listenIp: '127.0.0.1' },
  { name: 'internet', host: '127.0.0.1' },
];

beforeEach(async () => {
  const ca = await temporaryCa();
  const [popPorts, corePorts] = [await freePorts(8, ['127.0.0.1', POP]), await freePorts(8, ['127.0.0.1', CORE])];
  network = await UdpNetwork.open({
    hosts: {
      pop: { ip: '127.0.0.1', announced: POP, ports: popPorts },
      core: { ip: '127.0.0.1', announced: CORE, ports: corePorts },
    },
    path: () => ({ delayMs: 1 }),
    clock: systemClock,
  });
  metrics = createMetrics({ processMetrics: false });
  events = [];
  spoken = [];
  const common = { clock: systemClock, log, workerBin: workerBin() };
  core = await Core.start({
    ...common,
    config: configSchema.parse({
      core: { controlPort: 0 },
      backbone: { addresses: addresses(CORE), ports: corePorts },
    }),
    nodeId: 'core-1',
    identity: await ca.issue({ nodeId: 'core-1', role: 'core' }),
    agents: new TonalAgents({ onSpoken: (text) => spoken.push(text), onHeard: () => {} }),
    metrics: createMetrics({ processMetrics: false }),
  });
  edge = await Edge.start({
    ...common,
    config: configSchema.parse({ edge: { mediaPort: 0 }, backbone: { addresses: addresses(POP), ports: popPorts } }),
    nodeId: 'pop-1',
    identity: await ca.issue({ nodeId: 'pop-1', role: 'pop' }),
    metrics,
  });
  const { host, port } = core.control;
  call = await edge.openCall({
    ...{ sessionId: 's1', epoch: 1, room: 'r', agent: 'counter', residency: null, confinement: null, metadata: {} },
    core: {
      ...{ nodeId: 'core-1', host, port },
      addresses: [
        { name: 'backbone', host, port },
        { name: 'internet', host, port },
      ],
    },
  });
  call.on('event', (event) => events.push(event));
  const localKey = makeSrtpKey();
  const door = await call.connectPlain({ srtpParameters: localKey, ssrc: 77 });
  caller = new LightCaller({
    remote: { ip: door.ip, port: door.port },
    localKey,
    remoteKey: { cryptoSuite: 'AEAD_AES_128_GCM', keyBase64: door.srtpParameters.keyBase64 },
    ssrc: 77,
    payloadType: door.payloadType,
    signal: { packets: [SILENCE], chirpAt: 0 },
    measureTrips: false,
  });
  await caller.start();
});

afterEach(async () => {
  await caller.stop();
  await edge.close(END);
  await core.close(END);
  await network[Symbol.asyncDispose]();
});

const ways = async () => (await edge.stats()).cores[0]!.ways;

test('its media goes on by the second way, at the same core, and nobody is told of a move', async () => {
  await expect.poll(() => call.stats().downlink.written, POLL).toBeGreaterThan(50);
  expect(network.path('pop', 'core').carried).toBeGreaterThan(20);
  await expect
    .poll(async () => Math.min(...(await ways()).map(({ quality }) => quality?.probes ?? 0)), POLL)
    .toBeGreaterThan(3);
  network.path('pop', 'core').cut(true);
  network.path('core', 'pop').cut(true);
  await expect.poll(async () => (await ways()).find(({ inUse }) => inUse)?.name, POLL).toBe('internet');
  const writtenThen = call.stats().downlink.written;
  // The agent says the rest of its sentence, but for what the dead way swallowed.
  await expect.poll(() => call.stats().downlink.written, POLL).toBeGreaterThan(writtenThen + 100);
  expect(spoken).toHaveLength(1);
  expect(call.stats().downlink.written).toBeLessThanOrEqual((COUNTED.length * WORD_MS) / 20 + 3);
  expect({ end: call.end, moved: events.filter(({ type }) => type === 'moved') }).toEqual({ end: null, moved: [] });
  expect(core.sessionCount).toBe(1);
  const changes = { way: 'internet', left: 'dead' };
  expect(await metricValue(metrics, 'antipode_backbone_way_changes_total', changes)).toBe(1);
  const [used, waiting] = await Promise.all(
    ['internet', 'backbone'].map((way) => metricValue(metrics, 'antipode_backbone_path_used', { core: 'core-1', way })),
  );
  expect([used, waiting]).toEqual([1, 0]);
});
