import { describe, expect, test } from 'vitest';
import { Conversation } from '../../../src/agent/conversation.ts';
import type { Frame } from '../../../src/agent/frames.ts';
import type { OrMissing } from '../../../src/agent/services/missing.ts';
import type { Stt, SttListenOptions, SttUtterance, Transcription } from '../../../src/agent/services/stt.ts';
import { transcribe } from '../../../src/agent/stages/transcribe.ts';
import { Turn } from '../../../src/agent/turn.ts';
import { AntipodeError } from '../../../src/errors.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { MemoryCall } from '../../support/memory-call.ts';

class FakeUtterance implements SttUtterance {
  readonly heard: number[] = [];
  readonly signal: AbortSignal;
  readonly options: SttListenOptions;
  closed = false;
  asked = 0;
  answer = Promise.withResolvers<Transcription>();
  readonly ask?: () => Promise<boolean>;

  constructor(options: SttListenOptions, asks: boolean) {
    this.options = options;
    this.signal = options.signal;
    if (!asks) return;
    this.ask = async () => {
      this.asked++;
      return true;
    };
  }

  write(pcm: Int16Array): void {
    this.heard.push(pcm[0]!);
  }

  finish(): Promise<Transcription> {
    return this.answer.promise;
  }

  close(): void {
    this.closed = true;
  }
}

class FakeStt implements Stt {
  readonly name = 'fake';
  readonly utterances: FakeUtterance[] = [];
  readonly asks: boolean;

  constructor({ asks = false } = {}) {
    this.asks = asks;
  }

  listen(options: SttListenOptions): SttUtterance {
    const utterance = new FakeUtterance(options, this.asks);
    this.utterances.push(utterance);
    return utterance;
  }
}

function setUp(stt: OrMissing<FakeStt> = new FakeStt()) {
  const call = new MemoryCall({ clock: new FakeClock() });
  const conversation = new Conversation();
  const stage = transcribe({ call, stt, conversation });
  const out: Frame[] = [];
  const push = (frame: Frame) => stage.process(frame, (each) => out.push(each));
  let frames = 0;
  /** Frame n holds the value n. */
  const hear = (count: number) => {
    for (let index = 0; index < count; index++) {
      const pcm = new Int16Array(320).fill(frames);
      void push({ kind: 'caller-audio', audio: { pcm, position: frames * 320, receivedAtMs: 0, origin: 'received' } });
      frames++;
    }
  };
  const start = (turn: Turn, frame: number) => push({ kind: 'turn-started', turn, position: frame * 320 });
  const end = (turn: Turn, text: string | null = null) => push({ kind: 'turn-ended', turn, text, voicedMs: 500 });
  /** A window of voice activity that ends with the last frame that was heard. */
  const voice = (quietMs: number, silentMs = quietMs) =>
    push({
      kind: 'voice',
      position: frames * 320,
      receivedAtMs: 0,
      speaking: true,
      segment: 1,
      segmentStart: 0,
      voicedMs: 64,
      silentMs,
      quietMs,
    });
  const transcripts = () => out.flatMap((frame) => (frame.kind === 'transcript' ? [frame] : []));
  const failures = () => out.flatMap((frame) => (frame.kind === 'turn-failed' ? [frame.error] : []));
  return { call, conversation, stage, push, hear, start, end, voice, transcripts, failures };
}

const settle = () => new Promise((resolve) => setImmediate(resolve));

