/**
 * Speech to text by Soniox's WebSocket. Words come as tokens, parts of words among them, that are final or not; a
 * stream is finalized on demand without being closed. The key goes in the first message. Written from memory of the
 * vendor's documentation (soniox.com/docs), which was not read for it: check it before you rely on it. Tested against a
 * fake that speaks it so.
 */
import { z } from 'zod';
import type { Clock } from '../../../clock.ts';
import type { Logger } from '../../../telemetry/index.ts';
import { EAR_SAMPLE_RATE } from '../../types.ts';
import { quotable, refusal } from '../refusal.ts';
import { requireKey } from '../require-key.ts';
import type { DialectLink, DialectSession, SttDialect } from './dialect.ts';
import { TurnDetectingPooledStt } from './pooled-stt.ts';
import { inSeconds, type MillisecondWord } from './wire-words.ts';

export interface SonioxOptions {
  /** From SONIOX_API_KEY; null when there is none. */
  apiKey: string | null;
  baseUrl?: string;
  model?: string;
  /** ISO 639-1, a hint. @defaultValue none: the service finds out */
  language?: string;
  clock: Clock;
  log: Logger;
  /** From the end of an utterance to its words. */
  timeoutMs?: number;
}

export const SONIOX_DEFAULTS = {
  baseUrl: 'wss://stt-rt.soniox.com/transcribe-websocket',
  model: 'stt-rt-v4',
  timeoutMs: 5_000,
} as const;

/** The service closes after 20 s without audio or keepalive. */
const KEEP_ALIVE_MS = 8_000;
const TURN_ENDED = '<end>';
const FINALIZED = '<fin>';

const tokenSchema = z.object({
  text: z.string().max(512),
  start_ms: z.number().min(0).nullish(),
  end_ms: z.number().min(0).nullish(),
  confidence: z.number().nullish(),
  is_final: z.boolean(),
});
const messageSchema = z.object({
  tokens: z.array(tokenSchema).max(8_192).default([]),
  total_audio_proc_ms: z.number().min(0).default(0),
  error_code: z.number().int().nullish(),
  error_message: z.string().nullish(),
});
type Token = z.infer<typeof tokenSchema>;
type Settings = Required<Pick<SonioxOptions, 'baseUrl' | 'model'>> & { apiKey: string; language?: string };

export class Soniox extends TurnDetectingPooledStt {
  /** @throws ERR_SERVICE_UNAVAILABLE when there is no key */
  constructor(options: SonioxOptions) {
    const apiKey = requireKey(options.apiKey, 'Soniox', 'SONIOX_API_KEY');
    const settings = { ...SONIOX_DEFAULTS, ...options, apiKey };
    super({ ...settings, name: 'soniox', dialect: dialectOf(settings, false), turnDialect: dialectOf(settings, true) });
  }
}

function dialectOf(settings: Settings, detectsTurns: boolean): SttDialect {
  return {
    service: 'Soniox',
    keepAliveMs: KEEP_ALIVE_MS,
    finalizesInMidStream: true,
    address: () => ({ url: new URL(settings.baseUrl), headers: {} }),
    session: (link) => new SonioxSession(link, settings, detectsTurns),
  };
}

class SonioxSession implements DialectSession {
  readonly #link: DialectLink;
  readonly #settings: Settings;
  readonly #detectsTurns: boolean;
  /** Final tokens of the turn: a word may go on in the next one, so that they become words at its end. */
  #finals: Token[] = [];
  #finalizing = false;

  constructor(link: DialectLink, settings: Settings, detectsTurns: boolean) {
    this.#link = link;
    this.#settings = settings;
    this.#detectsTurns = detectsTurns;
  }

  opened(): void {
    const { apiKey, model, language } = this.#settings;
    this.#link.sendJson({
      api_key: apiKey,
      model,
      audio_format: 'pcm_s16le',
      sample_rate: EAR_SAMPLE_RATE,
      num_channels: 1,
      enable_endpoint_detection: this.#detectsTurns,
      ...(language !== undefined && { language_hints: [language] }),
    });
    // The service confirms nothing: what it refuses it refuses in its first message.
    this.#link.ready();
  }

  audio(bytes: Buffer): void {
    this.#link.sendBinary(bytes);
  }

  finalize(): void {
    this.#finalizing = true;
    this.#link.sendJson({ type: 'finalize' });
  }

  keepAlive(): void {
    this.#link.sendJson({ type: 'keepalive' });
  }

  goodbye(): void {
    // An empty frame ends the stream.
    this.#link.sendBinary(Buffer.alloc(0));
  }

  message(value: unknown): void {
    const {
      tokens,
      total_audio_proc_ms: untilMs,
      error_code: status,
      error_message: words,
    } = messageSchema.parse(value);
    if (status != null) {
      this.#link.fail(refusal('Soniox', status, { words: quotable(words ?? '', this.#settings.apiKey) }));
      return;
    }
    const open: Token[] = [];
    for (const token of tokens) {
      if (token.text === TURN_ENDED || token.text === FINALIZED) this.#ended(token.text);
      else if (token.is_final) this.#finals.push(token);
      else open.push(token);
    }
    const all = [...this.#finals, ...open];
    if (all.length > 0) this.#link.interim(joined(all), inSeconds(wordsOf(all)), untilMs / 1_000);
  }

  #ended(mark: typeof TURN_ENDED | typeof FINALIZED): void {
    const words = wordsOf(this.#finals);
    const until = mark === FINALIZED ? this.#link.sentSeconds : (words.at(-1)?.end ?? 0) / 1_000;
    this.#link.final(joined(this.#finals), inSeconds(words), until);
    this.#finals = [];
    if (mark === TURN_ENDED) this.#link.turnEnd('service');
    else if (this.#finalizing) {
      this.#finalizing = false;
      this.#link.turnEnd('finalize');
    }
  }
}

function joined(tokens: readonly Token[]): string {
  return tokens
    .map(({ text }) => text)
    .join('')
    .trim();
}

/** A token that begins with a space begins a word. */
function wordsOf(tokens: readonly Token[]): MillisecondWord[] {
  const words: { text: string; start: number; end: number; confidence: number | null }[] = [];
  for (const { text, start_ms: start, end_ms: end, confidence = null } of tokens) {
    const last = words.at(-1);
    if (last === undefined || /^\s/.test(text)) {
      words.push({ text: text.trim(), start: start ?? last?.end ?? 0, end: end ?? 0, confidence });
    } else {
      last.text += text.trimEnd();
      last.end = end ?? last.end;
    }
  }
  return words.filter(({ text }) => text !== '');
}
