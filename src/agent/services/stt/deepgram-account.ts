/**
 * What Deepgram's two streaming dialects share: where the service is, by region, and how it is asked for. The key goes
 * into the Authorization header and nowhere else. Hosts by region: developers.deepgram.com, read in November 2026.
 */
import { z } from 'zod';
import type { Clock } from '../../../clock.ts';
import type { Logger } from '../../../telemetry/index.ts';
import type { SocketAddress } from '../service-socket.ts';

export type DeepgramRegion = 'us' | 'eu' | 'au' | 'in';

export interface DeepgramOptions {
  /** From DEEPGRAM_API_KEY; null when there is none. */
  apiKey: string | null;
  /** Audio and words stay there. @defaultValue `us` */
  region?: DeepgramRegion;
  /** Instead of a region, such as `wss://deepgram.internal:8080`. */
  baseUrl?: string;
  clock: Clock;
  log: Logger;
  /** From the end of an utterance to its words. */
  timeoutMs?: number;
}

export const DEEPGRAM_DEFAULTS = { timeoutMs: 5_000 } as const;

const HOSTS: Readonly<Record<DeepgramRegion, string>> = {
  us: 'wss://api.deepgram.com',
  eu: 'wss://api.eu.deepgram.com',
  au: 'wss://api.au.deepgram.com',
  in: 'wss://api.in.deepgram.com',
};

export interface DeepgramAddress extends Pick<DeepgramOptions, 'region' | 'baseUrl'> {
  apiKey: string;
}

export function deepgramAddress(
  options: DeepgramAddress,
  path: string,
  query: Readonly<Record<string, string>>,
): SocketAddress {
  const base = options.baseUrl ?? HOSTS[options.region ?? 'us'];
  const url = new URL(`${base.replace(/^http/, 'ws').replace(/\/$/, '')}${path}`);
  for (const [name, value] of Object.entries(query)) url.searchParams.append(name, value);
  return { url, headers: { authorization: `Token ${options.apiKey}` } };
}

/** A word of nova-3, whose times are always given. */
export const deepgramWord = z
  .object({
    word: z.string().max(512),
    punctuated_word: z.string().max(512).optional(),
    start: z.number().min(0),
    end: z.number().min(0),
    confidence: z.number().optional(),
  })
  .transform(({ word, punctuated_word, start, end, confidence }) => ({
    text: punctuated_word ?? word,
    start,
    end,
    confidence: confidence ?? null,
  }));
