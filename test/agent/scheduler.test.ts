import { describe, expect, test, vi } from 'vitest';
import type { Frame } from '../../src/agent/frames.ts';
import { Scheduler } from '../../src/agent/scheduler.ts';
import { type Chain, chain, type Emit, type Stage } from '../../src/agent/stage.ts';
import { Turn } from '../../src/agent/turn.ts';
import type { AntipodeError } from '../../src/errors.ts';
import { counter, createMetrics, silentLogger } from '../../src/telemetry/index.ts';
import { FakeClock } from '../support/fake-clock.ts';

const settle = () => new Promise((resolve) => setImmediate(resolve));

function stage(name: string, process: Stage['process'], close: Stage['close'] = () => {}): Stage {
  return { name, process, close };
}

function setUp(parts: Chain) {
  const clock = new FakeClock();
  const slowStops = counter(createMetrics({ processMetrics: false }), 'slow', 'slow', ['stage']);
  const failures: AntipodeError[] = [];
  const scheduler = new Scheduler({
    chain: parts,
    clock,
    log: silentLogger,
    slowStops,
    onFailure: (error) => failures.push(error),
    maxWaiting: 10,
  });
  const slow = async () => (await slowStops.get()).values.reduce((sum, { value }) => sum + value, 0);
  return { clock, scheduler, failures, slow };
}

const reply = (turn: Turn, text: string): Frame => ({ kind: 'reply-text', turn, text });
const typed = (text: string): Frame => ({ kind: 'caller-text', text, atMs: 0 });
const texts = (frames: Frame[]) => frames.map((frame) => ('text' in frame ? frame.text : frame.kind));

