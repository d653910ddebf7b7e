import { EventEmitter } from 'node:events';
import { describe, expect, onTestFinished, test } from 'vitest';
import { SMART_TURN_SAMPLES } from '../../../../src/agent/turn-taking/smart-turn/log-mel.ts';
import {
  SmartTurn,
  type SmartTurnOptions,
  type SmartTurnThread,
} from '../../../../src/agent/turn-taking/smart-turn/smart-turn.ts';
import type { ThreadAnswer, ThreadRequest } from '../../../../src/agent/turn-taking/smart-turn/thread.ts';
import { createMetrics, silentLogger } from '../../../../src/telemetry/index.ts';
import { FakeClock } from '../../../support/fake-clock.ts';

/** A thread that does what the test says. */
class FakeThread extends EventEmitter implements SmartTurnThread {
  readonly runs: { id: number; pcm: Int16Array }[] = [];
  refs = true;
  endsWhenAsked = true;
  terminated = 0;

  postMessage(message: ThreadRequest, transfer: readonly ArrayBuffer[]): void {
    const received = structuredClone(message, { transfer: [...transfer] });
    if (received.type === 'run') this.runs.push(received);
    else if (this.endsWhenAsked) this.emit('exit', 0);
  }
  async terminate(): Promise<void> {
    this.terminated++;
  }
  ref(): void {
    this.refs = true;
  }
  unref(): void {
    this.refs = false;
  }
  say(answer: ThreadAnswer): void {
    this.emit('message', answer);
  }
  /** Answers the run under way, which is the last one. */
  finish(probability: number): void {
    this.say({ type: 'result', id: this.runs.at(-1)!.id, probability, featuresMs: 3, modelMs: 40 });
  }
}

async function setUp(options: Partial<SmartTurnOptions> = {}) {
  const thread = new FakeThread();
  const clock = new FakeClock();
  const metrics = createMetrics({ processMetrics: false });
  const loading = SmartTurn.load({
    weightsFile: '/weights.onnx',
    clock,
    log: silentLogger,
    metrics,
    startThread: () => thread,
    ...options,
  });
  thread.say({ type: 'ready' });
  const model = await loading;
  onTestFinished(() => model.close());
  const failures = async () => {
    const { values } = await metrics.getSingleMetric('antipode_smart_turn_failures_total')!.get();
    return Object.fromEntries(values.map(({ labels, value }) => [labels.code, value]));
  };
  return { model, thread, clock, metrics, failures };
}

const sound = (value: number, samples = 160) => new Int16Array(samples).fill(value);
/** The rejection's code, or the answer; never leaves a rejection unhandled. */
const outcome = (asked: Promise<number>) => asked.catch((error: { code?: string; name: string }) => error.code);

