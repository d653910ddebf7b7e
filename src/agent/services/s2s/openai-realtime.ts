/**
 * Speech to speech by the OpenAI Realtime dialect, which OpenAI, Azure, xAI, Inworld, speaches and unmute speak: where
 * the service is, how it is asked, and what it calls itself. The conversation is the session's. Made by the types of the
 * `openai` package and the vendor's reference (realtime-events.ts); tested against a fake that speaks them.
 */
import type { Clock } from '../../../clock.ts';
import { AntipodeError } from '../../../errors.ts';
import type { Logger } from '../../../telemetry/index.ts';
import type { S2s, S2sOpenOptions, S2sSession } from '../s2s.ts';
import { type RealtimeRoute, SingleRoute } from './realtime-route.ts';
import { RealtimeSession } from './realtime-session.ts';
import type { RealtimeQuirks, RealtimeTurnDetection } from './realtime-setup.ts';

export interface OpenAiRealtimeOptions {
  /** In the catalogue. */
  name?: string;
  /** For people. */
  label?: string;
  /** The address of the WebSocket without its query, as the catalogue has it; http and https are taken for ws and wss. */
  url?: string;
  /** Null for servers that want none. */
  apiKey: string | null;
  /** The catalogue's region of `url`; null when unknown. */
  region?: string | null;
  /** Null for servers that have only one. */
  model?: string | null;
  /** Where the call names none; null for the service's own. */
  voice?: string | null;
  /** Model that writes down what the caller says; null for none, and then the caller's words stay unknown. */
  transcriptionModel?: string | null;
  /** ISO 639-1, for the transcription; null lets it find out. */
  language?: string | null;
  /** Where the service detects turns. */
  turnDetection?: RealtimeTurnDetection;
  quirks?: RealtimeQuirks;
  clock: Clock;
  log: Logger;
  /** From the first packet until the session is set up. */
  connectTimeoutMs?: number;
  heartbeatMs?: number;
  /** An answer of which nothing comes for this long is given up, and asked for on a new connection. */
  replyTimeoutMs?: number;
  /** How long a connection is tried for before the service is lost for good. */
  reconnectForMs?: number;
  /** Connections in a row that may be lost before an answer was whole. */
  maxLosses?: number;
  /** Told of each event that nothing here reads, by its name. */
  onUnknownEvent?(type: string): void;
}

export const OPENAI_REALTIME_DEFAULTS = {
  name: 'openai',
  label: 'OpenAI Realtime',
  url: 'wss://api.openai.com/v1/realtime',
  region: null,
  model: 'gpt-realtime-2.1',
  voice: null,
  transcriptionModel: 'gpt-4o-mini-transcribe',
  language: null,
  turnDetection: { type: 'semantic_vad' },
  quirks: {},
  connectTimeoutMs: 5_000,
  heartbeatMs: 10_000,
  replyTimeoutMs: 8_000,
  reconnectForMs: 12_000,
  maxLosses: 4,
  onUnknownEvent: () => {},
} as const satisfies Partial<OpenAiRealtimeOptions>;

export type RealtimeSettings = Required<OpenAiRealtimeOptions>;

/** Names of events that are counted each; beyond them there is one count for all. */
const MAX_UNKNOWN_NAMES = 100;

export class OpenAiRealtime implements S2s {
  readonly name: string;
  readonly #settings: RealtimeSettings;
  readonly #unknown = new Map<string, number>();

  /** @throws ERR_SERVICE_UNAVAILABLE when the key cannot be one; ERR_CONFIG_INVALID when the address is none */
  constructor(options: OpenAiRealtimeOptions) {
    const { onUnknownEvent = OPENAI_REALTIME_DEFAULTS.onUnknownEvent, ...rest } = options;
    this.#settings = {
      ...OPENAI_REALTIME_DEFAULTS,
      ...rest,
      onUnknownEvent: (type) => {
        this.#countUnknown(type);
        onUnknownEvent(type);
      },
    };
    const { name, label, url, apiKey } = this.#settings;
    this.name = name;
    // A key from a file may end in a line end, which no header can carry.
    if (apiKey !== null && !/^[\x21-\x7e]+$/.test(apiKey)) {
      throw new AntipodeError('ERR_SERVICE_UNAVAILABLE', `${label} needs a key.`);
    }
    if (!URL.canParse(url) || !/^(https?|wss?):$/.test(new URL(url).protocol)) {
      throw new AntipodeError('ERR_CONFIG_INVALID', `${label}: no ws(s) or http(s) address.`, { path: 'url' });
    }
  }

  /** For a route; holds the key. */
  get settings(): RealtimeSettings {
    return this.#settings;
  }

  /** Events that the service sent and nothing here reads, by name. */
  get unknownEvents(): ReadonlyMap<string, number> {
    return this.#unknown;
  }

  open(options: S2sOpenOptions): S2sSession {
    return openRealtime(new SingleRoute(this.#settings), options);
  }

  #countUnknown(type: string): void {
    const known = this.#unknown.has(type) || this.#unknown.size < MAX_UNKNOWN_NAMES;
    const name = known ? type : 'other';
    const count = this.#unknown.get(name) ?? 0;
    this.#unknown.set(name, count + 1);
    if (count === 0) this.#settings.log.info({ service: this.name, event: name }, 'an event that nothing here reads');
  }
}

/**
 * A conversation over the services of this dialect that the route gives.
 * @throws when the parameters of a tool cannot be put in a JSON Schema
 */
export function openRealtime(route: RealtimeRoute, open: S2sOpenOptions): S2sSession {
  const session = new RealtimeSession({ route, open });
  session.connect();
  return session;
}

export interface RealtimeAddress {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
}

export function addressOf({ url: base, model, apiKey, quirks }: RealtimeSettings): RealtimeAddress {
  const url = new URL(base.replace(/^http/, 'ws'));
  if (model !== null) url.searchParams.set('model', model);
  if (apiKey === null) return { url, headers: {} };
  const { keyHeader } = quirks;
  return { url, headers: keyHeader === undefined ? { authorization: `Bearer ${apiKey}` } : { [keyHeader]: apiKey } };
}
