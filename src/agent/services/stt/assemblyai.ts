/**
 * Speech to text by AssemblyAI's streaming endpoint, version 3: turns that the service ends, or that we end by
 * ForceEndpoint. Written from memory of the vendor's documentation (assemblyai.com/docs), which was not read for it:
 * check it before you rely on it. Tested against a fake that speaks it so.
 *
 * A ForceEndpoint without words since the last turn may go unanswered: the stream is then ended in good order, which is
 * always answered, and the next utterance takes another.
 */
import { z } from 'zod';
import type { Clock, Timer } from '../../../clock.ts';
import type { Logger } from '../../../telemetry/index.ts';
import { EAR_SAMPLE_RATE } from '../../types.ts';
import { quotable, refusal } from '../refusal.ts';
import { requireKey } from '../require-key.ts';
import type { DialectLink, DialectSession, SttDialect } from './dialect.ts';
import { TurnDetectingPooledStt } from './pooled-stt.ts';
import { inSeconds, textOf } from './wire-words.ts';

export interface AssemblyAiOptions {
  /** From ASSEMBLYAI_API_KEY; null when there is none. */
  apiKey: string | null;
  /** @defaultValue `wss://streaming.assemblyai.com/v3/ws` */
  baseUrl?: string;
  model?: string;
  clock: Clock;
  log: Logger;
  /** From the end of an utterance to its words. */
  timeoutMs?: number;
  /** How long an answer to ForceEndpoint is waited for before the stream is ended for one. */
  finalizeQuietMs?: number;
}

export const ASSEMBLYAI_DEFAULTS = {
  baseUrl: 'wss://streaming.assemblyai.com/v3/ws',
  model: 'universal-streaming-english',
  timeoutMs: 5_000,
  finalizeQuietMs: 1_000,
} as const;

/** A message of audio has 50 to 1000 ms. */
const MIN_MESSAGE_BYTES = (EAR_SAMPLE_RATE / 20) * 2;
/** Turns that we cut: the service is not to end them. */
const NEVER_MS = '60000';

const text = z.string().max(65_536);
const messageSchema = z.object({ type: z.string() });
const turnSchema = z.object({
  end_of_turn: z.boolean(),
  words: z
    .array(
      z.object({
        text: z.string().max(512),
        start: z.number().min(0),
        end: z.number().min(0),
        confidence: z.number().nullish(),
      }),
    )
    .max(8_192)
    .default([]),
});
const errorSchema = z.object({ error: text.nullish(), error_code: z.number().int().nullish() });

type Settings = Required<Omit<AssemblyAiOptions, 'clock' | 'log' | 'apiKey'>> & { apiKey: string };

export class AssemblyAi extends TurnDetectingPooledStt {
  /** @throws ERR_SERVICE_UNAVAILABLE when there is no key */
  constructor(options: AssemblyAiOptions) {
    const apiKey = requireKey(options.apiKey, 'AssemblyAI', 'ASSEMBLYAI_API_KEY');
    const settings = { ...ASSEMBLYAI_DEFAULTS, ...options, apiKey };
    super({
      ...settings,
      name: 'assemblyai',
      dialect: dialectOf(settings, false),
      turnDialect: dialectOf(settings, true),
    });
  }
}

function dialectOf(settings: Settings, detectsTurns: boolean): SttDialect {
  return {
    service: 'AssemblyAI',
    keepAliveMs: null,
    address: () => {
      const url = new URL(settings.baseUrl);
      const query = {
        sample_rate: String(EAR_SAMPLE_RATE),
        encoding: 'pcm_s16le',
        format_turns: 'false',
        speech_model: settings.model,
        ...(!detectsTurns && { end_of_turn_confidence_threshold: '1', max_turn_silence: NEVER_MS }),
      };
      for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
      return { url, headers: { authorization: settings.apiKey } };
    },
    session: (link) => new AssemblyAiSession(link, settings, detectsTurns),
  };
}

class AssemblyAiSession implements DialectSession {
  readonly #link: DialectLink;
  readonly #settings: Settings;
  readonly #detectsTurns: boolean;
  #unsent: Buffer[] = [];
  #unsentBytes = 0;
  #finalizing = false;
  #quiet: Timer | null = null;

  constructor(link: DialectLink, settings: Settings, detectsTurns: boolean) {
    this.#link = link;
    this.#settings = settings;
    this.#detectsTurns = detectsTurns;
  }

  opened(): void {
    // `Begin` comes.
  }

  audio(bytes: Buffer): void {
    this.#unsent.push(bytes);
    this.#unsentBytes += bytes.length;
    if (this.#unsentBytes >= MIN_MESSAGE_BYTES) this.#send();
  }

  finalize(): void {
    if (this.#unsentBytes > 0) {
      const missing = MIN_MESSAGE_BYTES - this.#unsentBytes;
      if (missing > 0) this.#unsent.push(Buffer.alloc(missing));
      this.#send();
    }
    this.#finalizing = true;
    this.#link.sendJson({ type: 'ForceEndpoint' });
    this.#quiet = this.#link.after(this.#settings.finalizeQuietMs, () => this.#link.sendJson({ type: 'Terminate' }));
  }

  keepAlive(): void {
    // Nothing is asked for.
  }

  goodbye(): void {
    this.#link.sendJson({ type: 'Terminate' });
  }

  message(value: unknown): void {
    const { type } = messageSchema.parse(value);
    if (type === 'Begin') this.#link.ready();
    else if (type === 'Turn') this.#turn(turnSchema.parse(value));
    else if (type === 'Error') this.#failed(errorSchema.parse(value));
    else if (type === 'Termination' && this.#finalizing) {
      this.#done();
      this.#link.retire();
    }
  }

  /** A message may be long after an interruption of the network: it is cut. */
  #send(): void {
    const bytes = Buffer.concat(this.#unsent);
    this.#unsent = [];
    this.#unsentBytes = 0;
    const most = MIN_MESSAGE_BYTES * 10;
    for (let start = 0; start < bytes.length; ) {
      const rest = bytes.length - start;
      // No remainder that is too short.
      const length = rest > most && rest - most < MIN_MESSAGE_BYTES ? most / 2 : Math.min(most, rest);
      this.#link.sendBinary(bytes.subarray(start, start + length));
      start += length;
    }
  }

  #turn({ end_of_turn: ended, words }: z.infer<typeof turnSchema>): void {
    const placed = inSeconds(words);
    const until = placed.at(-1)?.end ?? 0;
    if (!ended) {
      if (words.length > 0) this.#link.interim(textOf(words), placed, until);
      return;
    }
    this.#link.final(textOf(words), placed, this.#finalizing ? this.#link.sentSeconds : until);
    if (this.#finalizing) this.#done();
    else if (this.#detectsTurns && words.length > 0) this.#link.turnEnd('service');
  }

  #failed({ error, error_code: code }: z.infer<typeof errorSchema>): void {
    // 4001: not authorized; 4029 and 4030: too many sessions (streaming errors).
    const status = code === 4001 ? 401 : code === 4029 || code === 4030 ? 429 : 500;
    this.#link.fail(refusal('AssemblyAI', status, { words: quotable(error ?? '', this.#settings.apiKey) }));
  }

  #done(): void {
    this.#finalizing = false;
    this.#quiet?.cancel();
    this.#quiet = null;
    this.#link.turnEnd('finalize');
  }
}
