/**
 * Speech to text by every server that has OpenAI's `audio/transcriptions`: OpenAI's own, Groq, and whisper servers of
 * one's own (speaches, faster-whisper, whisper.cpp). The utterance is collected and sent as one WAV file when the turn
 * ends. No interim words.
 */
import { toFile } from 'openai';
import { z } from 'zod';
import { AntipodeError } from '../../../errors.ts';
import { EAR_SAMPLE_RATE } from '../../types.ts';
import { OpenAiServer, type OpenAiServerOptions } from '../openai-request.ts';
import type { Stt, SttListenOptions, SttUtterance, Transcription } from '../stt.ts';
import { buildWav } from '../wav.ts';

export interface OpenAiCompatibleSttOptions extends OpenAiServerOptions {
  readonly model: string;
  /** ISO 639-1; without it the model finds out. */
  readonly language?: string;
  /** Longer utterances fail. Ten minutes are 19 MB; OpenAI takes 25 MB. */
  readonly maxUtteranceMs?: number;
}

export const OPENAI_COMPATIBLE_STT_DEFAULTS = { maxUtteranceMs: 600_000 } as const;

const answerSchema = z.object({ text: z.string().max(262_144) });

export class OpenAiCompatibleStt implements Stt {
  readonly name: string;
  readonly baseUrl: string;
  readonly model: string;
  readonly #options: OpenAiCompatibleSttOptions;
  readonly #server: OpenAiServer;
  #closed = false;

  constructor(options: OpenAiCompatibleSttOptions) {
    this.name = options.name;
    this.baseUrl = options.baseUrl;
    this.model = options.model;
    this.#options = { ...OPENAI_COMPATIBLE_STT_DEFAULTS, ...options };
    this.#server = new OpenAiServer(options);
  }

  listen(options: SttListenOptions): SttUtterance {
    if (this.#closed) throw new AntipodeError('ERR_SHUTTING_DOWN', 'Speech to text is closed.');
    const transcribe = (pcm: Int16Array, signal: AbortSignal) => this.#transcribe(pcm, signal);
    return new CollectedUtterance(transcribe, options.signal, this.#options.maxUtteranceMs!);
  }

  /** Opens a connection (`OpenAiServer.warm`). */
  warm(): void {
    this.#server.warm();
  }

  /** Of `OpenAiServer`. */
  connectMs(): number | null {
    return this.#server.connectMs;
  }

  /** Ends what is under way. Idempotent. */
  close(): void {
    this.#closed = true;
    this.#server.close();
  }

  async #transcribe(pcm: Int16Array, signal: AbortSignal): Promise<Transcription> {
    const { model, language } = this.#options;
    const wav = buildWav({ pcm, sampleRate: EAR_SAMPLE_RATE });
    return this.#server.once(
      signal,
      async (client, signal) => {
        const file = await toFile(wav, 'utterance.wav', { type: 'audio/wav' });
        const request = { file, model, response_format: 'json', ...(language !== undefined && { language }) } as const;
        return client.audio.transcriptions.create(request, { signal });
      },
      (answer) => ({ text: answerSchema.parse(answer).text.trim() }),
    );
  }
}

/** An utterance that is kept until it is whole. */
class CollectedUtterance implements SttUtterance {
  readonly #transcribe: (pcm: Int16Array, signal: AbortSignal) => Promise<Transcription>;
  readonly #giveUp = new AbortController();
  readonly #turn: AbortSignal;
  readonly #onAbort: () => void;
  readonly #maxSamples: number;
  #chunks: Int16Array[] = [];
  #samples = 0;

  constructor(
    transcribe: (pcm: Int16Array, signal: AbortSignal) => Promise<Transcription>,
    turn: AbortSignal,
    maxUtteranceMs: number,
  ) {
    this.#transcribe = transcribe;
    this.#turn = turn;
    this.#maxSamples = (maxUtteranceMs * EAR_SAMPLE_RATE) / 1_000;
    this.#onAbort = () => this.#end(turn.reason);
    if (turn.aborted) this.#onAbort();
    else turn.addEventListener('abort', this.#onAbort, { once: true });
  }

  write(pcm: Int16Array): void {
    if (this.#giveUp.signal.aborted) return;
    this.#samples += pcm.length;
    if (this.#samples <= this.#maxSamples) this.#chunks.push(pcm.slice());
    else {
      const seconds = this.#maxSamples / EAR_SAMPLE_RATE;
      this.#end(new AntipodeError('ERR_SERVICE_FAILED', `An utterance is longer than ${seconds} s.`));
    }
  }

  async finish(): Promise<Transcription> {
    const { signal } = this.#giveUp;
    signal.throwIfAborted();
    const pcm = joined(this.#chunks, this.#samples);
    this.#chunks = [];
    try {
      // Nothing to ask about, and whisper makes words up for no sound at all.
      if (pcm.length === 0) return { text: '' };
      return await this.#transcribe(pcm, signal);
    } finally {
      this.#turn.removeEventListener('abort', this.#onAbort);
    }
  }

  close(): void {
    this.#end(new AntipodeError('ERR_SERVICE_FAILED', 'The utterance was given up.'));
  }

  #end(reason: unknown): void {
    this.#chunks = [];
    this.#turn.removeEventListener('abort', this.#onAbort);
    this.#giveUp.abort(reason);
  }
}

function joined(chunks: readonly Int16Array[], samples: number): Int16Array {
  const whole = new Int16Array(samples);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}
