import { describe, expect, test } from 'vitest';
import { agentMetrics } from '../../../src/agent/agent-metrics.ts';
import type { EarFrame } from '../../../src/agent/types.ts';
import type { VadBatchItem, VadModel } from '../../../src/agent/vad/silero.ts';
import {
  VadBatcher,
  type VadBatcherOptions,
  type VadListener,
  type VadResult,
} from '../../../src/agent/vad/vad-batcher.ts';
import { createMetrics, silentLogger } from '../../../src/telemetry/index.ts';
import { FakeClock } from '../../support/fake-clock.ts';

/** Answers with the mean of the window; lets the test hold runs back and fail them. */
class FakeModel implements VadModel {
  readonly batches: number[] = [];
  running = 0;
  mostAtOnce = 0;
  failing = false;
  hold: Promise<void> | null = null;

  async run(items: readonly VadBatchItem[]): Promise<void> {
    this.running++;
    this.mostAtOnce = Math.max(this.mostAtOnce, this.running);
    this.batches.push(items.length);
    await this.hold;
    this.running--;
    if (this.failing) throw new Error('no');
    for (const item of items) item.probability = item.input[300]!;
  }

  async close(): Promise<void> {}
}

function setUp(options: Partial<VadBatcherOptions> = {}) {
  const model = new FakeModel();
  const metrics = agentMetrics(createMetrics({ processMetrics: false }));
  const batcher = new VadBatcher({
    model,
    log: silentLogger,
    runSeconds: metrics.vadRunSeconds,
    batchSize: metrics.vadBatchSize,
    failures: metrics.vadFailures,
    directStreams: 100,
    ...options,
  });
  const failures = async () => (await metrics.vadFailures.get()).values[0]?.value ?? 0;
  return { model, batcher, failures };
}

function collector() {
  const results: VadResult[] = [];
  const failed: string[] = [];
  const listener: VadListener = {
    result: (result) => results.push(result),
    failed: (error) => failed.push(error.code),
  };
  return { results, failed, listener };
}

/** `level` is what the fake model answers with. */
function frame(position: number, level: number, samples = 512): EarFrame {
  return { pcm: new Int16Array(samples).fill(level * 32_768), position, receivedAtMs: position, origin: 'received' };
}

const settle = async () => {
  for (let turns = 0; turns < 20; turns++) await new Promise((resolve) => setImmediate(resolve));
};

