import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  ControlClient,
  type CoreEventTuple,
  type DevelopmentCa,
  ensureDevelopmentCa,
  type MediaWorker,
} from '../../src/backbone/index.ts';
import { systemClock } from '../../src/clock.ts';
import { loadConfig } from '../../src/config/index.ts';
import { Core } from '../../src/core/index.ts';
import { createOpusDecoder, createOpusEncoder } from '../../src/core/opus-codec.ts';
import { createMetrics, silentLogger } from '../../src/telemetry/index.ts';
import { ScriptedAgents } from './support/scripted-agents.ts';
import { ScriptedPop, startWorker, workerBin } from './support/scripted-pop.ts';
import { purity, sine } from './support/tone.ts';

const config = loadConfig({ file: null, environment: {} });
let stateDir: string;
let ca: DevelopmentCa;
let popWorker: MediaWorker;

beforeAll(async () => {
  stateDir = await mkdtemp(join(tmpdir(), 'antipode-core-'));
  [ca, popWorker] = await Promise.all([ensureDevelopmentCa(stateDir), startWorker('pop')]);
}, 20_000);
afterAll(async () => {
  await popWorker?.close();
  await rm(stateDir, { recursive: true });
});

async function setUp() {
  const agents = new ScriptedAgents();
  const metrics = createMetrics({ processMetrics: false });
  const core = await Core.start({
    config,
    nodeId: 'core-1',
    identity: await ca.issue({ nodeId: 'core-1', role: 'core' }),
    agents,
    clock: systemClock,
    log: silentLogger,
    metrics,
    workerBin: workerBin(),
  });
  const client = await ControlClient.connect({
    ...core.control,
    expectNodeId: 'core-1',
    identity: await ca.issue({ nodeId: 'pop-1', role: 'pop' }),
    region: 'local',
    clock: systemClock,
    log: silentLogger,
    metrics: createMetrics({ processMetrics: false }),
    requestTimeoutMs: 5_000,
  });
  client.on('event', (...[name, data]: CoreEventTuple) => {
    if (name !== 'session.journal') return;
    const { sessionId, epoch, from, notes } = data;
    client.send('session.journaled', { sessionId, epoch, to: from + notes.length - 1 });
  });
  const pop = new ScriptedPop(popWorker, (method, data) => client.request(method, data));
  await pop.openPipe();
  const close = async () => {
    await core.close({ code: 'node-shutdown', reason: 'The test is over.' });
    client.close();
    pop.pipe.close();
  };
  return { core, agents, metrics, client, pop, close };
}

/** The next event of this name; others come between. */
function told<E extends CoreEventTuple[0]>(
  client: ControlClient,
  event: E,
): Promise<Extract<CoreEventTuple, [E, unknown]>> {
  return new Promise((resolve) => {
    client.on('event', function heard(...tuple: CoreEventTuple) {
      if (tuple[0] !== event) return;
      client.off('event', heard);
      resolve(tuple as Extract<CoreEventTuple, [E, unknown]>);
    });
  });
}

/** Speaks a tone in real time, a packet every 20 ms, until `done` settles. */
async function speakUntil(done: Promise<unknown>, speak: (payload: Uint8Array) => void): Promise<void> {
  const encoder = await createOpusEncoder({ sampleRate: 16_000 });
  let frame = 0;
  const timer = setInterval(() => {
    speak(encoder.encode(sine(440, 16_000, 320, frame * 320)));
    frame += 1;
  }, 20);
  try {
    await done;
  } finally {
    clearInterval(timer);
    encoder.close();
  }
}

