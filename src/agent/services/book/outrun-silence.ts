/**
 * What services were silent in requests that a later request outran. A service that hangs is outrun before its time is
 * over, each time, and would never count as failed: so these silences are added up.
 */
export class OutrunSilence {
  /** Since the service last gave anything; ms by its index. */
  readonly #ms = new Map<number, number>();

  /** It gave something. */
  came(index: number): void {
    this.#ms.delete(index);
  }

  /** It was outrun. The whole silence once that is as long as one request may be silent, and from nothing again; else null. */
  outrun(index: number, silentMs: number, firstResponseMs: number): number | null {
    const allMs = (this.#ms.get(index) ?? 0) + silentMs;
    if (allMs < firstResponseMs) {
      this.#ms.set(index, allMs);
      return null;
    }
    this.#ms.delete(index);
    return allMs;
  }
}
