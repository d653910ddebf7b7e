/** One-time ids that were used, in this process. Owns their number: expired ones go first, then the oldest. */

export const DEFAULT_MAX_ONCE_IDS = 100_000;

export class OnceLedger {
  readonly #max: number;
  readonly #used = new Map<string, number>();

  constructor(maxIds: number = DEFAULT_MAX_ONCE_IDS) {
    this.#max = maxIds;
  }

  /** False when `id` is in use until later than `nowMs`. Unix milliseconds. */
  claim(id: string, expiresAtMs: number, nowMs: number): boolean {
    if (this.has(id, nowMs)) return false;
    if (this.#used.size >= this.#max) this.#forget(nowMs);
    this.#used.set(id, expiresAtMs);
    return true;
  }

  has(id: string, nowMs: number): boolean {
    return (this.#used.get(id) ?? 0) > nowMs;
  }

  delete(id: string): void {
    this.#used.delete(id);
  }

  /** Those that are in use still, with their expiry. */
  entries(nowMs: number): [id: string, expiresAtMs: number][] {
    return [...this.#used].filter(([, expiresAtMs]) => expiresAtMs > nowMs);
  }

  clear(): void {
    this.#used.clear();
  }

  #forget(nowMs: number): void {
    for (const [id, expiresAtMs] of this.#used) if (expiresAtMs <= nowMs) this.#used.delete(id);
    for (const id of this.#used.keys()) {
      if (this.#used.size < this.#max) break;
      this.#used.delete(id);
    }
  }
}
