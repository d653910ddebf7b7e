/** A language model in no time: one sentence, whatever it is asked. */
import type { Llm, LlmEvent } from '../../../src/agent/index.ts';

export class PrerecordedLlm implements Llm {
  readonly name = 'prerecorded';
  readonly #words: string;

  constructor(words: string) {
    this.#words = words;
  }

  async *respond(): AsyncGenerator<LlmEvent> {
    yield { type: 'text', text: this.#words };
  }
}
