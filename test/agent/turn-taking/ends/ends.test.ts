import { describe, expect, test } from 'vitest';
import type { SttTurnFrame, VoiceFrame } from '../../../../src/agent/frames.ts';
import type { EndOfTurn } from '../../../../src/agent/turn-taking/ends/end-of-turn.ts';
import { firstOf } from '../../../../src/agent/turn-taking/ends/first-of.ts';
import { silence } from '../../../../src/agent/turn-taking/ends/silence.ts';
import { smartEnd } from '../../../../src/agent/turn-taking/ends/smart-end.ts';
import { sttEnd } from '../../../../src/agent/turn-taking/ends/stt-end.ts';
import { silentLogger } from '../../../../src/telemetry/index.ts';

/** A judge with a turn to judge, and all that it says. */
function judging(judge: EndOfTurn) {
  const said: string[] = [];
  const watch = judge.open((verdict, by = judge.name) => said.push(`${verdict} by ${by}`));
  let position = 0;
  const window = (silentMs: number, quietMs = silentMs): void => {
    position += 512;
    const frame: VoiceFrame = {
      kind: 'voice',
      position,
      receivedAtMs: 0,
      speaking: silentMs < 250,
      segment: 1,
      segmentStart: 0,
      voicedMs: 500,
      silentMs,
      quietMs,
    };
    watch.voice(frame);
  };
  const hear = (value: number, frames: number) => {
    for (let index = 0; index < frames; index++) {
      const pcm = new Int16Array(320).fill(value);
      watch.audio?.({ kind: 'caller-audio', audio: { pcm, position: 0, receivedAtMs: 0, origin: 'received' } });
    }
  };
  const stt = (event: SttTurnFrame['event']) => watch.stt?.({ kind: 'stt-turn', event, text: 'words', atMs: 0 });
  watch.begin();
  return { said, watch, window, hear, stt };
}

const settle = () => new Promise((resolve) => setImmediate(resolve));

describe('silence', () => {
  test('makes an end probable and then certain, once each', () => {
    const { said, window } = judging(silence());
    for (const silentMs of [0, 96, 128, 288, 480, 512, 544]) window(silentMs);
    expect(said).toEqual(['probable by silence', 'certain by silence']);
  });

  test('guesses anew in the next pause, and never where it may not', () => {
    const { said, window } = judging(silence());
    for (const silentMs of [256, 0, 256]) window(silentMs);
    expect(said).toEqual(['probable by silence', 'probable by silence']);
    const cautious = judging(silence({ probableMs: null, endMs: 300 }));
    for (const silentMs of [256, 320]) cautious.window(silentMs);
    expect(cautious.said).toEqual(['certain by silence']);
  });

  test('finds an end probable by a voice that fades, and certain only by silence', () => {
    const { said, window } = judging(silence({ endMs: 300 }));
    window(0, 64);
    window(0, 96);
    expect(said).toEqual(['probable by silence']);
    window(288, 416);
    expect(said).toEqual(['probable by silence']);
    window(320, 448);
    expect(said).toEqual(['probable by silence', 'certain by silence']);
  });

  test('says nothing of what is no turn', () => {
    const { said, window, watch } = judging(silence());
    watch.end();
    window(5_000);
    watch.begin();
    watch.close();
    window(5_000);
    expect(said).toEqual([]);
  });
});

describe('speech to text that detects turns', () => {
  test('passes on what it says', () => {
    const { said, stt, window } = judging(sttEnd());
    window(5_000);
    for (const event of ['words', 'probably-ended', 'resumed', 'probably-ended', 'ended', 'ended'] as const) stt(event);
    expect(said).toEqual(['probable by stt', 'going-on by stt', 'probable by stt', 'certain by stt']);
  });

  test('ends by 224 ms of silence a turn whose words were asked for, unless there are new ones', () => {
    const { said, stt, window } = judging(sttEnd());
    stt('words');
    stt('asked');
    window(192);
    expect(said).toEqual([]);
    window(0);
    stt('words');
    window(1_000);
    expect(said).toEqual([]);
    stt('asked');
    window(224);
    window(256);
    expect(said).toEqual(['certain by stt']);
  });
});

