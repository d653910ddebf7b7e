/** A living call that moves: one POP, two cores, real control channels, pipes and workers, the real stages of an agent. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { LightCaller, makeSrtpKey } from '../../bench/light-caller/index.ts';
import type { ClientEvent } from '../../src/agent/client-events.ts';
import { systemClock } from '../../src/clock.ts';
import { configSchema } from '../../src/config/index.ts';
import { Core } from '../../src/core/index.ts';
import { Edge, type EdgeCall, type HandOverReason, type MoveRequest } from '../../src/edge/index.ts';
import { AntipodeError } from '../../src/errors.ts';
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
/** The POP's way to either core. */
let toFormer: CutLink;
let toNext: CutLink;
let edge: Edge;
let metrics: Registry;
let events: ClientEvent[];
let callers: LightCaller[];
let asked: MoveRequest[];
let became: string[];

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
  toFormer = await CutLink.open(former.control);
  toNext = await CutLink.open(next.control);
  events = [];
  callers = [];
  asked = [];
  became = [];
});

afterEach(async () => {
  await Promise.all(callers.map((caller) => caller.stop()));
  await edge.close(END);
  await Promise.all([toFormer[Symbol.asyncDispose](), toNext[Symbol.asyncDispose]()]);
  await Promise.all([former.close(END), next.close(END)]);
});