describe('the transcribing stage', () => {
  test('gives the service the caller from a little before the first voice to the end of the turn', async () => {
    const stt = new FakeStt();
    const { hear, start, end } = setUp(stt);
    const turn = new Turn(1, 'speech');
    hear(40);
    void start(turn, 30);
    hear(3);
    void end(turn);
    hear(5);
    const [first, last] = [stt.utterances[0]!.heard[0], stt.utterances[0]!.heard.at(-1)];
    expect([first, last]).toEqual([17, 42]); // 250 ms are 12.5 frames
  });

  test('hears the sound over the agent by itself, and shows its words only when it is a turn', async () => {
    const stt = new FakeStt();
    const { call, push, hear, start, end, transcripts } = setUp(stt);
    const turn = new Turn(1, 'speech');
    turn.doubt();
    const understood: unknown[] = [];
    turn.onWords((words) => understood.push(words));
    hear(20);
    void start(turn, 20);
    hear(10);
    void push({ kind: 'turn-queried', turn });
    stt.utterances[0]!.answer.resolve({ text: 'stop' });
    await settle();
    expect(understood).toEqual([{ text: 'stop', final: true }]);
    hear(5);
    expect(stt.utterances).toHaveLength(1);
    const voice = { kind: 'voice', receivedAtMs: 0, segment: 2, segmentStart: 0, voicedMs: 64 } as const;
    void push({ ...voice, position: 35 * 320, speaking: true, silentMs: 0, quietMs: 0 });
    hear(5);
    expect(stt.utterances[1]!.heard[0]).toBe(30);
    expect(call.events).toEqual([]);
    turn.adopt();
    const ended = end(turn);
    stt.utterances[1]!.answer.resolve({ text: 'please' });
    await ended;
    expect(transcripts()).toMatchObject([{ text: 'stop please' }]);
    expect(call.events).toMatchObject([{ type: 'transcript', text: 'stop please', final: true }]);
  });

  test('hears a turn anew from its beginning when the caller goes on after a probable end', async () => {
    const stt = new FakeStt();
    const { call, hear, start, end, transcripts } = setUp(stt);
    const first = new Turn(1, 'speech');
    hear(20);
    void start(first, 20);
    hear(100);
    first.speculate();
    const cut = end(first);
    stt.utterances[0]!.answer.resolve({ text: 'i would like' });
    await cut;
    first.abort('continued');
    const second = new Turn(2, 'speech', first);
    void start(second, 118);
    hear(50);
    expect(stt.utterances[0]!.closed).toBe(true);
    expect(stt.utterances[1]!.heard[0]).toBe(stt.utterances[0]!.heard[0]);
    expect(stt.utterances[1]!.heard.at(-1)).toBe(169);
    second.speculate();
    const ended = end(second);
    stt.utterances[1]!.answer.resolve({ text: 'i would like a table' });
    await ended;
    second.confirm();
    expect(transcripts().at(-1)!.text).toBe('i would like a table');
    const shown = call.events.flatMap((event) =>
      event.type === 'transcript' ? [[event.id, event.text, event.final]] : [],
    );
    expect(shown).toEqual([
      ['c1', 'i would like', false],
      ['c1', 'i would like a table', false],
      ['c1', 'i would like a table', true],
    ]);
  });

  test('keeps the words of a turn that was carried on when the one that carries it on is heard anew', async () => {
    const stt = new FakeStt();
    const { hear, start, end, transcripts } = setUp(stt);
    const first = new Turn(1, 'speech');
    hear(20);
    void start(first, 20);
    const firstEnded = end(first);
    stt.utterances[0]!.answer.resolve({ text: 'a table' });
    await firstEnded;
    first.abort('continued');
    const second = new Turn(2, 'speech', first);
    hear(20);
    void start(second, 40);
    second.speculate();
    void end(second);
    second.abort('continued');
    const third = new Turn(3, 'speech', second);
    void start(third, 45);
    const ended = end(third);
    stt.utterances[2]!.answer.resolve({ text: 'for two' });
    await ended;
    expect(transcripts().at(-1)!.text).toBe('a table for two');
    third.finish();
    expect(stt.utterances.every(({ closed }) => closed)).toBe(true);
  });

  test('asks in each short silence for the words, once, of a service that can be asked, and loses no sound', () => {
    const stt = new FakeStt({ asks: true });
    const { hear, start, end, voice } = setUp(stt);
    const turn = new Turn(1, 'speech');
    hear(20);
    void start(turn, 20);
    const [utterance] = stt.utterances;
    for (const quietMs of [0, 32]) voice(quietMs);
    expect(utterance!.asked).toBe(0);
    voice(64, 32);
    hear(2);
    voice(96);
    expect(utterance!.asked).toBe(1);
    expect(utterance!.heard.at(-1)).toBe(19);
    hear(1);
    voice(0);
    hear(5);
    expect(utterance!.heard.slice(-8)).toEqual([20, 21, 22, 23, 24, 25, 26, 27]);
    voice(64);
    void end(turn);
    expect(utterance!.asked).toBe(2);
    expect(stt.utterances).toHaveLength(1);
  });

  test('does not ask before the end of a service that cannot be asked, or where it is told not to', () => {
    const deaf = new FakeStt();
    const first = setUp(deaf);
    void first.start(new Turn(1, 'speech'), 0);
    first.voice(0);
    first.voice(64);
    first.hear(1);
    expect(deaf.utterances[0]!.heard).toEqual([0]);
    const stt = new FakeStt({ asks: true });
    const call = new MemoryCall({ clock: new FakeClock() });
    const stage = transcribe({ call, stt, conversation: new Conversation(), askAfterMs: null });
    const voice = { kind: 'voice', position: 0, receivedAtMs: 0, segment: 1, segmentStart: 0, voicedMs: 64 } as const;
    stage.process({ kind: 'turn-started', turn: new Turn(1, 'speech'), position: 0 }, () => {});
    for (const quietMs of [0, 640]) {
      stage.process({ ...voice, speaking: true, silentMs: quietMs, quietMs }, () => {});
    }
    expect(stt.utterances[0]!.asked).toBe(0);
  });

  describe('prepares an answer from words that may still change', () => {
    /** A turn of 20 frames that has probably ended; words up to `heardMs` of it are known. */
    async function guessing(heardMs: number | undefined, text = 'What time is it') {
      const stt = new FakeStt();
      const all = setUp(stt);
      const turn = new Turn(1, 'speech');
      void all.start(turn, 0);
      all.hear(20);
      all.voice(0);
      all.voice(96);
      turn.speculate();
      const ended = all.end(turn);
      stt.utterances[0]!.options.onInterim?.(text, heardMs);
      await settle();
      const { answer } = stt.utterances[0]!;
      const misheard: number[] = [];
      turn.onMisheard(() => misheard.push(turn.number));
      return { ...all, stt, turn, ended, answer, misheard };
    }

    test('only where they are all that the caller said', async () => {
      expect((await guessing(undefined)).transcripts()).toEqual([]);
      expect((await guessing(303)).transcripts()).toEqual([]);
      expect((await guessing(304, '')).transcripts()).toEqual([]);
      const { transcripts, turn } = await guessing(304);
      expect(transcripts()).toMatchObject([{ turn, text: 'What time is it' }]);
      expect(turn.certain).toBe(false);
      turn.confirm();
      expect(turn.certain).toBe(false);
    });

    test('and is certain of it once the final words are the same, which are what the context and the client have', async () => {
      const { turn, ended, answer, transcripts, conversation, call, misheard } = await guessing(400);
      turn.confirm();
      answer.resolve({ text: 'what time is it?' });
      await ended;
      expect(turn.certain).toBe(true);
      expect(misheard).toEqual([]);
      expect(transcripts()).toHaveLength(1);
      expect(conversation.entries).toEqual([{ role: 'caller', turn: 1, text: 'what time is it?' }]);
      expect(call.events.at(-1)).toMatchObject({ type: 'transcript', text: 'what time is it?', final: true });
      expect(call.events.filter((event) => event.type === 'transcript' && event.final)).toHaveLength(1);
    });

    test('and has it made anew when they are others', async () => {
      const { turn, ended, answer, transcripts, conversation, misheard, push, end } = await guessing(400);
      answer.resolve({ text: 'what time is it not' });
      await ended;
      expect(misheard).toEqual([1]);
      expect(turn.certain).toBe(false);
      turn.abort('continued');
      const again = new Turn(2, 'speech', turn);
      again.speculate();
      void push({ kind: 'turn-started', turn: again, position: null });
      await end(again);
      expect(transcripts().at(-1)).toMatchObject({ turn: again, text: 'what time is it not' });
      expect(conversation.entries).toEqual([{ role: 'caller', turn: 2, text: 'what time is it not' }]);
      again.confirm();
      expect(again.certain).toBe(true);
    });

    test('and fails as it would have without them when there are no final words', async () => {
      const { turn, ended, answer, conversation, misheard, push, end, failures } = await guessing(400);
      answer.reject(new AntipodeError('ERR_SERVICE_TIMEOUT', 'late'));
      await ended;
      expect(misheard).toEqual([1]);
      expect(failures()).toEqual([]);
      turn.abort('continued');
      const again = new Turn(2, 'speech', turn);
      void push({ kind: 'turn-started', turn: again, position: null });
      await end(again);
      expect(failures()).toMatchObject([{ code: 'ERR_SERVICE_TIMEOUT' }]);
      expect(conversation.entries).toEqual([]);
    });

    test('and forgets the words when the turn is cut off before they are final', async () => {
      const { turn, ended, conversation } = await guessing(400);
      expect(conversation.entries).toHaveLength(1);
      turn.abort('interrupted');
      await ended;
      expect(conversation.entries).toEqual([]);
    });

    test('and hears the whole turn anew when the caller goes on', async () => {
      const { turn, stt, start, end, hear, transcripts, conversation } = await guessing(400);
      turn.abort('continued');
      const second = new Turn(2, 'speech', turn);
      void start(second, 18);
      hear(5);
      const ended = end(second);
      expect(stt.utterances[0]!.closed).toBe(true);
      expect(stt.utterances[1]!.heard[0]).toBe(0);
      stt.utterances[1]!.answer.resolve({ text: 'what time is it in Rome' });
      await ended;
      expect(transcripts().at(-1)!.text).toBe('what time is it in Rome');
      expect(conversation.entries).toEqual([{ role: 'caller', turn: 2, text: 'what time is it in Rome' }]);
    });

    test('but not of a turn that has certainly ended', async () => {
      const stt = new FakeStt();
      const { start, hear, end, transcripts } = setUp(stt);
      const turn = new Turn(1, 'speech');
      void start(turn, 0);
      hear(20);
      void end(turn);
      stt.utterances[0]!.options.onInterim?.('what time', 400);
      await settle();
      expect(transcripts()).toEqual([]);
    });
  });

  test('takes words that a service knows as soon as it listens', () => {
    const eager: Stt = {
      name: 'eager',
      listen({ onInterim }) {
        onInterim?.('well');
        return { write() {}, finish: async () => ({ text: 'well' }), close() {} };
      },
    };
    const call = new MemoryCall({ clock: new FakeClock() });
    const stage = transcribe({ call, stt: eager, conversation: new Conversation() });
    const turn = new Turn(1, 'speech');
    stage.process({ kind: 'turn-started', turn, position: 0 }, () => {});
    expect(turn.words).toEqual({ text: 'well', final: false });
    expect(call.events).toMatchObject([{ type: 'transcript', text: 'well', final: false }]);
  });

  test('keeps three seconds of the caller for a turn that is noticed late, and no more', () => {
    const stt = new FakeStt();
    const { hear, start } = setUp(stt);
    hear(400);
    void start(new Turn(1, 'speech'), 0);
    expect(stt.utterances[0]!.heard[0]).toBe(250);
  });

  test('passes the words on, to the context and to the client', async () => {
    const stt = new FakeStt();
    const { call, conversation, start, end, transcripts } = setUp(stt);
    const turn = new Turn(1, 'speech');
    void start(turn, 0);
    const ended = end(turn);
    stt.utterances[0]!.answer.resolve({ text: 'what time is it' });
    await ended;
    expect(transcripts()).toMatchObject([{ turn, text: 'what time is it', final: true, voicedMs: 500 }]);
    expect(conversation.entries).toEqual([{ role: 'caller', turn: 1, text: 'what time is it' }]);
    expect(call.events).toEqual([
      { type: 'transcript', id: 'c1', turn: 1, role: 'caller', text: 'what time is it', final: true },
    ]);
  });

  test('gives an utterance up when its turn is cut off', async () => {
    const stt = new FakeStt();
    const { start, end, transcripts } = setUp(stt);
    const turn = new Turn(1, 'speech');
    void start(turn, 0);
    const ended = end(turn);
    turn.abort('interrupted');
    await ended;
    expect(stt.utterances[0]!.closed).toBe(true);
    expect(stt.utterances[0]!.signal.aborted).toBe(true);
    expect(transcripts()).toEqual([]);
  });

  test('puts the words of an unheard turn before those of the turn that carries it on', async () => {
    const stt = new FakeStt();
    const { conversation, start, end, transcripts } = setUp(stt);
    const first = new Turn(1, 'speech');
    void start(first, 0);
    const firstEnded = end(first);
    first.abort('continued');
    await firstEnded;
    const second = new Turn(2, 'speech', first);
    void start(second, 0);
    const secondEnded = end(second);
    stt.utterances[1]!.answer.resolve({ text: 'for two people' });
    await settle();
    expect(transcripts()).toEqual([]);
    stt.utterances[0]!.answer.resolve({ text: 'I would like a table' });
    await secondEnded;
    expect(transcripts().map(({ text }) => text)).toEqual(['I would like a table for two people']);
    expect(conversation.entries).toHaveLength(1);
    second.finish();
    expect(stt.utterances.every(({ closed }) => closed)).toBe(true);
  });

  test('turns the failure of the service into a failed turn, counted', async () => {
    const stt = new FakeStt();
    const { call, start, end, failures } = setUp(stt);
    const turn = new Turn(1, 'speech');
    void start(turn, 0);
    const ended = end(turn);
    stt.utterances[0]!.answer.reject(new AntipodeError('ERR_SERVICE_TIMEOUT', 'late'));
    await ended;
    expect(failures()).toMatchObject([{ code: 'ERR_SERVICE_TIMEOUT' }]);
    expect(call.observations).toMatchObject([
      { type: 'service-failed', turn: 1, kind: 'stt', service: 'fake', code: 'ERR_SERVICE_TIMEOUT' },
    ]);
  });

  test('without a service fails spoken turns with the reason and passes typed ones', async () => {
    const { start, end, failures, transcripts } = setUp({ missing: 'Install pocketsphinx.' });
    const spoken = new Turn(1, 'speech');
    void start(spoken, 0);
    await end(spoken);
    expect(failures()).toMatchObject([{ code: 'ERR_SERVICE_UNAVAILABLE', message: 'Install pocketsphinx.' }]);
    const typed = new Turn(2, 'text');
    await end(typed, 'hello');
    expect(transcripts()).toMatchObject([{ turn: typed, text: 'hello' }]);
  });

  test('gives up every utterance when it is closed', () => {
    const stt = new FakeStt();
    const { start, stage } = setUp(stt);
    void start(new Turn(1, 'speech'), 0);
    void stage.close();
    void stage.close();
    expect(stt.utterances[0]!.closed).toBe(true);
  });
});
