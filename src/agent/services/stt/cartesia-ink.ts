/**
 * Speech to text by Cartesia's Ink: `/stt/websocket` for utterances that we cut, whose words come as pieces of text
 * once they are asked for by `finalize`, and `/stt/turns/websocket`, which detects turns in the model. By
 * docs.cartesia.ai (api-reference/stt/websocket, use-the-api/stt/migrate-from-deepgram-flux and -nova/manual, version
 * 2026-03-01, read in November 2026); tested against a fake that speaks it.
 *
 * The turns go on by audio, as Flux's do: when audio stops in the middle of one, silence is sent in its place.
 */
import { z } from 'zod';
import type { Clock } from '../../../clock.ts';
import type { Logger } from '../../../telemetry/index.ts';
import { EAR_SAMPLE_RATE } from '../../types.ts';
import { quotable, refusal } from '../refusal.ts';
import { requireKey } from '../require-key.ts';
import type { DialectLink, DialectSession, SttDialect } from './dialect.ts';
import { TurnDetectingPooledStt } from './pooled-stt.ts';

export interface CartesiaInkOptions {
  /** From CARTESIA_API_KEY; null when there is none. */
  apiKey: string | null;
  /** Without the path. */
  baseUrl?: string;
  model?: string;
  /** ISO 639-1, for models that know more than English. @defaultValue none */
  language?: string;
  clock: Clock;
  log: Logger;
  /** From the end of an utterance to its words. */
  timeoutMs?: number;
}

export const CARTESIA_INK_DEFAULTS = {
  baseUrl: 'wss://api.cartesia.ai',
  model: 'ink-2',
  timeoutMs: 5_000,
} as const;

const VERSION = '2026-03-01';
/** Without audio for so long, silence of the same length is sent while a turn is open. */
const KEEP_ALIVE_MS = 500;

const text = z.string().max(65_536);
const messageSchema = z.object({ type: z.string() });
const transcriptSchema = z.object({ text, is_final: z.boolean() });
const turnSchema = z.object({ transcript: text });
const errorSchema = z.object({ status_code: z.number().int().nullish(), message: text.nullish() });

type Settings = Required<Omit<CartesiaInkOptions, 'clock' | 'log' | 'apiKey' | 'language'>> & {
  apiKey: string;
  language?: string;
};

export class CartesiaInk extends TurnDetectingPooledStt {
  /** @throws ERR_SERVICE_UNAVAILABLE when there is no key */
  constructor(options: CartesiaInkOptions) {
    const apiKey = requireKey(options.apiKey, 'Cartesia', 'CARTESIA_API_KEY');
    const settings = { ...CARTESIA_INK_DEFAULTS, ...options, apiKey };
    super({
      ...settings,
      name: 'cartesia',
      dialect: {
        service: 'Cartesia',
        keepAliveMs: null,
        address: () => addressOf(settings, '/stt/websocket'),
        session: (link) => new UtteranceSession(link, apiKey),
      },
      turnDialect: turnDialectOf(settings),
    });
  }
}

function turnDialectOf(settings: Settings): SttDialect {
  return {
    service: 'Cartesia',
    keepAliveMs: KEEP_ALIVE_MS,
    address: () => addressOf(settings, '/stt/turns/websocket'),
    session: (link) => new TurnSession(link, settings.apiKey),
  };
}

function addressOf({ baseUrl, model, language, apiKey }: Settings, path: string) {
  const url = new URL(`${baseUrl}${path}`);
  const query = {
    model,
    encoding: 'pcm_s16le',
    sample_rate: String(EAR_SAMPLE_RATE),
    ...(language !== undefined && { language }),
  };
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
  return { url, headers: { authorization: `Bearer ${apiKey}`, 'cartesia-version': VERSION } };
}

function failed(link: DialectLink, apiKey: string, value: unknown): void {
  const { status_code: status, message } = errorSchema.parse(value);
  link.fail(refusal('Cartesia', status ?? 500, { words: quotable(message ?? '', apiKey) }));
}

class UtteranceSession implements DialectSession {
  readonly #link: DialectLink;
  readonly #apiKey: string;
  /** Pieces so far: a word may be cut between two. */
  #said = '';

  constructor(link: DialectLink, apiKey: string) {
    this.#link = link;
    this.#apiKey = apiKey;
  }

  opened(): void {
    this.#link.ready();
  }

  audio(bytes: Buffer): void {
    this.#link.sendBinary(bytes);
  }

  finalize(): void {
    this.#link.sendText('finalize');
  }

  keepAlive(): void {
    // Nothing is asked for.
  }

  goodbye(): void {
    this.#link.sendText('close');
  }

  message(value: unknown): void {
    const { type } = messageSchema.parse(value);
    if (type === 'transcript') {
      const piece = transcriptSchema.parse(value);
      if (piece.is_final) this.#said += piece.text;
      const all = (piece.is_final ? this.#said : this.#said + piece.text).trim();
      if (all !== '') this.#link.interim(all, []);
    } else if (type === 'flush_done') {
      this.#link.final(this.#said.trim(), [], this.#link.sentSeconds);
      this.#said = '';
      this.#link.turnEnd('finalize');
    } else if (type === 'error') failed(this.#link, this.#apiKey, value);
  }
}

class TurnSession implements DialectSession {
  readonly #link: DialectLink;
  readonly #apiKey: string;
  #inTurn = false;
  #finalizing = false;

  constructor(link: DialectLink, apiKey: string) {
    this.#link = link;
    this.#apiKey = apiKey;
  }

  opened(): void {
    // `connected` comes.
  }

  audio(bytes: Buffer): void {
    this.#link.sendBinary(bytes);
  }

  /** There is no asking for words here but by the end of the stream. */
  finalize(): void {
    this.#finalizing = true;
    this.goodbye();
  }

  keepAlive(): void {
    if (this.#inTurn) this.#link.sendSilence(KEEP_ALIVE_MS);
  }

  goodbye(): void {
    this.#link.sendJson({ type: 'close' });
  }

  closed(): boolean {
    if (!this.#finalizing) return false;
    this.#finalizing = false;
    this.#link.settled(this.#link.sentSeconds);
    this.#link.turnEnd('finalize');
    this.#link.retire();
    return true;
  }

  message(value: unknown): void {
    switch (messageSchema.parse(value).type) {
      case 'connected':
        this.#link.ready();
        return;
      case 'turn.start':
        this.#inTurn = true;
        return;
      case 'turn.update': {
        const said = turnSchema.parse(value).transcript.trim();
        if (said !== '') this.#link.interim(said, []);
        return;
      }
      case 'turn.eager_end':
        // The service does not say how sure it is; the threshold is its own.
        this.#link.eagerEnd(turnSchema.parse(value).transcript.trim(), 1);
        return;
      case 'turn.resume':
        this.#link.resumed();
        return;
      case 'turn.end': {
        this.#inTurn = false;
        const said = turnSchema.parse(value).transcript.trim();
        this.#link.final(said, [], this.#link.sentSeconds);
        if (said !== '' && !this.#finalizing) this.#link.turnEnd('service');
        return;
      }
      case 'error':
        failed(this.#link, this.#apiKey, value);
    }
  }
}
