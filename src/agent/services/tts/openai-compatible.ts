/**
 * Text to speech by every server that has OpenAI's `audio/speech`: OpenAI's own, and those of one's own (Kokoro-FastAPI,
 * speaches), which want no key. PCM or WAV, passed on as it arrives; a text that is too long for one request is spoken
 * by several, one after the other.
 */
import { AntipodeError } from '../../../errors.ts';
import { OpenAiServer, type OpenAiServerOptions } from '../openai-request.ts';
import type { SpeechChunk, SynthesizeOptions, Tts } from '../tts.ts';
import { type AudioReader, PcmReader, WavReader } from '../wav.ts';
import { piecesOf } from './pieces.ts';

export interface OpenAiCompatibleTtsOptions extends OpenAiServerOptions {
  readonly model: string;
  /** Name or id of the voice. */
  readonly voice: string;
  /** What is asked for: headerless 16-bit little-endian mono, or a WAV file, whose header tells its rate. */
  readonly format?: 'pcm' | 'wav';
  /** Hz of `pcm`. OpenAI and Kokoro give 24,000. */
  readonly sampleRate?: number;
  /** The longest text of one request. OpenAI takes 4,096. */
  readonly maxCharacters?: number;
}

export const OPENAI_COMPATIBLE_TTS_DEFAULTS = {
  format: 'pcm',
  sampleRate: 24_000,
  maxCharacters: 4_096,
} as const satisfies Partial<OpenAiCompatibleTtsOptions>;

export class OpenAiCompatibleTts implements Tts {
  readonly name: string;
  readonly baseUrl: string;
  readonly model: string;
  readonly #options: OpenAiCompatibleTtsOptions & Required<Pick<OpenAiCompatibleTtsOptions, 'format' | 'sampleRate'>>;
  readonly #maxCharacters: number;
  readonly #server: OpenAiServer;

  constructor(options: OpenAiCompatibleTtsOptions) {
    const settings = { ...OPENAI_COMPATIBLE_TTS_DEFAULTS, ...options };
    this.name = options.name;
    this.baseUrl = options.baseUrl;
    this.model = options.model;
    this.#options = settings;
    this.#maxCharacters = settings.maxCharacters;
    this.#server = new OpenAiServer(options);
  }

  async *synthesize(text: string, { signal }: SynthesizeOptions): AsyncIterable<SpeechChunk> {
    if (text.trim() === '') return;
    for (const piece of piecesOf(text, this.#maxCharacters)) {
      if (piece.trim() !== '') yield* this.#request(piece, signal);
    }
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
    this.#server.close();
  }

  async *#request(input: string, turn: AbortSignal): AsyncIterable<SpeechChunk> {
    const { model, voice, format, sampleRate, label } = this.#options;
    const reader: AudioReader = format === 'wav' ? new WavReader() : new PcmReader(sampleRate);
    const chunks = this.#server.stream(
      turn,
      async (client, signal) => {
        const request = { input, model, voice, response_format: format };
        return soundOf(await client.audio.speech.create(request, { signal }), label);
      },
      (bytes: Uint8Array) => reader.push(bytes),
    );
    let samples = 0;
    for await (const chunk of chunks) {
      if (chunk === null || chunk.pcm.length === 0) continue;
      samples += chunk.pcm.length;
      yield chunk;
    }
    if (samples === 0) throw new AntipodeError('ERR_SERVICE_FAILED', `${label} answered with no audio.`);
  }
}

async function soundOf(response: Response, label: string): Promise<AsyncIterable<Uint8Array>> {
  const type = response.headers.get('content-type') ?? '';
  if (response.body !== null && !/json|text|html/.test(type)) return response.body;
  await response.body?.cancel();
  throw new AntipodeError('ERR_SERVICE_FAILED', `${label} answered with "${type.slice(0, 80)}" in place of audio.`);
}