describe('Core', () => {
  it('hears a caller over a real pipe and answers over it', async () => {
    const { core, metrics, pop, close } = await setUp();
    const caller = pop.caller('s1');
    await caller.attach('echo');
    await caller.ready();
    await speakUntil(caller.hears(100), (payload) => caller.speak(payload));

    const heard = caller.heard.slice(0, 100);
    heard.forEach((view, index) => {
      expect(((view.packetNumber as number) - (heard[0]?.packetNumber as number)) | 0).toBe(index);
    });
    const decoder = await createOpusDecoder();
    const frames = heard.map((view) => decoder.decode(view.payload) as Int16Array);
    decoder.close();
    // Frame by frame, since a busy machine may bring silence between two of them.
    const purities = frames.slice(30).map((frame) => purity(frame, 440, 16_000));
    expect(purities.filter((share) => share > 0.9).length).toBeGreaterThan(purities.length * 0.7);

    const stats = await core.stats();
    expect(stats.sessions).toBe(1);
    expect(stats.workers).toMatchObject([{ name: 'core-1-0', generation: 1 }]);
    expect(stats.totals.mouthFrames).toBeGreaterThanOrEqual(100);
    expect(stats.totals).toMatchObject({ earMalformed: 0, earLost: 0, mouthBadReports: 0 });
    expect(stats.tickLatenessMs.count).toBeGreaterThan(50);
    await close();
    expect(await metrics.metrics()).toMatch(/antipode_core_mouth_frames_total\{core="core-1"\} [1-9]/);
  }, 20_000);

  it('keeps what its agents’ calls measured of services, for its record', async () => {
    const { core, agents, pop, close } = await setUp();
    const caller = pop.caller('s1');
    await caller.attach('echo');
    await caller.ready();
    const { legs } = agents.call('s1');
    const of = { kind: 'llm', service: 'openai', model: 'gpt-4.1', region: 'eu' } as const;
    legs!.took({ ...of, ms: 400, connectMs: 20, atMs: systemClock.now() });
    expect(core.measured.services).toMatchObject([{ ...of, count: 1 }]);
    await close();
  }, 20_000);

  it('loses its worker by SIGKILL and keeps its sessions, which go on over a new pipe', async () => {
    const { core, agents, client, pop, close } = await setUp();
    const caller = pop.caller('s1');
    await caller.attach('echo');
    await caller.ready();
    await speakUntil(caller.hears(10), (payload) => caller.speak(payload));
    const { pid } = (await core.stats()).workers[0] as { pid: number };

    const closed = told(client, 'pipe.closed');
    process.kill(pid, 'SIGKILL');
    expect(await closed).toEqual(['pipe.closed', { pipeId: 'pipe-1' }]);
    const before = caller.heard.length;
    const last = caller.heard.at(-1);
    await pop.openPipe();
    await caller.repipe();
    await speakUntil(caller.hears(before + 20), (payload) => caller.speak(payload));

    expect(agents.starts).toEqual(['echo s1']);
    expect(agents.call('s1').signal.aborted).toBe(false);
    const next = caller.heard[before];
    expect(next?.marker).toBe(true);
    // One numbering over both pipes; the clock went on meanwhile.
    const step = ((next?.packetNumber as number) - (last?.packetNumber as number)) | 0;
    expect(step).toBeGreaterThanOrEqual(1);
    // No more is lost than what went into the dying worker.
    expect(step).toBeLessThan(15);
    expect(((next?.timestamp as number) - (last?.timestamp as number)) | 0).toBeGreaterThan(960);
    expect((await core.stats()).workers).toMatchObject([{ generation: 2 }]);
    await close();
  }, 20_000);

  it('maps what the writer played to what was heard, and carries a flush to it', async () => {
    const { agents, client, pop, close } = await setUp();
    const caller = pop.caller('s1');
    await caller.attach('failing');
    await caller.ready();
    const { mouth } = agents.call('s1');
    const utterance = mouth.open();
    mouth.write(utterance, sine(300, 24_000, 24_000), 24_000);
    await caller.hears(3);
    const third = caller.heard[2]?.timestamp as number;
    const progressed = new Promise((resolve) => mouth.on('progressed', resolve));
    client.send('session.played', { ...caller.name, timestamp: third, frames: 2 });
    expect(await progressed).toEqual({ utterance, playedMs: 40, writtenMs: 1_000, complete: false });
    const flushed = told(client, 'session.flush');
    expect(mouth.flush()).toEqual([{ utterance, playedMs: 40, writtenMs: 1_000, complete: false }]);
    const [, data] = await flushed;
    expect((data.beforeTimestamp - third) % 960).toBe(0);
    expect((data.beforeTimestamp - third) | 0).toBeGreaterThan(0);
    await close();
  }, 20_000);

  it('tells the POP when it shuts down, and leaves no process', async () => {
    const { core, client, pop, close } = await setUp();
    const caller = pop.caller('s1');
    await caller.attach('echo');
    await caller.ready();
    const { pid } = (await core.stats()).workers[0] as { pid: number };
    const ended = told(client, 'session.ended');
    const closing = [close(), core.close({ code: 'node-shutdown', reason: 'Twice.' })];
    expect(await ended).toEqual([
      'session.ended',
      { sessionId: 's1', epoch: 1, end: { code: 'node-shutdown', reason: 'The test is over.' } },
    ]);
    await Promise.all(closing);
    expect(() => process.kill(pid, 0)).toThrow(expect.objectContaining({ code: 'ESRCH' }));
  }, 20_000);

  it('does not start, and leaves no worker behind, when its control port is taken', async () => {
    const { core, close } = await setUp();
    const start = Core.start({
      config: { ...config, core: { ...config.core, controlPort: core.control.port } },
      nodeId: 'core-2',
      identity: await ca.issue({ nodeId: 'core-2', role: 'core' }),
      agents: new ScriptedAgents(),
      clock: systemClock,
      log: silentLogger,
      metrics: createMetrics({ processMetrics: false }),
      workerBin: workerBin(),
    });
    await expect(start).rejects.toMatchObject({ code: 'ERR_PORT_IN_USE' });
    await close();
  }, 20_000);
});