async function openCall(agent: string, packets: readonly Buffer[], onSent?: () => void): Promise<EdgeCall> {
  const { port } = toFormer;
  const call: EdgeCall = await edge.openCall({
    ...{ sessionId: 's1', epoch: 1, room: 'r', agent, residency: null, confinement: null, metadata: {} },
    core: { nodeId: 'core-1', host: '127.0.0.1', port },
    successor: async ({ epoch, excludedCores }) => {
      if (excludedCores.includes('core-2')) throw new AntipodeError('ERR_PLACEMENT_NO_CORE', 'Nobody is left.');
      const core = { nodeId: 'core-2', host: '127.0.0.1', port: toNext.port };
      return { core, epoch: epoch + 1, confinement: null };
    },
    mover: async (request) => {
      asked.push(request);
      return {
        core: { nodeId: 'core-2', host: '127.0.0.1', port: toNext.port },
        confinement: null,
        taken: async (epoch) => void became.push(`taken ${epoch}`),
        dropped: () => became.push('dropped'),
        returned: async (epoch) => {
          became.push(`returned ${epoch + 1}`);
          return epoch + 1;
        },
      };
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
const counted = (reason: HandOverReason, outcome: string) =>
  metricValue(metrics, 'antipode_edge_hand_overs_total', { reason, outcome });

describe('a call that moves while its core lives', () => {
  test('goes between two turns: no word of the caller is lost or heard twice, and the gap is short', async () => {
    const packets = await tonalWords(8, 1_500);
    let sent = 0;
    const moves: Promise<unknown>[] = [];
    const call = await openCall('listener', packets, () => {
      sent += 1;
      // In the middle of the third word: the pause after it is waited for.
      if (sent === 150 + 18) moves.push(call.handOver({ reason: 'order', withinMs: 5_000, cut: false }));
    });
    await expect.poll(moved, POLL).toMatchObject({ reason: 'order' });
    const done = await moves[0];
    expect(done).toMatchObject({ from: 'core-1', to: 'core-2', epoch: 2, atTurnBoundary: true });
    expect((done as { gapMs: number }).gapMs).toBeLessThan(1_000);
    expect(asked).toEqual([{ sessionId: 's1', reason: 'order', from: 'core-1' }]);
    expect(became).toEqual(['taken 2']);
    expect([call.epoch, call.coreId]).toEqual([2, 'core-2']);
    await expect.poll(() => former.sessionCount, POLL).toBe(0);
    expect(next.sessionCount).toBe(1);

    await expect.poll(() => transcript().length, POLL).toBeGreaterThanOrEqual(7);
    expect(transcript().slice(0, 7)).toEqual(['word1', 'word2', 'word3', 'word4', 'word5', 'word6', 'word7']);
    // The third word was the former core's to the end, the fourth is the next one's.
    expect(formerAgents.heard).toEqual(['word1', 'word2', 'word3']);
    expect(nextAgents.heard.slice(0, 1)).toEqual(['word4']);
    expect(await counted('order', 'moved')).toBe(1);
  });

  test('is cut off at the end of its time where no pause comes, and goes on with the first word that was not played', async () => {
    const call = await openCall('counter', [SILENCE]);
    await expect.poll(() => call.stats().downlink.written, POLL).toBeGreaterThan(60);
    const done = await call.handOver({ reason: 'drain', withinMs: 200, cut: true });
    expect(done).toMatchObject({ epoch: 2, atTurnBoundary: false });
    await expect.poll(() => nextAgents.spoken.length, POLL).toBe(1);
    const rest = nextAgents.spoken.join(' ').replace('.', '').split(' ');
    const [known] = nextAgents.calls[0]!.resumed!.conversation.entries;
    const played = known && 'text' in known ? known.text.split(' ') : [];
    // Played to its end by the one, or said by the other: no word is missing, none is twice.
    expect([...played, ...rest]).toEqual(COUNTED);
    expect(played.length).toBeGreaterThan(2);
    expect(rest.length).toBeGreaterThan(2);
    await expect.poll(() => former.sessionCount, POLL).toBe(0);
    const words = (rest.length * WORD_MS) / 20;
    await expect.poll(() => call.stats().downlink.written, POLL).toBeGreaterThanOrEqual(words + played.length * 20);
    expect(call.end).toBe(null);
  });

  test('stays where no pause comes and it may not be cut off', async () => {
    const call = await openCall('counter', [SILENCE]);
    await expect.poll(() => call.stats().downlink.written, POLL).toBeGreaterThan(60);
    const refused = call.handOver({ reason: 'order', withinMs: 100, cut: false });
    await expect(refused).rejects.toMatchObject({ code: 'ERR_HANDOVER_REFUSED' });
    expect([call.epoch, call.coreId, became]).toEqual([1, 'core-1', ['dropped']]);
    // It says all that it had to say.
    await expect.poll(() => call.stats().downlink.written, POLL).toBeGreaterThanOrEqual((20 * WORD_MS) / 20);
    expect(nextAgents.calls).toEqual([]);
    expect(await counted('order', 'stayed')).toBe(1);
  });

  test('goes on at its core as if nothing had happened when the other one refuses it', async () => {
    // Known only when it is asked: by then the former core has paused.
    nextAgents.agents.length = 0;
    const packets = await tonalWords(5, 1_500);
    let sent = 0;
    const moves: Promise<unknown>[] = [];
    const call = await openCall('listener', packets, () => {
      sent += 1;
      if (sent !== 110) return;
      moves.push(call.handOver({ reason: 'order', withinMs: 3_000, cut: false }).catch((error) => error));
    });
    await expect.poll(() => moves.length, POLL).toBe(1);
    expect(await moves[0]).toMatchObject({ code: 'ERR_AGENT_UNKNOWN' });
    await expect.poll(() => transcript().length, POLL).toBeGreaterThanOrEqual(5);
    expect(transcript().slice(0, 5)).toEqual(['word1', 'word2', 'word3', 'word4', 'word5']);
    expect([call.epoch, call.coreId, became]).toEqual([1, 'core-1', ['dropped']]);
    // The same agent: it was paused, not started again.
    expect(formerAgents.calls.length).toBe(1);
    call.sendMessage({ type: 'text', text: 'typed' });
    await expect.poll(() => formerAgents.heard.includes('typed'), POLL).toBe(true);
  });

  test('goes on at its core with the next word when it was cut off and the other core refuses it', async () => {
    nextAgents.agents.length = 0;
    const call = await openCall('counter', [SILENCE]);
    await expect.poll(() => call.stats().downlink.written, POLL).toBeGreaterThan(60);
    const refused = call.handOver({ reason: 'drain', withinMs: 200, cut: true });
    await expect(refused).rejects.toMatchObject({ code: 'ERR_AGENT_UNKNOWN' });
    await expect.poll(() => formerAgents.calls.length, POLL).toBe(2);
    await expect.poll(() => formerAgents.spoken.length, POLL).toBe(2);
    const rest = formerAgents.spoken[1]!.replace('.', '').split(' ');
    const [known] = formerAgents.calls[1]!.resumed!.conversation.entries;
    const played = known && 'text' in known ? known.text.split(' ') : [];
    expect([...played, ...rest]).toEqual(COUNTED);
    expect([call.coreId, call.end, became]).toEqual(['core-1', null, ['dropped', 'returned 2']]);
    expect(former.sessionCount).toBe(1);
  });

  test('is taken over as ever when its core is lost before it has paused', async () => {
    const call = await openCall('counter', [SILENCE]);
    await expect.poll(() => call.stats().downlink.written, POLL).toBeGreaterThan(60);
    const lost = call.handOver({ reason: 'order', withinMs: 10_000, cut: false });
    lost.catch(() => {});
    await expect.poll(() => asked.length, POLL).toBe(1);
    toFormer.cut();
    await expect(lost).rejects.toMatchObject({ code: 'ERR_BACKBONE_CLOSED' });
    await expect.poll(moved, POLL).toMatchObject({ reason: 'core-lost' });
    expect([call.coreId, call.end]).toEqual(['core-2', null]);
    await expect.poll(() => nextAgents.spoken.length, POLL).toBe(1);
  });
});
