/**
 * One direction of a long way: what goes in comes out later, in the order of its arrival there. Owns delay, jitter and
 * loss; what is carried is its user's.
 */
import type { Clock } from '../clock.ts';

export interface WanPathOptions {
  /** One way. */
  delayMs: number;
  /** Added at random, evenly, up to this. */
  jitterMs?: number;
  /** Share that never arrives. */
  loss?: number;
  /** 0..1; a seeded one makes a run repeatable. */
  random?: () => number;
}

export class WanPath {
  readonly #clock: Clock;
  readonly #options: Required<WanPathOptions>;
  /** Nothing overtakes. */
  #lastAtMs = 0;
  #cut = false;
  readonly #underWay: (() => void)[] = [];
  carried = 0;
  lost = 0;

  constructor(clock: Clock, options: WanPathOptions) {
    this.#clock = clock;
    this.#options = { jitterMs: 0, loss: 0, random: Math.random, ...options };
  }

  /** @param extraMs beside the path's own delay, such as for a handshake */
  carry(deliver: () => void, extraMs = 0): void {
    const { delayMs, jitterMs, loss, random } = this.#options;
    if (this.#cut || random() < loss) {
      this.lost += 1;
      return;
    }
    const now = this.#clock.now();
    const atMs = Math.max(this.#lastAtMs, now + delayMs + extraMs + jitterMs * random());
    this.#lastAtMs = atMs;
    this.carried += 1;
    if (atMs <= now) deliver();
    else {
      // Timers cut off fractions and so may fire in another order: each lets the next one in line arrive.
      this.#underWay.push(deliver);
      this.#clock.setTimeout(() => this.#underWay.shift()?.(), atMs - now);
    }
  }

  /** Nothing arrives any more, until it is mended. */
  cut(isCut: boolean): void {
    this.#cut = isCut;
  }
}
