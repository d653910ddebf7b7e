/** API keys, compared in a time that tells nothing of which key was nearly right. */
import { createHash, timingSafeEqual } from 'node:crypto';

export class ApiKeys {
  readonly #digests: readonly Buffer[];

  constructor(keys: readonly string[]) {
    this.#digests = keys.map(digest);
  }

  has(key: string): boolean {
    const asked = digest(key);
    let found = false;
    for (const known of this.#digests) found = timingSafeEqual(known, asked) || found;
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
