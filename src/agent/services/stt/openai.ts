/**
 * Speech to text by OpenAI's `audio/transcriptions` (and servers that speak it): the utterance is collected and sent
 * as one WAV file when the turn ends. No interim words.
 */
import { toFile } from 'openai';
import { z } from 'zod';
import { AntipodeError } from '../../../errors.ts';
import { EAR_SAMPLE_RATE } from '../../types.ts';
import { Deadline, type OpenAiOptions, openAiClient } from '../openai-request.ts';
import type { Stt, SttListenOptions, SttUtterance, Transcription } from '../stt.ts';
import { buildWav } from '../wav.ts';

/** 60 s of 16 kHz: the most that is sent at once. */
const MAX_SAMPLES = 60 * EAR_SAMPLE_RATE;

const answerSchema = z.object({ text: z.string().max(16_384) });

export class OpenAiStt implements Stt {
  readonly name = 'openai';
  readonly #options: OpenAiOptions;
  readonly #client;

  /** @throws ERR_SERVICE_UNAVAILABLE when there is no key */
  constructor(options: OpenAiOptions) {
    this.#options = options;
    this.#client = openAiClient(options.settings);
  }

  listen(options: SttListenOptions): SttUtterance {
    const closing = new AbortController();
    const signal = AbortSignal.any([options.signal, closing.signal]);
    let chunks: Int16Array[] = [];
    let samples = 0;
    return {
      write: (pcm) => {
        samples += pcm.length;
        if (samples <= MAX_SAMPLES && !signal.aborted) chunks.push(pcm.slice());
      },
      finish: () => {
        if (samples > MAX_SAMPLES) {
          const error = new AntipodeError('ERR_SERVICE_FAILED', 'An utterance is longer than 60 s.');
          return Promise.reject(error);
        }
        const pcm = join(chunks, samples);
        chunks = [];
        return this.#transcribe(pcm, signal);
      },
      close: () => {
        chunks = [];
        closing.abort(new AntipodeError('ERR_SERVICE_FAILED', 'The utterance was given up.'));
      },
    };
  }

  async #transcribe(pcm: Int16Array, signal: AbortSignal): Promise<Transcription> {
    const { settings, clock } = this.#options;
    const deadline = new Deadline({ clock, timeoutMs: settings.timeoutMs, signal });
    try {
      const file = await toFile(buildWav({ pcm, sampleRate: EAR_SAMPLE_RATE }), 'utterance.wav', { type: 'audio/wav' });
      const answer: unknown = await this.#client.audio.transcriptions.create(
        { file, model: settings.sttModel, response_format: 'json' },
        { signal: deadline.signal },
      );
      deadline.check();
      return { text: answerSchema.parse(answer).text.trim() };
    } catch (error) {
      throw deadline.explain(error);
    } finally {
      deadline.close();
    }
  }
}

function join(chunks: readonly Int16Array[], samples: number): Int16Array {
  const joined = new Int16Array(samples);
  let at = 0;
  for (const chunk of chunks) {
    joined.set(chunk, at);
    at += chunk.length;
  }
  return joined;
}
