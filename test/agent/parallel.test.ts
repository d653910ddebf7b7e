import { describe, expect, test } from 'vitest';
import type { Frame } from '../../src/agent/frames.ts';
import { Scheduler } from '../../src/agent/scheduler.ts';
import { chain, gate, type Part, parallel, type Stage, switched } from '../../src/agent/stage.ts';
import { Turn } from '../../src/agent/turn.ts';
import { counter, createMetrics, silentLogger } from '../../src/telemetry/index.ts';
import { FakeClock } from '../support/fake-clock.ts';

const settle = () => new Promise((resolve) => setImmediate(resolve));
const typed = (text: string): Frame => ({ kind: 'caller-text', text, atMs: 0 });
const reply = (turn: Turn, text: string): Frame => ({ kind: 'reply-text', turn, text });

function stage(name: string, process: Stage['process'], close: Stage['close'] = () => {}): Stage {
  return { name, process, close };
}

function setUp(...parts: Part[]) {
  const seen: string[] = [];
  const end = stage('end', (frame) => void seen.push('text' in frame ? String(frame.text) : frame.kind));
  const failures: string[] = [];
  const scheduler = new Scheduler({
    chain: chain(...parts, end),
    clock: new FakeClock(),
    log: silentLogger,
    slowStops: counter(createMetrics({ processMetrics: false }), 'slow', 'slow', ['stage']),
    onFailure: (error) => failures.push(error.code),
  });
  return { scheduler, seen, failures };
}

const suffix = (mark: string) =>
  stage(`add-${mark}`, (frame, emit) => emit(frame.kind === 'caller-text' ? typed(frame.text + mark) : frame));

describe('parallel()', () => {
  test('gives every frame to every branch, and what they make goes on in the order of making', () => {
    const { scheduler, seen } = setUp(parallel(suffix('1'), chain(suffix('2'), suffix('3'))));
    scheduler.push(typed('a'));
    scheduler.push(typed('b'));
    expect(seen).toEqual(['a1', 'a23', 'b1', 'b23']);
  });

  test('passes a frame that several branches leave as it is on once', () => {
    const pass = () => stage('pass', (frame, emit) => emit(frame));
    const { scheduler, seen } = setUp(parallel(pass(), pass(), pass()));
    scheduler.push(typed('a'));
    scheduler.push(typed('a'));
    expect(seen).toEqual(['a', 'a']);
  });

  test('does not let one branch wait for another', async () => {
    let release = () => {};
    const slow = stage('slow', async (_frame, emit) => {
      await new Promise<void>((resolve) => (release = resolve));
      emit(typed('slow'));
    });
    const { scheduler, seen } = setUp(parallel(slow, suffix('!')));
    scheduler.push(typed('a'));
    scheduler.push(typed('b'));
    await settle();
    expect(seen).toEqual(['a!', 'b!']);
    release();
    await settle();
    expect(seen).toEqual(['a!', 'b!', 'slow']);
  });

  test('drops what a branch makes for a turn that is over', async () => {
    let release = () => {};
    const late = stage('late', async (frame, emit) => {
      await new Promise<void>((resolve) => (release = resolve));
      emit(frame);
    });
    const { scheduler, seen } = setUp(parallel(late));
    const turn = new Turn(1, 'speech');
    scheduler.push(reply(turn, 'too late'));
    turn.abort('interrupted');
    release();
    await settle();
    expect(seen).toEqual([]);
  });

  test('tells the stages after it that a branch failed a turn', () => {
    const broken = stage('broken', () => {
      throw new Error('no');
    });
    const { scheduler, seen, failures } = setUp(parallel(suffix('1'), broken));
    scheduler.push(reply(new Turn(1, 'speech'), 'words'));
    expect(seen).toEqual(['words', 'turn-failed']);
    expect(failures).toEqual([]);
    scheduler.push(typed('a'));
    expect(failures).toEqual(['ERR_AGENT_FAILED']);
  });

  test('closes every stage of every branch', async () => {
    const closed: string[] = [];
    const closing = (name: string) =>
      stage(
        name,
        () => {},
        () => void closed.push(name),
      );
    const { scheduler } = setUp(parallel(closing('a'), chain(closing('b'), parallel(closing('c')))));
    await scheduler.close();
    expect(closed.sort()).toEqual(['a', 'b', 'c']);
  });
});

test('switched() gives each frame to the branch that is chosen for it, and to none where there is none', () => {
  const choose = (frame: Frame) => ('text' in frame && frame.text !== null ? frame.text.length - 1 : 0);
  const { scheduler, seen } = setUp(switched(choose, suffix('1'), suffix('2')));
  for (const text of ['a', 'bb', 'ccc']) scheduler.push(typed(text));
  expect(seen).toEqual(['a1', 'bb2']);
});

test('gate() drops what it is not open for', () => {
  let open = true;
  const { scheduler, seen } = setUp(gate('door', () => open));
  scheduler.push(typed('a'));
  open = false;
  scheduler.push(typed('b'));
  expect(seen).toEqual(['a']);
});
