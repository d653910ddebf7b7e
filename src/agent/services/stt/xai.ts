/**
 * Speech to text by xAI's WebSocket. The service locks words every three seconds or so, and says what is a whole
 * utterance after a silence; `audio.done` brings the words that are left. By docs.x.ai (developers/rest-api-reference/
 * inference/speech-to-text, read in November 2026); tested against a fake that speaks it.
 *
 * The page has been stored in two versions: one says that a connection takes one utterance, the other that it goes on.
 * So each utterance that we cut ends its connection, and the next one is opened at once.
 */
import { z } from 'zod';
import type { Clock } from '../../../clock.ts';
import type { Logger } from '../../../telemetry/index.ts';
import { EAR_SAMPLE_RATE } from '../../types.ts';
import { quotable, refusal } from '../refusal.ts';
import { requireKey } from '../require-key.ts';
import type { DialectLink, DialectSession, DialectWord, SttDialect } from './dialect.ts';
import { TurnDetectingPooledStt } from './pooled-stt.ts';

export interface XaiSttOptions {
  /** From XAI_API_KEY; null when there is none. */
  apiKey: string | null;
  baseUrl?: string;
  /** For numbers and the like in their written form. @defaultValue none */
  language?: string;
  /** Silence after which the service ends an utterance, up to 5000. */
  endpointingMs?: number;
  clock: Clock;
  log: Logger;
  /** From the end of an utterance to its words. */
  timeoutMs?: number;
}

/** The service has one model, which is not asked for. */
export const XAI_STT_DEFAULTS = {
  baseUrl: 'wss://api.x.ai/v1/stt',
  model: 'default',
  endpointingMs: 500,
  timeoutMs: 5_000,
} as const;

const text = z.string().max(65_536).default('');
const seconds = z.number().min(0);
const words = z
  .array(z.object({ text: z.string().max(512), start: seconds, end: seconds }))
  .max(8_192)
  .nullish()
  .transform((each) => each ?? []);
const messageSchema = z.object({ type: z.string() });
const partialSchema = z.object({ text, words, is_final: z.boolean(), speech_final: z.boolean() });
const doneSchema = z.object({ text, words });
const errorSchema = z.object({ message: text });

type Settings = Required<Omit<XaiSttOptions, 'clock' | 'log' | 'apiKey' | 'language'>> & {
  apiKey: string;
  language?: string;
};

export class XaiStt extends TurnDetectingPooledStt {
  /** @throws ERR_SERVICE_UNAVAILABLE when there is no key */
  constructor(options: XaiSttOptions) {
    const apiKey = requireKey(options.apiKey, 'xAI', 'XAI_API_KEY');
    const settings = { ...XAI_STT_DEFAULTS, ...options, apiKey };
    super({ ...settings, name: 'xai', dialect: dialectOf(settings, false), turnDialect: dialectOf(settings, true) });
  }
}

function dialectOf(settings: Settings, detectsTurns: boolean): SttDialect {
  return {
    service: 'xAI',
    keepAliveMs: null,
    address: () => {
      const url = new URL(settings.baseUrl);
      const query = {
        encoding: 'pcm',
        sample_rate: String(EAR_SAMPLE_RATE),
        interim_results: 'true',
        endpointing: String(settings.endpointingMs),
        ...(settings.language !== undefined && { language: settings.language }),
      };
      for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
      return { url, headers: { authorization: `Bearer ${settings.apiKey}` } };
    },
    session: (link) => new XaiSession(link, settings.apiKey, detectsTurns),
  };
}

class XaiSession implements DialectSession {
  readonly #link: DialectLink;
  readonly #apiKey: string;
  readonly #detectsTurns: boolean;
  /** Locked words of the utterance under way; its end tells all of them once more. */
  #locked: string[] = [];
  #finalizing = false;

  constructor(link: DialectLink, apiKey: string, detectsTurns: boolean) {
    this.#link = link;
    this.#apiKey = apiKey;
    this.#detectsTurns = detectsTurns;
  }

  opened(): void {
    // `transcript.created` comes.
  }

  audio(bytes: Buffer): void {
    this.#link.sendBinary(bytes);
  }

  finalize(): void {
    this.#finalizing = true;
    this.#link.sendJson({ type: 'audio.done' });
  }

  keepAlive(): void {
    // Nothing is asked for.
  }

  goodbye(): void {
    this.#link.sendJson({ type: 'audio.done' });
  }

  message(value: unknown): void {
    const { type } = messageSchema.parse(value);
    if (type === 'transcript.created') this.#link.ready();
    else if (type === 'transcript.partial') this.#heard(partialSchema.parse(value));
    else if (type === 'transcript.done' && this.#finalizing) this.#done(doneSchema.parse(value));
    else if (type === 'error') {
      const said = quotable(errorSchema.parse(value).message, this.#apiKey);
      this.#link.fail(refusal('xAI', 500, { words: said }));
    }
  }

  #heard(partial: z.infer<typeof partialSchema>): void {
    const said = partial.text.trim();
    const placed = placedOf(partial.words);
    if (partial.speech_final) {
      this.#locked = [];
      this.#link.final(said, placed, placed.at(-1)?.end ?? 0);
      if (this.#detectsTurns && !this.#finalizing && said !== '') this.#link.turnEnd('service');
      return;
    }
    const all = [...this.#locked, said].filter((each) => each !== '').join(' ');
    if (partial.is_final && said !== '') this.#locked.push(said);
    if (all !== '') this.#link.interim(all, placed, placed.at(-1)?.end);
  }

  #done(left: z.infer<typeof doneSchema>): void {
    this.#link.final(left.text.trim(), placedOf(left.words), this.#link.sentSeconds);
    this.#link.turnEnd('finalize');
    this.#link.retire();
  }
}

function placedOf(said: z.infer<typeof words>): DialectWord[] {
  return said.map((word) => ({ ...word, confidence: null }));
}