describe('the voice activity batcher', () => {
  test('takes one window of each call that waits in one run', async () => {
    const { model, batcher } = setUp();
    const calls = [0.1, 0.2, 0.3].map((level) => {
      const { results, listener } = collector();
      batcher.open(listener).push(frame(0, level));
      return results;
    });
    await settle();
    expect(model.batches).toEqual([3]);
    expect(calls.map((results) => results[0]!.probability.toFixed(1))).toEqual(['0.1', '0.2', '0.3']);
  });

  test('with many calls lets the first window wait for those of the others, for 5 ms', async () => {
    const clock = new FakeClock();
    const { model, batcher } = setUp({ clock, directStreams: 2 });
    const calls = [0.1, 0.2, 0.3].map((level) => ({ level, ...collector() }));
    const streams = calls.map(({ listener }) => batcher.open(listener));
    for (const [index, { level }] of calls.entries()) {
      streams[index]!.push(frame(0, level));
      await settle();
      clock.advance(2);
      await settle();
    }
    expect(model.batches).toEqual([3]);
    expect(calls.map(({ results }) => results[0]!.probability.toFixed(1))).toEqual(['0.1', '0.2', '0.3']);
  });

  test('with few calls lets no window wait', async () => {
    const { model, batcher } = setUp({ clock: new FakeClock(), directStreams: 2 });
    for (const _ of [1, 2]) batcher.open(collector().listener).push(frame(0, 0.5));
    await settle();
    expect(model.batches).toEqual([2]);
  });

  test('closes at once while windows wait for others', async () => {
    const clock = new FakeClock();
    const { model, batcher } = setUp({ clock, directStreams: 0 });
    batcher.open(collector().listener).push(frame(0, 0.5));
    await batcher.close();
    expect(model.batches).toEqual([]);
    expect(clock.pendingCount).toBe(0);
  });

  test('cuts frames of 20 ms into windows and dates each by its end', async () => {
    const { batcher } = setUp();
    const { results, listener } = collector();
    const stream = batcher.open(listener);
    for (let index = 0; index < 8; index++) stream.push(frame(index * 320, 0.5, 320));
    await settle();
    expect(results.map(({ position }) => position)).toEqual([512, 1_024, 1_536, 2_048, 2_560]);
    expect(results[0]!.receivedAtMs).toBe(320);
  });

  test('asks the model no more once silence that was made up has lasted, and at once when the caller is back', async () => {
    const { model, batcher } = setUp();
    const { results, listener } = collector();
    const stream = batcher.open(listener);
    let position = 0;
    const push = async (level: number, origin: EarFrame['origin'], windows: number) => {
      for (let index = 0; index < windows; index++, position += 512) {
        stream.push({ ...frame(position, level), origin });
        await settle();
      }
    };
    await push(0.5, 'received', 2);
    await push(0, 'silence', 40);
    expect(model.batches).toHaveLength(2 + 16);
    expect(results).toHaveLength(42);
    expect(results.at(-1)).toEqual({ probability: 0, position: 42 * 512, receivedAtMs: 41 * 512 });
    await push(0.5, 'received', 1);
    expect(model.batches).toHaveLength(2 + 16 + 1);
    expect(results.at(-1)!.probability).toBe(0.5);
  });

  test('goes on asking in silence after which it still heard a voice', async () => {
    const { model, batcher } = setUp();
    model.run = async (items) => {
      model.batches.push(items.length);
      for (const item of items) item.probability = 0.4;
    };
    const stream = batcher.open(collector().listener);
    for (let index = 0; index < 30; index++) {
      stream.push({ ...frame(index * 512, 0), origin: 'silence' });
      await settle();
    }
    expect(model.batches).toHaveLength(30);
  });

  test('never has two runs at once, and delivers in order what came during one', async () => {
    const { model, batcher } = setUp();
    let release = () => {};
    model.hold = new Promise((resolve) => (release = resolve));
    const { results, listener } = collector();
    const stream = batcher.open(listener);
    stream.push(frame(0, 0.1));
    await settle();
    stream.push(frame(512, 0.2));
    stream.push(frame(1_024, 0.3));
    await settle();
    expect(results).toHaveLength(0);
    release();
    await settle();
    expect(model.mostAtOnce).toBe(1);
    expect(results.map(({ position }) => position)).toEqual([512, 1_024, 1_536]);
  });

  test('splits what is more than one run may take', async () => {
    const { model, batcher } = setUp({ maxBatch: 2 });
    for (let index = 0; index < 5; index++) batcher.open(collector().listener).push(frame(0, 0.5));
    await settle();
    expect(model.batches).toEqual([2, 2, 1]);
  });

  test('survives a failed run, and counts it', async () => {
    const { model, batcher, failures } = setUp();
    const { results, failed, listener } = collector();
    const stream = batcher.open(listener);
    model.failing = true;
    stream.push(frame(0, 0.1));
    await settle();
    model.failing = false;
    stream.push(frame(512, 0.2));
    await settle();
    expect(results.map(({ position }) => position)).toEqual([1_024]);
    expect(failed).toEqual([]);
    expect(await failures()).toBe(1);
  });

  test('gives a call up after several failed runs in a row, with the error', async () => {
    const { model, batcher } = setUp({ maxFailures: 3 });
    const { failed, listener } = collector();
    const stream = batcher.open(listener);
    model.failing = true;
    for (let index = 0; index < 4; index++) stream.push(frame(index * 512, 0.1));
    await settle();
    expect(failed).toEqual(['ERR_SERVICE_FAILED']);
    expect(batcher.streamCount).toBe(0);
  });

  test("does not let one call's broken listener cost another its results", async () => {
    const { batcher } = setUp();
    const broken: VadListener = {
      result() {
        throw new Error('no');
      },
      failed() {},
    };
    const { results, listener } = collector();
    batcher.open(broken).push(frame(0, 0.1));
    const good = batcher.open(listener);
    good.push(frame(0, 0.1));
    await settle();
    good.push(frame(512, 0.1));
    await settle();
    expect(results).toHaveLength(2);
  });

  test('drops the oldest windows of a call that outruns the model, and counts them', async () => {
    const { batcher, failures } = setUp({ maxWaitingWindows: 3 });
    const { results, listener } = collector();
    const stream = batcher.open(listener);
    for (let index = 0; index < 5; index++) stream.push(frame(index * 512, 0.1));
    await settle();
    expect(results.map(({ position }) => position)).toEqual([1_536, 2_048, 2_560]);
    expect(await failures()).toBe(2);
  });

  test('hears 30 s of a caller that come at once, without waiting for others, and loses none', async () => {
    const clock = new FakeClock();
    const { batcher, failures } = setUp({ directStreams: 1, clock });
    const { results, listener } = collector();
    const stream = batcher.open(listener);
    batcher.open(collector().listener);
    for (let index = 0; index < 940; index++) stream.push(frame(index * 512, 0.1));
    clock.advance(5);
    for (let turns = 0; results.length < 937 && turns < 2_000; turns++) await settle();
    // All but the last few, which wait for what others have, as ever.
    expect(results.length).toBeGreaterThanOrEqual(937);
    await expect
      .poll(() => {
        clock.advance(5);
        return results.length;
      })
      .toBe(940);
    expect(results.map(({ position }) => position)).toEqual(results.map((_, index) => (index + 1) * 512));
    expect(await failures()).toBe(0);
  });

  test('delivers nothing after a stream or the batcher was closed', async () => {
    const { batcher } = setUp();
    const { results, listener } = collector();
    const first = batcher.open(listener);
    const second = batcher.open(listener);
    first.push(frame(0, 0.1));
    second.push(frame(0, 0.1));
    first.close();
    first.close();
    await batcher.close();
    await settle();
    expect(results).toEqual([]);
    expect(() => batcher.open(listener)).toThrow(/closed/);
  });
});