describe('the scheduler', () => {
  test('keeps frames of a turn in order while a stage is slow with the first', async () => {
    const seen: Frame[] = [];
    let release = () => {};
    const slowFirst = stage('slow-first', async (frame, emit) => {
      if ('text' in frame && frame.text === 'a') await new Promise<void>((resolve) => (release = resolve));
      emit(frame);
    });
    const { scheduler } = setUp(
      chain(
        slowFirst,
        stage('end', (frame) => void seen.push(frame)),
      ),
    );
    const turn = new Turn(1, 'speech');
    scheduler.push(reply(turn, 'a'));
    scheduler.push(reply(turn, 'b'));
    await settle();
    expect(texts(seen)).toEqual([]);
    release();
    await settle();
    expect(texts(seen)).toEqual(['a', 'b']);
  });

  test('lets the caller through while a turn is being worked on', async () => {
    const seen: Frame[] = [];
    const slowTurn = stage('slow-turn', (frame, emit) => {
      if (frame.turn) return new Promise(() => {});
      emit(frame);
      return undefined;
    });
    const { scheduler } = setUp(
      chain(
        slowTurn,
        stage('end', (frame) => void seen.push(frame)),
      ),
    );
    scheduler.push(reply(new Turn(1, 'speech'), 'never'));
    scheduler.push(typed('hello'));
    expect(texts(seen)).toEqual(['hello']);
  });

  test('does not let a frame that is pushed from inside of a stage overtake the one under way', () => {
    const seen: Frame[] = [];
    const nested: { scheduler?: Scheduler } = {};
    const doubling = stage('doubling', (frame, emit) => {
      if ('text' in frame && frame.text === 'a') {
        emit(frame);
        nested.scheduler?.push(typed('b'));
        emit(typed('a2'));
      } else emit(frame);
    });
    const { scheduler } = setUp(
      chain(
        doubling,
        stage('end', (frame) => void seen.push(frame)),
      ),
    );
    nested.scheduler = scheduler;
    scheduler.push(typed('a'));
    expect(texts(seen)).toEqual(['a', 'a2', 'b']);
  });

  test('drops what waits for an aborted turn and what its stages still emit', async () => {
    const seen: Frame[] = [];
    const kept: { emit?: Emit } = {};
    const holding = stage('holding', async (frame, emit) => {
      kept.emit = emit;
      await new Promise((resolve) => frame.turn?.signal.addEventListener('abort', resolve));
      emit(frame);
    });
    const { scheduler, slow, clock } = setUp(
      chain(
        holding,
        stage('end', (frame) => void seen.push(frame)),
      ),
    );
    const turn = new Turn(1, 'speech');
    scheduler.push(reply(turn, 'a'));
    scheduler.push(reply(turn, 'b'));
    turn.abort('interrupted');
    await settle();
    kept.emit?.(reply(turn, 'late'));
    clock.advance(1_000);
    expect(seen).toEqual([]);
    expect(await slow()).toBe(0);
  });

  test('counts a stage that works on 100 ms after its turn was aborted', async () => {
    const stuck = stage('stuck', () => new Promise(() => {}));
    const { scheduler, slow, clock } = setUp(chain(stuck));
    const turn = new Turn(1, 'speech');
    scheduler.push(reply(turn, 'a'));
    turn.abort('interrupted');
    clock.advance(99);
    expect(await slow()).toBe(0);
    clock.advance(1);
    expect(await slow()).toBe(1);
  });

  test('turns the failure of a stage into a frame of the turn for the stages after it', async () => {
    const seen: Frame[] = [];
    const failing = stage('failing', async () => {
      throw new Error('no');
    });
    const { scheduler, failures } = setUp(
      chain(
        failing,
        stage('end', (frame) => void seen.push(frame)),
      ),
    );
    const turn = new Turn(1, 'speech');
    scheduler.push(reply(turn, 'a'));
    await settle();
    expect(seen).toMatchObject([{ kind: 'turn-failed', turn, stage: 'failing', error: { code: 'ERR_AGENT_FAILED' } }]);
    expect(failures).toEqual([]);
  });

  test('ends a turn whose failure nobody answers', () => {
    const failing = stage('failing', () => {
      throw new Error('no');
    });
    const { scheduler } = setUp(chain(failing));
    const turn = new Turn(1, 'speech');
    scheduler.push(reply(turn, 'a'));
    expect(turn.signal.reason).toBe('failed');
  });

  test('reports a failure outside of any turn as the failure of the call', () => {
    const failing = stage('failing', () => {
      throw new Error('no');
    });
    const { scheduler, failures } = setUp(chain(failing));
    scheduler.push(typed('a'));
    expect(failures).toMatchObject([{ code: 'ERR_AGENT_FAILED' }]);
  });

  test('fails the call when a stage falls hopelessly behind the caller', () => {
    const stuck = stage('stuck', () => new Promise(() => {}));
    const { scheduler, failures } = setUp(chain(stuck));
    for (let index = 0; index <= 10; index++) scheduler.push(typed('a'));
    expect(failures).toHaveLength(0);
    scheduler.push(typed('one too many'));
    expect(failures).toHaveLength(1);
  });

  test('closes every stage once, and is done after 100 ms even if one never is', async () => {
    const closes = vi.fn();
    const good = stage('good', () => {}, closes);
    const bad = stage(
      'bad',
      () => {},
      () => new Promise(() => {}),
    );
    const throwing = stage(
      'throwing',
      () => {},
      () => {
        throw new Error('no');
      },
    );
    const { scheduler, slow, clock } = setUp(chain(bad, throwing, good));
    const done = vi.fn();
    void scheduler.close().then(done);
    void scheduler.close();
    await settle();
    expect(closes).toHaveBeenCalledTimes(1);
    expect(done).not.toHaveBeenCalled();
    clock.advance(100);
    await settle();
    expect(done).toHaveBeenCalled();
    expect(await slow()).toBe(1);
    expect(clock.pendingCount).toBe(0);
  });

  test('passes nothing on once it is closed', async () => {
    const seen: Frame[] = [];
    const { scheduler } = setUp(chain(stage('end', (frame) => void seen.push(frame))));
    await scheduler.close();
    scheduler.push(typed('late'));
    expect(seen).toEqual([]);
  });

  test('runs chains inside of chains in order', () => {
    const order: string[] = [];
    const note = (name: string) =>
      stage(name, (frame, emit) => {
        order.push(name);
        emit(frame);
      });
    const { scheduler } = setUp(chain(note('a'), chain(note('b'), note('c')), note('d')));
    scheduler.push(typed('x'));
    expect(order).toEqual(['a', 'b', 'c', 'd']);
  });
});
