import { describe, expect, test } from 'vitest';
import type { SttUtterance } from '../../../src/agent/services/stt.ts';
import { StreamUtterance } from '../../../src/agent/stages/stream-utterance.ts';

/** Hears how much it was given. */
class CountingEar implements SttUtterance {
  samples = 0;
  closed = false;

  write(pcm: Int16Array): void {
    this.samples += pcm.length;
  }

  async finish() {
    return { text: `${this.samples} samples` };
  }

  close(): void {
    this.closed = true;
  }
}

function setUp({ hasSpare = true, asks = false } = {}) {
  const spares: CountingEar[] = [];
  const interims: string[] = [];
  const heard: (number | undefined)[] = [];
  const runs: { startedAtMs: number; endedAtMs: number }[] = [];
  const service = { now: 1_000, finalized: 0, streamMs: 5_000 };
  const controller = new AbortController();
  const spare = {
    name: 'spare',
    listen: () => {
      const ear = new CountingEar();
      spares.push(ear);
      return ear;
    },
  };
  const utterance = new StreamUtterance({
    signal: controller.signal,
    onInterim: (text, heardMs) => {
      interims.push(text);
      heard.push(heardMs);
    },
    watch: { ran: (run) => runs.push(run), failedOver: () => {} },
    service: 'stream',
    spare: hasSpare ? spare : null,
    now: () => service.now,
    finalize: () => {
      service.finalized++;
      return true;
    },
    asks,
    streamMs: () => service.streamMs,
    takeSeconds: () => 0,
    onClosed: () => {},
  });
  /** The stage has given it to the stream before. */
  const hear = (samples: number) => {
    service.streamMs += samples / 16;
    utterance.write(new Int16Array(samples));
  };
  return { utterance, hear, spares, interims, heard, runs, service, controller };
}

const gone = new Error('gone');

describe('an utterance of a stream that breaks', () => {
  test('is heard by the spare one from its beginning, and on', async () => {
    const { utterance, hear, spares } = setUp();
    hear(320);
    utterance.ended('some words');
    utterance.failed(gone);
    utterance.failed(gone);
    hear(640);
    expect(await utterance.finish()).toEqual({ text: '960 samples' });
    expect(spares.length).toBe(1);
  });

  test('whose words were asked for already has them of the spare one', async () => {
    const { utterance, hear, interims } = setUp();
    hear(320);
    const words = utterance.finish();
    utterance.failed(gone);
    utterance.interim('too late');
    expect(await words).toEqual({ text: '320 samples' });
    expect(interims).toEqual([]);
  });

  test('and has had its words needs no other ear', async () => {
    const { utterance, spares } = setUp();
    utterance.ended('yes');
    expect(await utterance.finish()).toEqual({ text: 'yes' });
    utterance.failed(gone);
    expect(spares).toEqual([]);
  });

  test('keeps a minute of its sound and no more', async () => {
    const { utterance, hear } = setUp();
    for (let second = 0; second < 90; second++) hear(16_000);
    utterance.failed(gone);
    expect(await utterance.finish()).toEqual({ text: `${60 * 16_000} samples` });
  });

  test('lets the spare one go with it', () => {
    const { utterance, spares, controller } = setUp();
    utterance.failed(gone);
    controller.abort('over');
    expect(spares[0]!.closed).toBe(true);
  });

  test('fails with the reason when there is no spare one, unless it has words', async () => {
    const without = setUp({ hasSpare: false });
    without.utterance.failed(gone);
    await expect(without.utterance.finish()).rejects.toBe(gone);
    const withWords = setUp({ hasSpare: false });
    withWords.utterance.ended('half of it');
    withWords.utterance.failed(gone);
    expect(await withWords.utterance.finish()).toEqual({ text: 'half of it' });
  });
});

describe('an utterance of a stream that can be asked', () => {
  test('has at its end the words that it was asked for, and tells how long those took', async () => {
    const { utterance, hear, service, runs } = setUp({ asks: true });
    hear(320);
    utterance.interim('what');
    const asked = utterance.ask!();
    expect(utterance.ask!()).toStrictEqual(asked);
    service.now += 47;
    utterance.ended('what time');
    expect(await asked).toBe(true);
    service.now += 200;
    expect(await utterance.finish()).toEqual({ text: 'what time' });
    expect(service.finalized).toBe(1);
    expect(runs).toMatchObject([{ startedAtMs: 1_000, endedAtMs: 1_047 }]);
  });

  test('that is over before the words come waits for those', async () => {
    const { utterance, hear, service } = setUp({ asks: true });
    hear(320);
    void utterance.ask!();
    const words = utterance.finish();
    utterance.ended('yes');
    expect(await words).toEqual({ text: 'yes' });
    expect(service.finalized).toBe(1);
  });

  test('and goes on is asked again at its end, whenever the first words come', async () => {
    const early = setUp({ asks: true });
    early.hear(320);
    void early.utterance.ask!();
    early.utterance.ended('well');
    early.hear(320);
    const words = early.utterance.finish();
    expect(early.service.finalized).toBe(2);
    early.utterance.ended('no');
    expect(await words).toEqual({ text: 'well no' });

    const late = setUp({ asks: true });
    late.hear(320);
    void late.utterance.ask!();
    late.hear(320);
    late.utterance.interim('well no');
    const lateWords = late.utterance.finish();
    late.utterance.ended('well');
    expect(late.service.finalized).toBe(2);
    late.utterance.ended('no');
    expect(await lateWords).toEqual({ text: 'well no' });
  });

  test('gives what it has, and still waits for, to the one that takes its place', async () => {
    const before = setUp({ asks: true });
    before.hear(320);
    void before.utterance.ask!();
    before.utterance.ended('i would');
    before.hear(320);
    void before.utterance.finish().catch(() => {});
    const { utterance, hear, service } = setUp({ asks: true });
    utterance.inherit(before.utterance);
    before.utterance.close();
    hear(320);
    const words = utterance.finish();
    expect(service.finalized).toBe(0);
    utterance.ended('like');
    expect(service.finalized).toBe(1);
    utterance.ended('a table');
    expect(await words).toEqual({ text: 'i would like a table' });
  });

  test('says how much of what was written its words are all of', () => {
    const { utterance, hear, heard } = setUp();
    utterance.interim('before', 4_000);
    hear(16_000);
    utterance.interim('what', 5_800);
    utterance.interim('what', undefined);
    expect(heard).toEqual([undefined, 800, undefined]);
  });

  test('gives up what was asked when it is closed or broken', async () => {
    const { utterance, hear } = setUp({ asks: true });
    hear(320);
    const asked = utterance.ask!();
    utterance.failed(gone);
    expect(await asked).toBe(false);
    expect(await utterance.ask!()).toBe(false);
    const other = setUp({ asks: true });
    other.hear(320);
    const otherAsked = other.utterance.ask!();
    other.utterance.close();
    expect(await otherAsked).toBe(false);
  });
});
