import { describe, expect, test } from 'vitest';
import { Conversation } from '../../../src/agent/conversation.ts';
import type { SpeechChunk, Tts } from '../../../src/agent/services/tts.ts';
import { type SpeakOptions, speak } from '../../../src/agent/stages/speak.ts';
import { Turn, type TurnCause } from '../../../src/agent/turn.ts';
import { AntipodeError } from '../../../src/errors.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { MemoryCall } from '../../support/memory-call.ts';

/** 100 ms of sound for each letter, in two chunks; fails when told to. */
class FakeTts implements Tts {
  readonly name: string;
  readonly spoken: string[] = [];
  failing: 'before' | 'halfway' | null = null;

  constructor(name = 'fake') {
    this.name = name;
  }

  async *synthesize(text: string): AsyncIterable<SpeechChunk> {
    if (this.failing === 'before') throw new AntipodeError('ERR_SERVICE_UNAVAILABLE', 'No voice.');
    this.spoken.push(text);
    const half = { pcm: new Int16Array(text.length * 800), sampleRate: 16_000 };
    yield half;
    if (this.failing === 'halfway') throw new AntipodeError('ERR_SERVICE_FAILED', 'Broke off.');
    yield half;
  }
}

function setUp(options: Partial<SpeakOptions> = {}) {
  const clock = new FakeClock();
  const call = new MemoryCall({ clock, backboneRttMs: 30 });
  const tts = new FakeTts();
  const conversation = new Conversation();
  const stage = speak({ call, tts, conversation, ...options });
  let number = 0;
  const reply = async (text: string, hangUp: string | null = null, cause: TurnCause = 'speech') => {
    const turn = new Turn(number++, cause);
    Object.assign(turn.marks, { lastSoundAtMs: 0, endedAtMs: 500, transcribedAtMs: 510, repliedAtMs: 511 });
    await stage.process({ kind: 'reply-text', turn, text }, () => {});
    await stage.process({ kind: 'reply-ended', turn, hangUp }, () => {});
    return turn;
  };
  const transcripts = () => call.events.flatMap((event) => (event.type === 'transcript' ? [event] : []));
  const timelines = () => call.events.flatMap((event) => (event.type === 'turn' ? [event.timeline] : []));
  const notices = () => call.events.flatMap((event) => (event.type === 'notice' ? [event] : []));
  return { clock, call, tts, conversation, stage, reply, transcripts, timelines, notices };
}

