/**
 * Text to speech by one POST a piece of text whose answer is the sound, as it comes: what most vendors have beside their
 * WebSocket. Owns the pieces, the bytes and the errors; what is asked and how the answer is packed is a vendor's dialect.
 */
import { AntipodeError } from '../../../../errors.ts';
import { type HttpQuestion, HttpService, type HttpServiceOptions } from '../../http-service.ts';
import type { ServiceServerOptions } from '../../service-server.ts';
import type { SpeechChunk, SpokenWord, SynthesizeOptions, Tts } from '../../tts.ts';
import { type AudioReader, PcmReader, WavReader } from '../../wav.ts';
import { piecesOf } from '../pieces.ts';
import { Halver } from './halver.ts';

/** What a part of a packed answer holds. */
export interface VoicePart {
  /** 16-bit little-endian, or a piece of a WAV file, by the dialect's `sound`. */
  readonly bytes?: Uint8Array;
  /** Times since the beginning of this answer, ms. */
  readonly words?: readonly SpokenWord[];
}

/** A vendor's protocol. Holds no state. */
export interface HttpVoiceDialect {
  /** The longest text of one request, characters. */
  readonly maxCharacters: number;
  readonly headers: HttpServiceOptions['headers'];
  question(text: string): HttpQuestion;
  /** `wav`: a file; `wavs`: a small file in each part. Sound of a rate that nobody needs may be halved. */
  readonly sound:
    | { readonly form: 'pcm'; readonly sampleRate: number; readonly isHalved?: boolean }
    | { readonly form: 'wav' | 'wavs' };
  /**
   * How the sound is packed: bytes as they are, or parts of JSON that `read` unpacks. Events are server-sent ones.
   * @throws StreamedRefusal for a failure that the service tells in its answer; a ZodError for another shape
   */
  readonly answer:
    | { readonly packed: false }
    | { readonly packed: 'events' | 'values'; read(part: unknown): VoicePart };
}

/** What every voice of this kind is made with. */
export interface HttpVoiceOptions extends ServiceServerOptions {
  /** Name or id as the vendor calls it. */
  readonly voice: string;
  readonly model: string;
  /** As the vendor writes it. */
  readonly language?: string;
}

export const HTTP_VOICE_DEFAULTS = { timeoutMs: 5_000 } as const;

export class HttpVoice implements Tts {
  readonly name: string;
  readonly #label: string;
  readonly #dialect: HttpVoiceDialect;
  readonly #service: HttpService;

  constructor(options: ServiceServerOptions, dialect: HttpVoiceDialect) {
    this.name = options.name;
    this.#label = options.label;
    this.#dialect = dialect;
    this.#service = new HttpService({ ...options, headers: dialect.headers });
  }

  async *synthesize(text: string, { signal }: SynthesizeOptions): AsyncIterable<SpeechChunk> {
    if (text.trim() === '') return;
    let beforeMs = 0;
    for (const piece of piecesOf(text, this.#dialect.maxCharacters)) {
      if (piece.trim() === '') continue;
      let samples = 0;
      let rate = 1;
      for await (const chunk of this.#speak(piece, signal, beforeMs)) {
        samples += chunk.pcm.length;
        rate = chunk.sampleRate;
        yield chunk;
      }
      if (samples === 0) throw new AntipodeError('ERR_SERVICE_FAILED', `${this.#label} answered with no audio.`);
      beforeMs += (samples * 1_000) / rate;
    }
  }

  /** Opens a connection (`ServiceServer.warm`). */
  warm(): void {
    this.#service.warm();
  }

  /** Of `ServiceServer`. */
  connectMs(): number | null {
    return this.#service.connectMs;
  }

  /** Ends what is under way. Idempotent. */
  close(): void {
    this.#service.close();
  }

  async *#speak(text: string, signal: AbortSignal, beforeMs: number): AsyncIterable<SpeechChunk> {
    const { sound } = this.#dialect;
    const whole: AudioReader = sound.form === 'pcm' ? new PcmReader(sound.sampleRate) : new WavReader();
    const halver = sound.form === 'pcm' && sound.isHalved ? new Halver() : null;
    let sampleRate = sound.form === 'pcm' ? sound.sampleRate / (halver === null ? 1 : 2) : null;
    let early: SpokenWord[] = [];
    let hasSounded = false;
    for await (const { bytes, words } of this.#parts(text, signal)) {
      if (words) early.push(...words.map((word) => later(word, beforeMs)));
      const reader = sound.form === 'wavs' ? new WavReader() : whole;
      const read = bytes === undefined || bytes.length === 0 ? null : reader.push(bytes);
      const audio =
        read === null || halver === null ? read : { pcm: halver.process(read.pcm), sampleRate: sampleRate! };
      if (audio === null || audio.pcm.length === 0) continue;
      sampleRate = audio.sampleRate;
      hasSounded = true;
      yield early.length > 0 ? { ...audio, words: early } : audio;
      early = [];
    }
    const last = halver?.flush() ?? null;
    if (last !== null && last.length > 0 && hasSounded) yield { pcm: last, sampleRate: sampleRate! };
    if (early.length > 0 && sampleRate !== null) yield { pcm: new Int16Array(0), sampleRate, words: early };
  }

  #parts(text: string, signal: AbortSignal): AsyncIterable<VoicePart> {
    const { answer } = this.#dialect;
    const question = this.#dialect.question(text);
    switch (answer.packed) {
      case false:
        return this.#service.bytes(signal, question, (bytes) => ({ bytes }));
      case 'events':
        return this.#service.events(signal, question, ({ data }) => answer.read(data));
      case 'values':
        return this.#service.values(signal, question, (value) => answer.read(value));
    }
  }
}

function later(word: SpokenWord, byMs: number): SpokenWord {
  return byMs === 0 ? word : { ...word, startMs: word.startMs + byMs, endMs: word.endMs + byMs };
}
