import { describe, expect, test } from 'vitest';
import type { Frame, TurnEndedFrame, TurnStartedFrame, VoiceFrame } from '../../../src/agent/frames.ts';
import { type TakeTurnsOptions, takeTurns } from '../../../src/agent/turn-taking/take-turns.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { MemoryCall } from '../../support/memory-call.ts';

function setUp(options: Partial<TakeTurnsOptions> = {}) {
  const clock = new FakeClock();
  const call = new MemoryCall({ clock });
  const frames: Frame[] = [];
  const stage = takeTurns({ call, greets: false, ...options });
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
      quietMs: overrides.silentMs ?? 0,
      ...overrides,
    });
  push({ kind: 'call-started', atMs: clock.now() });
  const started = () => frames.filter((frame): frame is TurnStartedFrame => frame.kind === 'turn-started');
  const ended = () => frames.filter((frame): frame is TurnEndedFrame => frame.kind === 'turn-ended');
  const states = () => call.events.flatMap((event) => (event.type === 'agent-state' ? [event.state] : []));
  const interruptions = () => call.observations.flatMap((each) => (each.type === 'interruption' ? [each.outcome] : []));
  const queried = () => frames.flatMap((frame) => (frame.kind === 'turn-queried' ? [frame.turn] : []));
  /** Words of the stage's own, and the reason of a hang-up after them. */
  const replies = () =>
    frames.flatMap((frame) =>
      frame.kind === 'reply-text' ? [frame.text] : frame.kind === 'reply-ended' ? [frame.hangUp] : [],
    );
  return { clock, call, stage, push, voice, started, ended, states, queried, replies, interruptions };
}

