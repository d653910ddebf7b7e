/**
 * Speech to text in no time: tells sound from silence by its level and answers with the words of a script, or with none
 * where there was too little sound for words. It stands in for a service, so it costs next to nothing.
 */
import type { Stt, SttListenOptions, SttUtterance } from '../../../src/agent/index.ts';

export interface PrerecordedSttOptions {
  words: string;
  /** Sound in an utterance from which it is words; less is a cough. */
  wordsAfterMs?: number;
}

const DEFAULT_WORDS_AFTER_MS = 400;
/** Mean of absolute samples of a write, full scale 32768. */
const SOUND_LEVEL = 300;

export class PrerecordedStt implements Stt {
  readonly name = 'prerecorded';
  readonly #words: string;
  readonly #wordsAfterMs: number;

  constructor({ words, wordsAfterMs = DEFAULT_WORDS_AFTER_MS }: PrerecordedSttOptions) {
    this.#words = words;
    this.#wordsAfterMs = wordsAfterMs;
  }

  listen({ onInterim }: SttListenOptions): SttUtterance {
    let soundMs = 0;
    let shown = false;
    return {
      write: (pcm) => {
        let sum = 0;
        for (let index = 0; index < pcm.length; index++) sum += Math.abs(pcm[index]!);
        if (sum / pcm.length >= SOUND_LEVEL) soundMs += pcm.length / 16;
        if (shown || soundMs < this.#wordsAfterMs) return;
        shown = true;
        onInterim?.(this.#words);
      },
      finish: async () => ({ text: soundMs >= this.#wordsAfterMs ? this.#words : '' }),
      close() {},
    };
  }
}
