/**
 * Speech to text by an OpenAI realtime transcription session (`/v1/realtime?intent=transcription`): audio is sent as it
 * is spoken and committed when the turn ends, which our own turn-taking decides. Messages by the types of the `openai`
 * package 7.55 (resources/realtime) and developers.openai.com/api/docs/guides/realtime-transcription, read in November
 * 2026; tested against a fake that speaks them. Sessions take 24 kHz only, and commits of 100 ms and more.
 */
import { z } from 'zod';
import type { Clock } from '../../../clock.ts';
import { AntipodeError } from '../../../errors.ts';
import type { Logger } from '../../../telemetry/index.ts';
import { requireKey } from '../require-key.ts';
import type { SocketAddress } from '../service-socket.ts';
import type { DialectLink, DialectSession, SttDialect } from './dialect.ts';
import { PooledStt } from './pooled-stt.ts';
import { Upsampler } from './upsampler.ts';

export interface OpenAiRealtimeSttOptions {
  /** From OPENAI_API_KEY; null when there is none. */
  apiKey: string | null;
  /** As of the HTTP API, such as `https://eu.api.openai.com/v1`. */
  baseUrl?: string;
  model?: string;
  /** ISO 639-1; null lets the model find out. */
  language?: string | null;
  clock: Clock;
  log: Logger;
  /** From the end of an utterance to its words. */
  timeoutMs?: number;
}

export const OPENAI_REALTIME_STT_DEFAULTS = {
  baseUrl: 'https://api.openai.com/v1',
  model: 'gpt-live-transcribe',
  language: null,
  timeoutMs: 8_000,
} as const;

const OUT_RATE = 24_000;
const MIN_COMMIT_SAMPLES = OUT_RATE / 10;

const text = z.string().max(65_536);
const messageSchema = z.object({ type: z.string() });
const itemSchema = z.object({ item_id: z.string().max(256) });
const deltaSchema = itemSchema.extend({ delta: text.default('') });
const completedSchema = itemSchema.extend({ transcript: text });
const errorSchema = z.object({
  error: z.object({ code: z.string().max(256).nullish(), type: z.string().max(256).nullish() }),
});

export class OpenAiRealtimeStt extends PooledStt {
  /** @throws ERR_SERVICE_UNAVAILABLE when there is no key */
  constructor(options: OpenAiRealtimeSttOptions) {
    const apiKey = requireKey(options.apiKey, 'OpenAI', 'OPENAI_API_KEY');
    const settings = { ...OPENAI_REALTIME_STT_DEFAULTS, ...options, apiKey };
    const dialect: SttDialect = {
      service: 'OpenAI realtime',
      keepAliveMs: null,
      address: () => address(settings),
      session: (link) => new TranscriptionSession(link, settings),
    };
    super({ ...settings, name: 'openai-realtime', dialect });
  }
}

function address({ baseUrl, apiKey }: { baseUrl: string; apiKey: string }): SocketAddress {
  const url = new URL(`${baseUrl.replace(/^http/, 'ws').replace(/\/$/, '')}/realtime`);
  url.searchParams.set('intent', 'transcription');
  return { url, headers: { authorization: `Bearer ${apiKey}` } };
}

class TranscriptionSession implements DialectSession {
  readonly #link: DialectLink;
  readonly #settings: { model: string; language: string | null };
  readonly #upsampler = new Upsampler();
  #uncommitted = 0;
  #committing = false;
  /** Seconds that the commit covers. */
  #goal = 0;
  /** The item whose words are known: what comes late for it is nobody's. */
  #doneItem: string | null = null;
  #deltas = '';

  constructor(link: DialectLink, settings: { model: string; language: string | null }) {
    this.#link = link;
    this.#settings = settings;
  }

  opened(): void {
    const { model, language } = this.#settings;
    this.#link.sendJson({
      type: 'session.update',
      session: {
        type: 'transcription',
        audio: {
          input: {
            format: { type: 'audio/pcm', rate: OUT_RATE },
            transcription: { model, ...(language !== null && { language }) },
            turn_detection: null,
          },
        },
      },
    });
  }

  audio(bytes: Buffer): void {
    const pcm = new Int16Array(bytes.length / 2);
    for (let index = 0; index < pcm.length; index++) pcm[index] = bytes.readInt16LE(index * 2);
    this.#append(this.#upsampler.process(pcm));
  }

  finalize(): void {
    this.#goal = this.#link.sentSeconds;
    this.#append(this.#upsampler.flush());
    if (this.#uncommitted < MIN_COMMIT_SAMPLES) this.#append(new Int16Array(MIN_COMMIT_SAMPLES - this.#uncommitted));
    this.#committing = true;
    this.#uncommitted = 0;
    this.#link.sendJson({ type: 'input_audio_buffer.commit' });
  }

  keepAlive(): void {
    // Nothing is asked for: the service pings.
  }

  goodbye(): void {
    // The protocol has none.
  }

  message(value: unknown): void {
    switch (messageSchema.parse(value).type) {
      case 'session.updated':
        this.#link.ready();
        break;
      case 'conversation.item.input_audio_transcription.delta':
        this.#delta(deltaSchema.parse(value));
        break;
      case 'conversation.item.input_audio_transcription.completed':
        this.#completed(completedSchema.parse(value));
        break;
      case 'conversation.item.input_audio_transcription.failed':
        if (itemSchema.parse(value).item_id === this.#doneItem) return;
        this.#link.fail(new AntipodeError('ERR_SERVICE_FAILED', 'OpenAI failed to transcribe an utterance.'));
        break;
      case 'error':
        this.#error(errorSchema.parse(value).error);
        break;
    }
  }

  #append(pcm: Int16Array): void {
    if (pcm.length === 0) return;
    this.#uncommitted += pcm.length;
    const audio = Buffer.from(pcm.buffer, pcm.byteOffset, pcm.byteLength).toString('base64');
    this.#link.sendJson({ type: 'input_audio_buffer.append', audio });
  }

  #delta({ item_id, delta }: z.infer<typeof deltaSchema>): void {
    if (item_id === this.#doneItem) return;
    this.#deltas += delta;
    if (this.#deltas.trim() !== '') this.#link.interim(this.#deltas.trim(), []);
  }

  #completed({ item_id, transcript }: z.infer<typeof completedSchema>): void {
    if (item_id === this.#doneItem || !this.#committing) return;
    this.#doneItem = item_id;
    this.#done(transcript.trim());
  }

  #error({ code, type }: z.infer<typeof errorSchema>['error']): void {
    const what = code ?? type ?? 'no code';
    if (what === 'input_audio_buffer_commit_empty' && this.#committing) {
      this.#done('');
      return;
    }
    const limited = what === 'rate_limit_exceeded' || what === 'insufficient_quota';
    const message = limited ? 'OpenAI limits our rate or quota.' : `OpenAI failed (${what}).`;
    this.#link.fail(new AntipodeError(limited ? 'ERR_SERVICE_UNAVAILABLE' : 'ERR_SERVICE_FAILED', message));
  }

  #done(transcript: string): void {
    this.#committing = false;
    this.#deltas = '';
    this.#link.final(transcript, [], this.#goal);
    this.#link.turnEnd('finalize');
  }
}
