/**
 * Speech to speech by Gemini's Live API, over its WebSocket: where the service is, how it is asked, and what it calls
 * itself. The conversation is the session's (gemini-live-session.ts), the messages are in gemini-live-messages.ts.
 * Tested against a fake that speaks them; never run against the service itself.
 *
 * No other service takes over from it: what a session knows is told by its own messages.
 */
import type { Clock } from '../../../clock.ts';
import type { Logger } from '../../../telemetry/index.ts';
import { requireKey } from '../require-key.ts';
import type { S2s, S2sOpenOptions, S2sSession } from '../s2s.ts';
import { GeminiLiveSession } from './gemini-live-session.ts';

export interface GeminiLiveOptions {
  /** In the catalogue. */
  name?: string;
  /** For people. */
  label?: string;
  /** The address without the path. */
  baseUrl?: string;
  /** From GEMINI_API_KEY; null when there is none. */
  apiKey: string | null;
  /** The catalogue's region of `baseUrl`; null when unknown. */
  region?: string | null;
  model?: string;
  /** Where the call names none; null for the service's own. */
  voice?: string | null;
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
  /** Told of each message that nothing here reads, by its name. */
  onUnknownEvent?(type: string): void;
}

export const GEMINI_LIVE_DEFAULTS = {
  name: 'gemini-live',
  label: 'Gemini Live',
  baseUrl: 'wss://generativelanguage.googleapis.com',
  region: null,
  model: 'gemini-2.5-flash-native-audio-preview-12-2025',
  voice: null,
  connectTimeoutMs: 5_000,
  heartbeatMs: 10_000,
  replyTimeoutMs: 8_000,
  reconnectForMs: 12_000,
  maxLosses: 4,
  onUnknownEvent: () => {},
} as const satisfies Partial<GeminiLiveOptions>;

export type GeminiLiveSettings = Required<GeminiLiveOptions> & { readonly apiKey: string };

const PATH = '/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent';

export class GeminiLive implements S2s {
  readonly name: string;
  readonly #settings: GeminiLiveSettings;

  /** @throws ERR_SERVICE_UNAVAILABLE when there is no key */
  constructor(options: GeminiLiveOptions) {
    const apiKey = requireKey(options.apiKey, 'Gemini Live', 'GEMINI_API_KEY');
    this.#settings = { ...GEMINI_LIVE_DEFAULTS, ...options, apiKey };
    this.name = this.#settings.name;
  }

  open(options: S2sOpenOptions): S2sSession {
    const session = new GeminiLiveSession(this.#settings, options);
    session.connect();
    return session;
  }
}

/** The key is where the vendor's page has it; the address is never told. */
export function geminiAddress({ baseUrl, apiKey }: GeminiLiveSettings): URL {
  const url = new URL(`${baseUrl.replace(/^http/, 'ws').replace(/\/$/, '')}${PATH}`);
  url.searchParams.set('key', apiKey);
  return url;
}
