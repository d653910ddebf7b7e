/**
 * How late the load generator itself runs. Its callers' timers are spread over the 20 ms, so that what they are late by
 * is what a packet may have waited here unread; that much of a frame's lateness is not the server's.
 */

/** A lag counts for what is read within this time of it, ms: the loop's next turns. */
const RECENT_MS = 25;

export class OwnLag {
  #lags: { atMs: number; lagMs: number }[] = [];

  /** A timer fired `lagMs` after its time. */
  note(lagMs: number, nowMs: number): void {
    while (this.#lags.length > 0 && nowMs - this.#lags[0]!.atMs > RECENT_MS) this.#lags.shift();
    this.#lags.push({ atMs: nowMs, lagMs });
  }

  /** Most that a packet read now may have waited, ms. */
  recent(nowMs: number): number {
    let most = 0;
    for (const { atMs, lagMs } of this.#lags) if (nowMs - atMs <= RECENT_MS && lagMs > most) most = lagMs;
    return most;
  }
}