/** The agent answers the first turn, and has much left to say. */
function speakingSetUp({ unsaidMs = 5_000 } = {}) {
  const all = setUp();
  all.voice({});
  all.voice({ speaking: false, silentMs: 512 });
  all.call.mouth.write(all.call.mouth.open(), new Int16Array(unsaidMs * 16), 16_000);
  all.started()[0]!.turn.markAudible(1);
  const speaksOver = (overrides: Partial<VoiceFrame>) => all.voice({ segment: 2, ...overrides });
  return { ...all, speaksOver };
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

  test('pauses for a sound and cuts the answer off when it has become a turn', () => {
    const { call, voice, started, interruptions } = setUp();
    voice({});
    voice({ speaking: false, silentMs: 512 });
    const turn = started()[0]!.turn;
    turn.markAudible(1);
    voice({ segment: 2, voicedMs: 96 });
    expect(call.mouth.paused).toBe(false);
    voice({ segment: 2, voicedMs: 128 });
    expect(call.mouth.paused).toBe(true);
    expect(turn.signal.aborted).toBe(false);
    const sound = started()[1]!.turn;
    expect(sound.tentative).toBe(true);
    voice({ segment: 2, voicedMs: 640 });
    expect(turn.signal.reason).toBe('interrupted');
    expect(sound.tentative).toBe(false);
    expect(sound.continues).toBeNull();
    expect(interruptions()).toEqual(['paused', 'confirmed']);
  });

  test('goes on after a sound without words, and forgets it', () => {
    const { call, voice, queried, started, speaksOver, interruptions } = speakingSetUp();
    speaksOver({ voicedMs: 160 });
    voice({ segment: 2, voicedMs: 160, silentMs: 64 });
    expect(queried()).toEqual([started()[1]!.turn]);
    voice({ segment: 2, voicedMs: 160, silentMs: 160 });
    expect(call.mouth.paused).toBe(false);
    expect(call.mouth.resumes).toBe(1);
    started()[1]!.turn.understood({ text: '', final: true });
    expect(started()[1]!.turn.signal.reason).toBe('rejected');
    expect(started()[0]!.turn.settled).toBe(false);
    expect(interruptions()).toEqual(['paused', 'rejected']);
  });

  test('goes on at once after a backchannel, and is cut off by one that answers its last word', () => {
    const first = speakingSetUp();
    first.speaksOver({ voicedMs: 160 });
    first.voice({ segment: 2, voicedMs: 160, silentMs: 64 });
    first.started()[1]!.turn.understood({ text: 'Mm-hm.', final: true });
    expect(first.call.mouth.paused).toBe(false);
    expect(first.interruptions()).toEqual(['paused', 'rejected']);

    const second = speakingSetUp({ unsaidMs: 500 });
    second.speaksOver({ voicedMs: 160 });
    second.started()[1]!.turn.understood({ text: 'Yeah.', final: false });
    expect(second.interruptions()).toEqual(['paused', 'confirmed']);
  });

  test('is cut off by a short word that comes to be known after it went on', () => {
    const { voice, started, speaksOver, ended, interruptions } = speakingSetUp();
    speaksOver({ voicedMs: 160 });
    voice({ segment: 2, voicedMs: 160, silentMs: 96 });
    voice({ segment: 2, voicedMs: 160, silentMs: 192 });
    started()[1]!.turn.understood({ text: 'stop', final: true });
    expect(started()[0]!.turn.signal.reason).toBe('interrupted');
    expect(interruptions()).toEqual(['paused', 'confirmed']);
    voice({ segment: 2, speaking: false, silentMs: 512 });
    expect(ended().at(-1)!.turn).toBe(started()[1]!.turn);
  });

  test('prepares an answer on a probable end and drops it when the caller goes on', () => {
    const { call, voice, started, ended } = setUp();
    voice({});
    voice({ silentMs: 256 });
    const first = started()[0]!.turn;
    expect(ended().map(({ turn }) => turn)).toEqual([first]);
    expect(first.certain).toBe(false);
    voice({ voicedMs: 96 });
    expect(first.signal.reason).toBe('continued');
    const second = started()[1]!.turn;
    expect(second.root).toBe(0);
    voice({ silentMs: 256 });
    expect(second.certain).toBe(false);
    expect(second.marks.endedAtMs).toBeNull();
    voice({ speaking: false, silentMs: 512 });
    expect(second.certain).toBe(true);
    expect(second.marks.endedAtMs).not.toBeNull();
    expect(ended()).toHaveLength(2);
    const told = call.observations.flatMap((each) => (each.type === 'speculation' ? [each.outcome] : []));
    expect(told).toEqual(['dropped', 'taken']);
  });

  test('makes the answer anew when it was prepared from other words, in a turn of its own and as certain as before', () => {
    const { call, voice, started, ended } = setUp();
    const speculations = () => call.observations.flatMap((each) => (each.type === 'speculation' ? [each.outcome] : []));
    voice({});
    voice({ silentMs: 96 });
    const first = started()[0]!.turn;
    first.presume();
    first.misheard();
    const second = started()[1]!.turn;
    expect(first.signal.reason).toBe('continued');
    expect([second.continues, second.certain, second.marks.lastSoundAtMs]).toEqual([
      first,
      false,
      first.marks.lastSoundAtMs,
    ]);
    expect(started()[1]!.position).toBeNull();
    expect(ended().map(({ turn, text }) => [turn, text])).toEqual([
      [first, null],
      [second, null],
    ]);
    second.presume();
    voice({ speaking: false, silentMs: 512 });
    expect([second.confirmed, second.certain]).toEqual([true, false]);
    second.misheard();
    const third = started()[2]!.turn;
    expect(third.certain).toBe(true);
    expect(third.marks.endedAtMs).toBe(second.marks.endedAtMs);
    expect(speculations()).toEqual(['misheard', 'taken', 'misheard']);
    voice({ segment: 2, voicedMs: 192 });
    expect(third.signal.reason).toBe('continued');
    expect(started()[3]!.turn.root).toBe(first.root);
  });

  test('does not hear the caller before its greeting is over, when told so', () => {
    const { voice, started } = setUp({ greets: true, muteUntilGreeted: true });
    const greeting = started()[0]!.turn;
    greeting.markAudible(1);
    voice({ voicedMs: 2_000 });
    expect(started()).toHaveLength(1);
    greeting.finish();
    voice({ voicedMs: 2_032, segmentStart: 0 });
    expect(started()[1]).toMatchObject({ position: 512 });
  });

  test('asks a caller who says nothing whether they are there, and hangs up in the end', () => {
    const idle = { afterMs: 10_000, prompts: ['Hello?'], goodbye: 'Bye.' };
    const { clock, stage, voice, started, replies } = setUp({ idle });
    clock.advance(10_000);
    expect(replies()).toEqual(['Hello?', null]);
    started()[0]!.turn.finish();
    voice({});
    voice({ speaking: false, silentMs: 512 });
    started()[1]!.turn.finish();
    clock.advance(10_000);
    expect(replies().slice(2)).toEqual(['Hello?', null]);
    started()[2]!.turn.finish();
    clock.advance(9_999);
    expect(replies()).toHaveLength(4);
    clock.advance(1);
    expect(replies().slice(4)).toEqual(['Bye.', 'The caller said nothing for long.']);
    stage.close();
    expect(clock.pendingCount).toBe(0);
  });

  test('carries on a turn of which nothing was heard', () => {
    const { voice, started, interruptions } = setUp();
    voice({});
    voice({ speaking: false, silentMs: 512 });
    expect(started()[0]!.turn.certain).toBe(true);
    voice({ segment: 2, voicedMs: 192 });
    expect(started()[0]!.turn.signal.reason).toBe('continued');
    expect(started()[1]!.turn.continues).toBe(started()[0]!.turn);
    expect(interruptions()).toEqual([]);
  });

  test('ends the turn by time when the ear stalls in the silence', () => {
    const { clock, voice, ended } = setUp();
    voice({});
    clock.advance(427);
    expect(ended()).toHaveLength(0);
    clock.advance(64);
    expect(ended()[0]!.turn.certain).toBe(false);
    clock.advance(308);
    expect(ended()[0]!.turn.certain).toBe(false);
    clock.advance(64);
    expect(ended()[0]!.turn.certain).toBe(true);
    expect(ended()).toHaveLength(1);
  });

  test('gives up an answer that neither comes nor fails, and listens again', () => {
    const { clock, call, voice, started, states } = setUp({ answerTimeoutMs: 10_000 });
    voice({});
    voice({ speaking: false, silentMs: 512 });
    const turn = started()[0]!.turn;
    clock.advance(9_999);
    expect(turn.settled).toBe(false);
    clock.advance(1);
    expect(turn.signal.reason).toBe('failed');
    expect(states().at(-1)).toBe('listening');
    expect(call.events).toContainEqual(expect.objectContaining({ type: 'notice', code: 'ERR_AGENT_FAILED' }));
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
