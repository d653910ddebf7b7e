/** A call whose core is lost: one POP, two cores, real control channels, pipes and workers, the real stages of an agent. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { LightCaller, makeSrtpKey } from '../../bench/light-caller/index.ts';
import type { ClientEvent } from '../../src/agent/client-events.ts';
import { systemClock } from '../../src/clock.ts';
import { configSchema } from '../../src/config/index.ts';
import { Core } from '../../src/core/index.ts';
import { type CallRequest, Edge, type EdgeCall } from '../../src/edge/index.ts';
import { createMetrics, type Registry, silentLogger } from '../../src/telemetry/index.ts';
import { temporaryCa } from '../backbone/support/control.ts';
import { metricValue, workerBin } from '../backbone/support/workers.ts';
import { CutLink } from './support/cut-link.ts';
import { COUNTED, TonalAgents, tonalWords, WORD_MS } from './support/tonal-agents.ts';

const END = { code: 'node-shutdown', reason: 'The test is over.' } as const;
const POLL = { timeout: 20_000, interval: 10 };
const SSRC = 77;
/** 20 ms of Opus silence. */
const SILENCE = Buffer.from([0xf8, 0xff, 0xfe]);

// Real processes on a machine that may be busy with other tests.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 30_000 });

let former: Core;
let next: Core;
let formerAgents: TonalAgents;
let nextAgents: TonalAgents;
let link: CutLink;
let edge: Edge;
let metrics: Registry;
let events: ClientEvent[];
let callers: LightCaller[];
let asked: Parameters<NonNullable<CallRequest['successor']>>[0][];
/** Frames of the agent that were written when another core was asked for. */
let writtenThen: number;

beforeEach(async () => {
  const ca = await temporaryCa();
  const config = configSchema.parse({ edge: { mediaPort: 0 }, core: { controlPort: 0 } });
  metrics = createMetrics({ processMetrics: false });
  formerAgents = new TonalAgents();
  nextAgents = new TonalAgents();
  const startCore = async (nodeId: string, agents: TonalAgents) =>
    Core.start({
      config,
      nodeId,
      identity: await ca.issue({ nodeId, role: 'core' }),
      agents,
      clock: systemClock,
      log: silentLogger,
      metrics: createMetrics({ processMetrics: false }),
      workerBin: workerBin(),
    });
  [former, next, edge] = await Promise.all([
    startCore('core-1', formerAgents),
    startCore('core-2', nextAgents),
    Edge.start({
      config,
      nodeId: 'pop-1',
      identity: await ca.issue({ nodeId: 'pop-1', role: 'pop' }),
      clock: systemClock,
      log: silentLogger,
      metrics,
      workerBin: workerBin(),
    }),
  ]);
  link = await CutLink.open(former.control);
  events = [];
  callers = [];
  asked = [];
});

afterEach(async () => {
  await Promise.all(callers.map((caller) => caller.stop()));
  await edge.close(END);
  await link[Symbol.asyncDispose]();
  await Promise.all([former.close(END), next.close(END)]);
});

async function openCall(
  agent: string,
  packets: readonly Buffer[],
  onSent?: (place: number) => void,
): Promise<EdgeCall> {
  const call: EdgeCall = await edge.openCall({
    ...{ sessionId: 's1', epoch: 1, room: 'r', agent, residency: null, confinement: null, metadata: {} },
    core: { nodeId: 'core-1', host: '127.0.0.1', port: link.port },
    successor: async (request) => {
      asked.push(request);
      writtenThen = call.stats().downlink.written;
      return { core: { nodeId: 'core-2', ...next.control }, epoch: request.epoch + 1, confinement: null };
    },
  });
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
    ...(onSent && { onSent }),
  });
  callers.push(caller);
  await caller.start();
  return call;
}

/** The caller's words as the client has them in the end. */
const transcript = () => {
  const lines = new Map<string, string>();
  for (const event of events)
    if (event.type === 'transcript' && event.role === 'caller' && event.final) lines.set(event.id, event.text);
  return [...lines.values()];
};
const moved = () => events.find((event) => event.type === 'moved');
const taken = (outcome: string) =>
  metricValue(metrics, 'antipode_edge_take_overs_total', { reason: 'core-lost', outcome });

