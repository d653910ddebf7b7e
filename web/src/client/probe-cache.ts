/**
 * What a page has measured of POPs, kept for ten minutes in its tab's session storage, which the browser keeps apart by
 * origin. What is read from there is checked like any other input. A browser without storage measures each time.
 */
import { z } from 'zod';
import { createSessionRequestSchema } from '../../../src/signaling/protocol.ts';
import { parseJson } from './json.ts';
import type { Probe } from './ping-pops.ts';

export type ProbeStorage = Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>;

const KEY = 'antipode.probes';
const MAX_AGE_MS = 600_000;

const keptSchema = z.strictObject({
  version: z.literal(1),
  /** Unix milliseconds. */
  atMs: z.number().int(),
  probes: createSessionRequestSchema.shape.probes.unwrap(),
});

export class ProbeCache {
  readonly #storage: ProbeStorage | null;
  readonly #date: () => Date;

  /** @param storage null where the browser grants none */
  constructor(storage: ProbeStorage | null, date: () => Date) {
    this.#storage = storage;
    this.#date = date;
  }

  /** What was measured in the last ten minutes; empty when there was nothing to choose between, null when unknown. */
  read(): readonly Probe[] | null {
    const text = this.#storage?.getItem(KEY) ?? null;
    if (text === null) return null;
    const kept = keptSchema.safeParse(parseJson(text));
    const ageMs = kept.success ? this.#date().getTime() - kept.data.atMs : Number.NaN;
    if (kept.success && ageMs >= 0 && ageMs < MAX_AGE_MS) return kept.data.probes;
    this.forget();
    return null;
  }

  write(probes: readonly Probe[]): void {
    try {
      this.#storage?.setItem(KEY, JSON.stringify({ version: 1, atMs: this.#date().getTime(), probes }));
    } catch {
      // A full storage: it is measured again next time.
    }
  }

  forget(): void {
    this.#storage?.removeItem(KEY);
  }
}

/** The tab's storage, or null where the browser forbids it. */
export function tabStorage(): ProbeStorage | null {
  try {
    return window.sessionStorage;
  } catch {
    return null;
  }
}