describe('Smart Turn', () => {
  function asking(options: { unfinishedMs?: number } = {}) {
    const questions: { pcm: Int16Array; answer: PromiseWithResolvers<number>; signal: AbortSignal }[] = [];
    const model = {
      probability(pcm: Int16Array, { signal }: { signal?: AbortSignal } = {}) {
        const answer = Promise.withResolvers<number>();
        questions.push({ pcm, answer, signal: signal! });
        return answer.promise;
      },
    };
    return { questions, ...judging(smartEnd({ model, log: silentLogger, ...options })) };
  }

  test('is asked once a pause, after 200 ms of silence, and ends the turn when it finds it finished', async () => {
    const { questions, said, window, hear } = asking();
    hear(1, 100);
    for (const silentMs of [0, 96, 128, 160]) window(silentMs);
    expect(said).toEqual(['probable by smart-turn']);
    expect(questions).toHaveLength(0);
    for (const silentMs of [224, 256]) window(silentMs);
    expect(questions).toHaveLength(1);
    expect(questions[0]!.pcm.length).toBe(100 * 320);
    expect(said).toEqual(['probable by smart-turn']);
    questions[0]!.answer.resolve(0.5);
    await settle();
    expect(said).toEqual(['probable by smart-turn', 'certain by smart-turn']);
  });

  test('hears the last eight seconds at most, and nothing from before the turn', async () => {
    const { questions, watch, window, hear } = asking();
    watch.end();
    hear(7, 500);
    watch.begin();
    hear(1, 50);
    window(224);
    // A quarter of a second before it was noticed belongs to it.
    expect(questions[0]!.pcm.length).toBe(50 * 320 + 4_000);
    expect(questions[0]!.pcm.at(0)).toBe(7);
    expect(questions[0]!.pcm.at(4_000)).toBe(1);
    window(0);
    hear(2, 600);
    window(224);
    expect(questions[1]!.pcm.length).toBe(8 * 16_000);
  });

  test('leaves a turn that it finds unfinished to a longer silence', async () => {
    const { questions, said, window } = asking();
    window(224);
    questions[0]!.answer.resolve(0.49);
    await settle();
    for (const silentMs of [512, 1_024, 1_504]) window(silentMs);
    expect(said).toEqual(['probable by smart-turn', 'certain by silence']);
  });

  test('takes the question back when the caller goes on', async () => {
    const { questions, said, window } = asking();
    window(224);
    window(0);
    expect(questions[0]!.signal.aborted).toBe(true);
    questions[0]!.answer.resolve(1);
    await settle();
    window(224);
    questions[1]!.answer.resolve(1);
    await settle();
    expect(said).toEqual(['probable by smart-turn', 'probable by smart-turn', 'certain by smart-turn']);
  });

  test('is not asked while the voice only fades', () => {
    const { questions, said, window } = asking();
    window(0, 32);
    window(0, 96);
    window(192, 288);
    expect(said).toEqual(['probable by smart-turn']);
    expect(questions).toHaveLength(0);
    window(224, 320);
    expect(questions).toHaveLength(1);
  });

  test('that fails leaves the turn to half a second of silence', async () => {
    const { questions, said, window } = asking();
    window(224);
    questions[0]!.answer.reject(new Error('no answer'));
    await settle();
    window(480);
    expect(said).toEqual(['probable by smart-turn']);
    window(512);
    expect(said).toEqual(['probable by smart-turn', 'certain by silence']);
  });
});

describe('several judges', () => {
  test('are certain by the first that is', () => {
    const { said, stt, window } = judging(firstOf(sttEnd(), silence({ probableMs: null })));
    window(300);
    stt('ended');
    window(600);
    expect(said).toEqual(['certain by stt']);
  });

  test('let only the one that guessed take it back', () => {
    const { said, stt, window } = judging(firstOf(sttEnd(), silence()));
    window(256);
    stt('resumed');
    expect(said).toEqual(['probable by silence']);
    window(0);
    stt('probably-ended');
    stt('resumed');
    expect(said.slice(1)).toEqual(['probable by stt', 'going-on by stt']);
  });
});
