/** Tells placement, now and then, how far this POP's cores are, as its control channels measure it. Owns a timer. */
import type { Clock, Timer } from '../clock.ts';
import type { PlacementService } from '../placement/index.ts';
import type { MediaEdge } from './call-port.ts';

export interface PathFeedOptions {
  edge: Pick<MediaEdge, 'paths'>;
  placement: Pick<PlacementService, 'measureCore'>;
  clock: Clock;
  intervalMs?: number;
}

export const PATH_FEED_DEFAULTS = { intervalMs: 10_000 } as const;

export class PathFeed {
  readonly #options: PathFeedOptions & { intervalMs: number };
  #timer: Timer;

  constructor(options: PathFeedOptions) {
    this.#options = { ...PATH_FEED_DEFAULTS, ...options };
    this.#timer = this.#wait();
  }

  #wait(): Timer {
    const { clock, intervalMs } = this.#options;
    return clock.setTimeout(() => this.#feed(), intervalMs);
  }

  #feed(): void {
    const { edge, placement } = this.#options;
    for (const { coreNodeId, p50, p95, jitterMs = null, loss = null } of edge.paths()) {
      placement.measureCore(coreNodeId, { p50, p95, jitterMs, loss });
    }
    this.#timer = this.#wait();
  }

  /** Idempotent. */
  close(): void {
    this.#timer.cancel();
  }
}
