import { describe, expect, test } from 'vitest';
import type { Frame, TurnEndedFrame, TurnStartedFrame, VoiceFrame } from '../../../src/agent/frames.ts';
import { takeTurns } from '../../../src/agent/turn-taking/take-turns.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { MemoryCall } from '../../support/memory-call.ts';

function setUp() {
  const clock = new FakeClock();
  const call = new MemoryCall({ clock });
  const frames: Frame[] = [];
  const stage = takeTurns({ call, greets: false });
  const push = (frame: Frame) => stage.process(frame, (each) => frames.push(each));
  let windows = 0;
  const voice = (overrides: Partial<VoiceFrame>) =>
    push({
      kind: 'voice',
      position: ++windows * 512,
      receivedAtMs: clock.now(),
      speaking: true,
      segment: 1,
      segmentStart: 512,
      voicedMs: 64,
      silentMs: 0,
      ...overrides,
    });
  push({ kind: 'call-started', atMs: clock.now() });
  const started = () => frames.filter((frame): frame is TurnStartedFrame => frame.kind === 'turn-started');
  const ended = () => frames.filter((frame): frame is TurnEndedFrame => frame.kind === 'turn-ended');
  const states = () => call.events.flatMap((event) => (event.type === 'agent-state' ? [event.state] : []));
  const interruptions = () => call.observations.filter(({ type }) => type === 'interruption').length;
  return { clock, call, stage, push, voice, started, ended, states, interruptions };
}

describe('the turn-taking stage', () => {
  test("marks the caller's last sound and the decision, 500 ms apart by its own clock", () => {
    const { clock, voice, started, ended } = setUp();
    voice({});
    clock.advance(32);
    voice({ voicedMs: 96 });
    clock.advance(512);
    voice({ speaking: false, silentMs: 512 });
    const turn = started()[0]!.turn;
    expect(ended()[0]!.turn).toBe(turn);
    expect(turn.marks.endedAtMs! - turn.marks.lastSoundAtMs!).toBe(512);
    expect(ended()[0]!.voicedMs).toBe(96);
  });

  test('shows whose turn it is', () => {
    const { call, voice, started, states } = setUp();
    voice({});
    voice({ speaking: false, silentMs: 512 });
    started()[0]!.turn.markAudible(1);
    started()[0]!.turn.finish();
    expect(states()).toEqual(['listening', 'thinking', 'speaking', 'listening']);
    expect(call.events.filter((event) => event.type === 'caller-speaking')).toEqual([
      { type: 'caller-speaking', speaking: true },
      { type: 'caller-speaking', speaking: false },
    ]);
  });

  test('aborts an audible answer when the caller speaks over it, and counts that', () => {
    const { voice, started, interruptions } = setUp();
    voice({});
    voice({ speaking: false, silentMs: 512 });
    const turn = started()[0]!.turn;
    turn.markAudible(1);
    voice({ segment: 2, voicedMs: 96 });
    expect(turn.signal.aborted).toBe(false);
    voice({ segment: 2, voicedMs: 192 });
    expect(turn.signal.reason).toBe('interrupted');
    expect(started()[1]!.turn.continues).toBeNull();
    expect(interruptions()).toBe(1);
  });

  test('carries on a turn of which nothing was heard', () => {
    const { voice, started, interruptions } = setUp();
    voice({});
    voice({ speaking: false, silentMs: 512 });
    voice({ segment: 2, voicedMs: 192 });
    expect(started()[0]!.turn.signal.reason).toBe('continued');
    expect(started()[1]!.turn.continues).toBe(started()[0]!.turn);
    expect(interruptions()).toBe(0);
  });

  test('ends the turn by time when the ear stalls in the silence', () => {
    const { clock, voice, ended } = setUp();
    voice({});
    clock.advance(799);
    expect(ended()).toHaveLength(0);
    clock.advance(1);
    expect(ended()).toHaveLength(1);
  });

  test('does not let speech that was cut off by the bound interrupt the answer to itself', () => {
    const { voice, started, ended } = setUp();
    voice({ segmentStart: 0 });
    voice({ position: 16_000 * 31, voicedMs: 31_000, segmentStart: 0 });
    expect(ended()).toHaveLength(1);
    voice({ position: 16_000 * 32, voicedMs: 32_000, segmentStart: 0 });
    expect(started()).toHaveLength(1);
    expect(started()[0]!.turn.signal.aborted).toBe(false);
  });

  test('makes a turn of a typed message and silences what was being said', () => {
    const { push, started, ended } = setUp();
    push({ kind: 'caller-text', text: 'hello', atMs: 5 });
    started()[0]!.turn.markAudible(6);
    push({ kind: 'caller-text', text: 'stop', atMs: 7 });
    expect(started()[0]!.turn.signal.reason).toBe('interrupted');
    expect(ended().map(({ text }) => text)).toEqual(['hello', 'stop']);
    expect(started().map(({ turn }) => turn.number)).toEqual([0, 1]);
  });

  test('aborts its turn and leaves no timer when it is closed', () => {
    const { clock, stage, voice, started } = setUp();
    voice({});
    stage.close();
    stage.close();
    expect(started()[0]!.turn.signal.reason).toBe('closed');
    expect(clock.pendingCount).toBe(0);
  });
});
