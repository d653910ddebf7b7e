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

function setUp({ hasSpare = true } = {}) {
  const spares: CountingEar[] = [];
  const interims: string[] = [];
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
    onInterim: (text) => interims.push(text),
    service: 'stream',
    spare: hasSpare ? spare : null,
    now: () => 0,
    finalize: () => true,
    takeSeconds: () => 0,
    onClosed: () => {},
  });
  const hear = (samples: number) => utterance.write(new Int16Array(samples));
  return { utterance, hear, spares, interims, controller };
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
