/** How many sessions a POP has promised: in all, and by address as long as nobody joined them. */
import { AntipodeError } from '../errors.ts';

/** An address that brings no API key may keep this share of a POP busy with sessions that nobody joined. */
const UNJOINED_SHARE = 0.5;
const MIN_UNJOINED = 8;
const MAX_UNJOINED = 64;

export class SessionCounts {
  readonly #maxSessions: number;
  readonly #maxUnjoined: number;
  readonly #unjoined = new Map<string, number>();
  #total = 0;

  constructor(maxSessions: number) {
    this.#maxSessions = maxSessions;
    this.#maxUnjoined = Math.min(MAX_UNJOINED, Math.max(MIN_UNJOINED, Math.floor(maxSessions * UNJOINED_SHARE)));
  }

  /**
   * Counts a session. `unjoinedBy` is the address key of a caller without an API key, or null.
   * @returns what to call once it was joined or has ended; calling it again does nothing
   * @throws ERR_SESSION_LIMIT | ERR_RATE_LIMITED
   */
  take(unjoinedBy: string | null): () => void {
    if (this.#total >= this.#maxSessions) {
      throw new AntipodeError('ERR_SESSION_LIMIT', `This POP is full (${this.#maxSessions} sessions).`);
    }
    if (unjoinedBy !== null && (this.#unjoined.get(unjoinedBy) ?? 0) >= this.#maxUnjoined) {
      throw new AntipodeError(
        'ERR_RATE_LIMITED',
        `${this.#maxUnjoined} sessions of this address wait for somebody to join them. Join or delete those first.`,
      );
    }
    this.#total++;
    if (unjoinedBy === null) return () => undefined;
    add(this.#unjoined, unjoinedBy, 1);
    let counted = true;
    return () => {
      if (counted) add(this.#unjoined, unjoinedBy, -1);
      counted = false;
    };
  }

  /** A session has ended. */
  give(): void {
    this.#total--;
  }
}

function add(counts: Map<string, number>, key: string, step: number): void {
  const count = (counts.get(key) ?? 0) + step;
  if (count > 0) counts.set(key, count);
  else counts.delete(key);
}