describe('a call whose core is lost', () => {
  test('goes on with the first word that was not played, and the former core is not heard any more', async () => {
    const call = await openCall('counter', [SILENCE]);
    await expect.poll(() => call.stats().downlink.written, POLL).toBeGreaterThan(120);
    link.cut();
    await expect.poll(moved, POLL).toBeDefined();
    expect(asked).toMatchObject([{ sessionId: 's1', epoch: 1, reason: 'core-lost', excludedCores: ['core-1'] }]);
    expect(call.epoch).toBe(2);

    const played = Math.floor((writtenThen * 20) / WORD_MS);
    await expect.poll(() => nextAgents.spoken.length, POLL).toBe(1);
    const rest = nextAgents.spoken.join(' ').replace('.', '').split(' ');
    // No word twice, and none left out.
    expect(rest).toEqual(COUNTED.slice(played));
    expect(nextAgents.calls[0]?.resumed?.conversation.entries).toEqual([
      { role: 'agent', turn: 0, text: COUNTED.slice(0, played).join(' '), interrupted: false },
    ]);

    // The former core may be reached again: it lets go of the call.
    expect(former.sessionCount).toBe(1);
    link.mend();
    await expect.poll(() => former.sessionCount, POLL).toBe(0);
    const all = writtenThen + (rest.length * WORD_MS) / 20;
    await expect.poll(() => call.stats().downlink.written, POLL).toBeGreaterThanOrEqual(all);
    expect(call.stats().downlink.written).toBeLessThanOrEqual(all + 3);
    expect(call.end).toBe(null);
    expect(await taken('resumed')).toBe(1);
  });

  test('hears what the caller said meanwhile, every word once and in order', async () => {
    const packets = await tonalWords(8, 1_500);
    let sent = 0;
    const call = await openCall('listener', packets, () => {
      sent += 1;
      // In the middle of the third word.
      if (sent === 150 + 18) link.cut();
    });
    await expect.poll(moved, POLL).toBeDefined();
    await expect.poll(() => transcript().length, POLL).toBeGreaterThanOrEqual(6);
    expect(transcript().slice(0, 6)).toEqual(['word1', 'word2', 'word3', 'word4', 'word5', 'word6']);
    // What the former core still hears is nobody's any more.
    const { entries } = nextAgents.calls[0]!.resumed!.conversation;
    expect(entries.map((entry) => 'text' in entry && entry.text)).toEqual(['word1', 'word2']);
    expect(call.stats().uplink.overwritten).toBe(0);
  });

  test('gives the next core what the client wrote to the lost one', async () => {
    const call = await openCall('listener', [SILENCE]);
    await expect.poll(() => formerAgents.calls.length, POLL).toBe(1);
    call.sendMessage({ type: 'text', text: 'before' });
    await expect.poll(() => formerAgents.heard, POLL).toEqual(['before']);
    link.cut();
    call.sendMessage({ type: 'text', text: 'meanwhile' });
    await expect.poll(moved, POLL).toBeDefined();
    await expect.poll(() => nextAgents.heard, POLL).toEqual(['meanwhile']);
    expect(formerAgents.heard).toEqual(['before']);
  });

  test('goes on at another core when its own ends in good order, at once', async () => {
    const call = await openCall('counter', [SILENCE]);
    await expect.poll(() => call.stats().downlink.written, POLL).toBeGreaterThan(120);
    await former.close(END);
    await expect.poll(moved, POLL).toMatchObject({ reason: 'core-shutdown' });
    await expect.poll(() => nextAgents.spoken.length, POLL).toBe(1);
    const rest = nextAgents.spoken.join(' ').replace('.', '').split(' ');
    expect(rest).toEqual(COUNTED.slice(Math.floor((writtenThen * 20) / WORD_MS)));
    expect(call.end).toBe(null);
  });

  test('ends with the reason when nobody can take it', async () => {
    const call = await openCall('counter', [SILENCE]);
    await expect.poll(() => call.stats().downlink.written, POLL).toBeGreaterThan(5);
    const ended = new Promise((resolve) => call.once('ended', resolve));
    await next.close(END);
    link.cut();
    expect(await ended).toMatchObject({ code: 'agent-failed' });
    expect(await taken('failed')).toBe(1);
  });
});