describe('asking Smart Turn', () => {
  test('runs one question at a time, in the order of asking', async () => {
    const { model, thread } = await setUp();
    const answers = [model.probability(sound(1)), model.probability(sound(2)), model.probability(sound(3))];
    expect(thread.runs.map(({ pcm }) => pcm[0])).toEqual([1]);
    thread.finish(0.1);
    expect(thread.runs.map(({ pcm }) => pcm[0])).toEqual([1, 2]);
    thread.finish(0.2);
    thread.finish(0.3);
    expect(await Promise.all(answers)).toEqual([0.1, 0.2, 0.3]);
    expect(model.pendingCount).toBe(0);
  });

  test('sends a copy of the last 8 s', async () => {
    const { model, thread } = await setUp();
    const pcm = sound(5, SMART_TURN_SAMPLES + 100);
    pcm[100] = 77;
    const asked = outcome(model.probability(pcm));
    pcm.fill(0);
    expect(thread.runs[0]!.pcm.length).toBe(SMART_TURN_SAMPLES);
    expect([...thread.runs[0]!.pcm.subarray(0, 3)]).toEqual([77, 5, 5]);
    expect(pcm.length).toBe(SMART_TURN_SAMPLES + 100);
    thread.finish(0.5);
    await asked;
  });

  test('refuses a question without sound', async () => {
    const { model, thread } = await setUp();
    await expect(model.probability(new Int16Array(0))).rejects.toThrow(RangeError);
    expect(thread.runs).toEqual([]);
  });

  test('gives up after the time-out, in the queue and running, and goes on when the thread answers late', async () => {
    const { model, thread, clock, failures } = await setUp({ timeoutMs: 1_000 });
    const running = outcome(model.probability(sound(1)));
    const waiting = outcome(model.probability(sound(2)));
    clock.advance(999);
    expect(model.pendingCount).toBe(2);
    const later = model.probability(sound(3));
    clock.advance(1);
    expect([await running, await waiting]).toEqual(['ERR_SERVICE_TIMEOUT', 'ERR_SERVICE_TIMEOUT']);
    thread.finish(0.9);
    expect(thread.runs.map(({ pcm }) => pcm[0])).toEqual([1, 3]);
    thread.finish(0.4);
    expect(await later).toBe(0.4);
    expect(await failures()).toEqual({ ERR_SERVICE_TIMEOUT: 2 });
    expect(clock.pendingCount).toBe(0);
  });

  test('refuses at once when too many wait', async () => {
    const { model, thread, failures } = await setUp({ maxWaiting: 2 });
    const asked = [1, 2, 3].map((value) => outcome(model.probability(sound(value))));
    expect(await outcome(model.probability(sound(4)))).toBe('ERR_SERVICE_UNAVAILABLE');
    expect(await failures()).toEqual({ ERR_SERVICE_UNAVAILABLE: 1 });
    for (let run = 0; run < 3; run++) thread.finish(0.5);
    expect(await Promise.all(asked)).toEqual([0.5, 0.5, 0.5]);
  });

  test('a question that is taken back never runs, and is no failure', async () => {
    const { model, thread, clock, failures } = await setUp();
    const first = model.probability(sound(1));
    const abort = new AbortController();
    const second = model.probability(sound(2), { signal: abort.signal });
    abort.abort(new Error('the caller goes on'));
    await expect(second).rejects.toThrow('the caller goes on');
    thread.finish(0.3);
    expect(await first).toBe(0.3);
    expect(thread.runs.length).toBe(1);
    expect(await failures()).toEqual({});
    expect(clock.pendingCount).toBe(0);
    await expect(model.probability(sound(3), { signal: abort.signal })).rejects.toThrow('the caller goes on');
  });

  test('a run that fails costs its own question alone', async () => {
    const { model, thread, failures } = await setUp();
    const first = outcome(model.probability(sound(1)));
    const second = model.probability(sound(2));
    thread.say({ type: 'failed', id: thread.runs[0]!.id, reason: 'no memory' });
    thread.finish(0.6);
    expect(await first).toBe('ERR_SERVICE_FAILED');
    expect(await second).toBe(0.6);
    expect(await failures()).toEqual({ ERR_SERVICE_FAILED: 1 });
  });

  test('an answer to another question than the one that runs is ignored', async () => {
    const { model, thread } = await setUp();
    const asked = model.probability(sound(1));
    thread.say({ type: 'result', id: thread.runs[0]!.id + 1, probability: 0.9, featuresMs: 3, modelMs: 40 });
    expect(model.pendingCount).toBe(1);
    thread.finish(0.2);
    expect(await asked).toBe(0.2);
  });

  test('when the thread dies all that is under way fails, and nothing is accepted any more', async () => {
    const { model, thread, clock } = await setUp();
    const asked = [1, 2].map((value) => outcome(model.probability(sound(value))));
    thread.emit('error', new Error('out of memory'));
    thread.emit('exit', 1);
    expect(await Promise.all(asked)).toEqual(['ERR_SERVICE_FAILED', 'ERR_SERVICE_FAILED']);
    expect(await outcome(model.probability(sound(3)))).toBe('ERR_SERVICE_UNAVAILABLE');
    expect(model.pendingCount).toBe(0);
    expect(clock.pendingCount).toBe(0);
  });

  test('measures the wait, the log-mel and the model', async () => {
    const { model, thread, clock, metrics } = await setUp();
    const first = model.probability(sound(1));
    const second = model.probability(sound(2));
    clock.advance(50);
    thread.finish(0.5);
    thread.finish(0.5);
    await Promise.all([first, second]);
    const page = await metrics.metrics();
    expect(page).toContain('antipode_smart_turn_seconds_sum{part="wait"} 0.05');
    expect(page).toContain('antipode_smart_turn_seconds_sum{part="features"} 0.006');
    expect(page).toContain('antipode_smart_turn_seconds_sum{part="model"} 0.08');
  });

  test('keeps the process alive while a question is under way, and only then', async () => {
    const { model, thread } = await setUp();
    expect(thread.refs).toBe(false);
    const asked = model.probability(sound(1));
    expect(thread.refs).toBe(true);
    thread.finish(0.5);
    await asked;
    expect(thread.refs).toBe(false);
  });
});

describe('loading and closing Smart Turn', () => {
  const load = (thread: FakeThread, clock = new FakeClock()) =>
    SmartTurn.load({
      weightsFile: '/weights.onnx',
      clock,
      log: silentLogger,
      metrics: createMetrics({ processMetrics: false }),
      startThread: () => thread,
      loadTimeoutMs: 5_000,
    });

  test('fails with the reason when the model cannot be loaded, and ends the thread', async () => {
    const thread = new FakeThread();
    const loading = load(thread);
    thread.say({ type: 'unloadable', reason: 'not an ONNX file' });
    await expect(loading).rejects.toMatchObject({
      code: 'ERR_SERVICE_UNAVAILABLE',
      cause: { message: 'not an ONNX file' },
    });
    expect(thread.terminated).toBe(1);
  });

  test('fails when the model is not loaded in time', async () => {
    const clock = new FakeClock();
    const loading = load(new FakeThread(), clock);
    clock.advance(5_000);
    await expect(loading).rejects.toMatchObject({ code: 'ERR_SERVICE_UNAVAILABLE' });
    expect(clock.pendingCount).toBe(0);
  });

  test('closing rejects what is under way and what comes later; twice is fine', async () => {
    const { model, thread, clock } = await setUp();
    const asked = [1, 2].map((value) => outcome(model.probability(sound(value))));
    await Promise.all([model.close(), model.close()]);
    expect(await Promise.all(asked)).toEqual(['ERR_SHUTTING_DOWN', 'ERR_SHUTTING_DOWN']);
    expect(await outcome(model.probability(sound(3)))).toBe('ERR_SHUTTING_DOWN');
    expect(thread.terminated).toBe(1);
    expect(clock.pendingCount).toBe(0);
  });

  test('a thread that does not end when it is asked to is ended', async () => {
    const { model, thread, clock } = await setUp();
    thread.endsWhenAsked = false;
    const closing = model.close();
    clock.advance(1_000);
    await closing;
    expect(thread.terminated).toBe(1);
  });
});
