import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FakeCall } from '../../bench/fake-pop/fake-call.ts';
import { FakePipe } from '../../bench/fake-pop/pipe.ts';
import { recordScript } from '../../bench/fake-pop/script.ts';
import { OwnLag } from '../../bench/light-caller/index.ts';
import type { EarFrame, Heard } from '../../src/agent/index.ts';
import { ControlClient, type CoreEventTuple, ensureDevelopmentCa } from '../../src/backbone/index.ts';
import { systemClock } from '../../src/clock.ts';
import { loadConfig } from '../../src/config/index.ts';
import { Core } from '../../src/core/index.ts';
import { createMetrics, silentLogger } from '../../src/telemetry/index.ts';
import { ScriptedAgents } from '../core/support/scripted-agents.ts';
import { workerBin } from '../core/support/scripted-pop.ts';

const END = { code: 'node-shutdown', reason: 'The test is over.' } as const;
const agents = new ScriptedAgents();
let stateDir: string;
let core: Core;
let client: ControlClient;
let pipe: FakePipe;

beforeAll(async () => {
  stateDir = await mkdtemp(join(tmpdir(), 'antipode-fake-pop-'));
  const ca = await ensureDevelopmentCa(stateDir);
  core = await Core.start({
    config: loadConfig({ file: null, environment: {} }),
    nodeId: 'core-1',
    identity: await ca.issue({ nodeId: 'core-1', role: 'core' }),
    agents,
    clock: systemClock,
    log: silentLogger,
    metrics: createMetrics({ processMetrics: false }),
    workerBin: workerBin(),
  });
  client = await ControlClient.connect({
    ...core.control,
    expectNodeId: 'core-1',
    identity: await ca.issue({ nodeId: 'pop-1', role: 'pop' }),
    region: 'local',
    clock: systemClock,
    log: silentLogger,
    metrics: createMetrics({ processMetrics: false }),
    requestTimeoutMs: 5_000,
  });
  pipe = await FakePipe.open(client);
}, 20_000);

afterAll(async () => {
  await core?.close(END);
  pipe?.close();
  client?.close();
  await rm(stateDir, { recursive: true, force: true });
});

describe('a call of the fake POP', () => {
  it('is heard by a real core, hears its answer whole, and reports what was played', async () => {
    const call = new FakeCall({
      client,
      pipe,
      sessionId: 'session-1',
      agent: 'failing',
      metadata: {},
      script: await recordScript([{ silenceMs: 200 }, { noiseMs: 400 }, { silenceMs: 1_400 }]),
      firstFrame: 0,
      uplinkSsrc: 77,
      lag: new OwnLag(),
    });
    client.on('event', (...event: CoreEventTuple) => call.coreEvent(event, performance.now()));
    await call.open();
    await call.start(performance.now());
    const { ear, mouth } = agents.call('session-1');
    const heard: EarFrame[] = [];
    ear.onFrame((frame) => heard.push(frame));
    const ended = new Promise<Heard & { flushed: boolean }>((resolve) => mouth.on('ended', resolve));
    const ticks = setInterval(() => call.tick(performance.now()), 5);
    const startedAtMs = performance.now();
    const utterance = mouth.open();
    mouth.write(utterance, new Int16Array(16_000 / 2).fill(3_000), 16_000);
    mouth.finish(utterance);
    const confirmedMs = await Promise.race([ended.then(() => performance.now() - startedAtMs), sleep(1_500)]);
    await sleep(700);
    clearInterval(ticks);

    // Told by the writer, and not given up: that would take two seconds.
    expect(confirmedMs).toBeLessThan(1_500);
    expect(await ended).toMatchObject({ flushed: false, complete: true });
    const report = call.report();
    expect(report).toMatchObject({ lost: 0, disordered: 0, ended: null });
    expect(report.spurts.reduce((sum, { frames }) => sum + frames, 0)).toBeGreaterThanOrEqual(25);
    expect(report.sounds.map(({ kind, edge }) => `${kind} ${edge}`)).toEqual(['noise first', 'noise last']);
    const peak = ({ pcm }: EarFrame) => pcm.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0);
    const loud = heard.filter((frame) => frame.origin === 'received' && peak(frame) > 1_000);
    expect(loud.length).toBeGreaterThanOrEqual(18);
    expect(loud.length).toBeLessThanOrEqual(23);
    await call.hangUp();
    expect(core.sessionCount).toBe(0);
    expect(pipe.strays).toBe(0);
  });
});
