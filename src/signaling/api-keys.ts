/** API keys and what their holders may, compared in a time that tells nothing of which key was nearly right. */
import { createHash, timingSafeEqual } from 'node:crypto';

export type SessionPriority = 'normal' | 'high';

/** A key as it is configured. */
export interface ConfiguredKey {
  readonly key: string;
  readonly priority: SessionPriority;
  /** Session requests; null: as for every key. */
  readonly sessionsPerMinute: number | null;
}

/** A key that was shown. */
export interface ApiKey extends Omit<ConfiguredKey, 'key'> {
  /** Tells keys apart and tells nothing of the key. */
  readonly id: string;
}

export class ApiKeys {
  readonly #known: readonly { readonly digest: Buffer; readonly holder: ApiKey }[];

  constructor(keys: readonly ConfiguredKey[]) {
    this.#known = keys.map(({ key, priority, sessionsPerMinute }, index) => ({
      digest: digest(key),
      holder: { id: `key-${index + 1}`, priority, sessionsPerMinute },
    }));
  }

  /** What is known of a key that was shown; null when it is none of ours. */
  find(key: string): ApiKey | null {
    const asked = digest(key);
    let found: ApiKey | null = null;
    for (const { digest: known, holder } of this.#known) if (timingSafeEqual(known, asked)) found = holder;
    return found;
  }
}

/** The credentials of an `Authorization: Bearer ...` header; null without the header, '' when it is of another shape. */
export function bearer(authorization: string | undefined): string | null {
  if (authorization === undefined) return null;
  return /^Bearer +([^\s]+) *$/i.exec(authorization)?.[1] ?? '';
}

function digest(key: string): Buffer {
  return createHash('sha256').update(key).digest();
}