describe('the speaking stage', () => {
  test('speaks sentence by sentence in one utterance and shows each as it begins to sound', async () => {
    const { call, tts, reply, transcripts, conversation } = setUp();
    const turn = await reply('Aaaa. Bbbb.');
    expect(tts.spoken).toEqual(['Aaaa.', 'Bbbb.']);
    expect(call.mouth.utteranceCount).toBe(1);
    call.mouth.play(400);
    expect(transcripts().at(-1)).toMatchObject({ id: 'a0', text: 'Aaaa.', final: false });
    call.mouth.play(200);
    expect(transcripts().at(-1)).toMatchObject({ id: 'a0', text: 'Aaaa. Bbbb.', final: false });
    expect(turn.settled).toBe(false);
    call.mouth.play(400);
    expect(transcripts().at(-1)).toMatchObject({ text: 'Aaaa. Bbbb.', final: true, interrupted: false });
    expect(turn.settled).toBe(true);
    expect(conversation.entries).toEqual([{ role: 'agent', turn: 0, text: 'Aaaa. Bbbb.', interrupted: false }]);
  });

  test('makes the voice before the turn is certain, and lets nothing of it be heard or shown', async () => {
    const { call, tts, stage, transcripts } = setUp();
    const turn = new Turn(0, 'speech');
    turn.speculate();
    void stage.process({ kind: 'reply-text', turn, text: 'Aaaa. ' }, () => {});
    await new Promise((resolve) => setImmediate(resolve));
    expect(tts.spoken).toEqual(['Aaaa.']);
    expect(turn.marks.synthesizedAtMs).not.toBeNull();
    expect(call.mouth.utteranceCount).toBe(0);
    turn.confirm();
    await new Promise((resolve) => setImmediate(resolve));
    expect(call.mouth.heard(1).writtenMs).toBe(500);
    expect(transcripts()).toHaveLength(1);
  });

  test('drops what it made for a turn that the caller goes on with', async () => {
    const { call, conversation, stage } = setUp();
    const turn = new Turn(0, 'speech');
    turn.speculate();
    const saying = Promise.resolve(stage.process({ kind: 'reply-text', turn, text: 'Aaaa. ' }, () => {}));
    await new Promise((resolve) => setImmediate(resolve));
    turn.abort('continued');
    await saying;
    expect(call.mouth.utteranceCount).toBe(0);
    expect(call.mouth.flushes).toBe(0);
    expect(conversation.entries).toEqual([]);
    expect(call.events).toEqual([]);
  });

  test('shows text without a voice only when the turn is certain', async () => {
    const { call, stage, transcripts } = setUp({ tts: { missing: 'No voice.' } });
    const turn = new Turn(0, 'speech');
    turn.speculate();
    const saying = Promise.resolve(stage.process({ kind: 'reply-text', turn, text: 'Aaaa. ' }, () => {}));
    await new Promise((resolve) => setImmediate(resolve));
    expect(call.events).toEqual([]);
    turn.confirm();
    await saying;
    expect(transcripts()).toMatchObject([{ text: 'Aaaa.' }]);
  });

  test('sends the timeline of a turn with its first packet', async () => {
    const { call, reply, timelines } = setUp();
    await reply('Aaaa.');
    expect(timelines()).toEqual([
      {
        turn: 0,
        endpointingMs: 500,
        sttMs: 10,
        llmMs: 1,
        ttsMs: 489,
        mouthMs: 0,
        backboneRttMs: 30,
        totalMs: 1_000,
        interrupted: false,
      },
    ]);
    expect(call.observations).toMatchObject([{ type: 'turn-audible', turn: 0, timeline: { totalMs: 1_000 } }]);
  });

  test('is silent at once when its turn is cut off, and keeps the words that were heard', async () => {
    const { call, reply, transcripts, timelines, conversation, clock } = setUp();
    const turn = await reply('One two. Three four.');
    call.mouth.play(1_350);
    turn.abort('interrupted');
    expect(call.mouth.flushes).toBe(1);
    expect(call.mouth.bufferedMs).toBe(0);
    expect(conversation.entries).toEqual([{ role: 'agent', turn: 0, text: 'One two. Three', interrupted: true }]);
    expect(transcripts().at(-1)).toMatchObject({ text: 'One two. Three', final: true, interrupted: true });
    expect(timelines().at(-1)).toMatchObject({ turn: 0, interrupted: true });
    expect(clock.pendingCount).toBe(0);
  });

  test('hangs up when the goodbye has been played and not before', async () => {
    const { call, reply } = setUp();
    await reply('Goodbye.', 'The caller said goodbye.');
    call.mouth.play(700);
    expect(call.end).toBeNull();
    call.mouth.play(100);
    expect(call.end).toEqual({ code: 'agent-hung-up', reason: 'The caller said goodbye.' });
  });

  test('does not hang up when the caller speaks over the goodbye', async () => {
    const { call, reply } = setUp();
    const turn = await reply('Goodbye.', 'The caller said goodbye.');
    turn.abort('interrupted');
    call.mouth.play(10_000);
    expect(call.end).toBeNull();
  });

  test('does not wait for ever for a mouth that has lost the end', async () => {
    const { call, reply, clock } = setUp();
    await reply('Goodbye.', 'bye');
    clock.advance(10_799);
    expect(call.end).toBeNull();
    clock.advance(1);
    expect(call.end).toMatchObject({ code: 'agent-hung-up' });
  });

  test('ends a turn in which there was nothing to say', async () => {
    const { stage, call } = setUp();
    const turn = new Turn(0, 'speech');
    await stage.process({ kind: 'reply-ended', turn, hangUp: null }, () => {});
    expect(turn.settled).toBe(true);
    expect(call.events).toEqual([]);
  });

  test('lets the spare voice go on when the voice fails, and says so', async () => {
    const tts = new FakeTts('first');
    const spareTts = new FakeTts('spare');
    tts.failing = 'before';
    const { call, reply, notices } = setUp({ tts, spareTts });
    await reply('Aaaa. Bbbb.');
    expect(spareTts.spoken).toEqual(['Aaaa.', 'Bbbb.']);
    expect(call.mouth.heard(1).writtenMs).toBe(1_000);
    expect(notices()).toMatchObject([
      { level: 'error', code: 'ERR_SERVICE_UNAVAILABLE', text: 'No voice. The voice spare speaks instead.' },
    ]);
    expect(call.observations.filter(({ type }) => type === 'service-failed')).toMatchObject([
      { turn: 0, kind: 'tts', service: 'first', code: 'ERR_SERVICE_UNAVAILABLE' },
    ]);
  });

  test('does not say a sentence twice when the voice fails in the middle of it', async () => {
    const tts = new FakeTts('first');
    const spareTts = new FakeTts('spare');
    tts.failing = 'halfway';
    const { reply } = setUp({ tts, spareTts });
    await reply('Aaaa. Bbbb.');
    expect(spareTts.spoken).toEqual(['Bbbb.']);
  });

  test('answers by text when there is no voice left, and ends the call after three mute answers', async () => {
    const { call, tts, reply, transcripts } = setUp();
    tts.failing = 'before';
    for (let index = 0; index < 2; index++) {
      const turn = await reply('Aaaa. Bbbb.');
      expect(turn.settled).toBe(true);
      expect(transcripts().at(-1)).toMatchObject({ text: 'Aaaa. Bbbb.', final: true });
      expect(call.end).toBeNull();
    }
    await reply('Aaaa.');
    expect(call.end).toEqual({ code: 'agent-failed', reason: 'The agent has lost its voice.' });
  });

  test('without any voice announces that, greets by text and ends the call with the reason', async () => {
    const { call, reply, stage, notices, transcripts } = setUp({ tts: { missing: 'Install flite.' } });
    await stage.process({ kind: 'call-started', atMs: 0 }, () => {});
    await reply('Welcome.', null, 'call');
    expect(notices()).toEqual([
      { type: 'notice', level: 'error', code: 'ERR_SERVICE_UNAVAILABLE', text: 'Install flite.' },
    ]);
    expect(transcripts().at(-1)).toMatchObject({ text: 'Welcome.', final: true });
    expect(call.end).toEqual({ code: 'agent-failed', reason: 'Install flite.' });
  });

  test('leaves no timer and no listener when it is closed', async () => {
    const { call, reply, stage, clock } = setUp();
    await reply('Aaaa.');
    await stage.close();
    await stage.close();
    expect(call.mouth.listenerCount).toBe(0);
    expect(clock.pendingCount).toBe(0);
  });
});
