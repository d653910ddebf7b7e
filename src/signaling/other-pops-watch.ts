/** Notices that other POPs came, went or take no callers any more, and has the clients told. Owns a subscription. */
import type { Clock, Timer } from '../clock.ts';
import type { NodeChange, NodeSubscription, Registry } from '../registry/index.ts';

export interface OtherPopsWatchOptions {
  /** This POP. */
  nodeId: string;
  registry: Pick<Registry, 'watch'>;
  clock: Clock;
  /** What changes in the meantime is told with it; placement knows the nodes by then. @defaultValue 2250 */
  settleMs?: number;
  onChanged(): void;
}

/** Placement reads the nodes once a second, and looks at what it has read once a second. */
export const OTHER_POPS_WATCH_DEFAULTS = { settleMs: 2_250 } as const;

export class OtherPopsWatch {
  readonly #options: OtherPopsWatchOptions;
  readonly #subscription: NodeSubscription;
  /** What a caller would notice of each POP, by its id. */
  readonly #known = new Map<string, string>();
  #timer: Timer | null = null;

  constructor(options: OtherPopsWatchOptions) {
    this.#options = options;
    this.#subscription = options.registry.watch((change) => this.#changed(change));
  }

  /** Idempotent. */
  close(): void {
    this.#subscription.close();
    this.#timer?.cancel();
    this.#timer = null;
  }

  #changed({ kind, node }: NodeChange): void {
    const { nodeId, clock, settleMs = OTHER_POPS_WATCH_DEFAULTS.settleMs, onChanged } = this.#options;
    if (node.role !== 'pop' || node.nodeId === nodeId) return;
    const seen = kind === 'left' ? undefined : `${node.signalingUrl} ${node.region} ${node.draining}`;
    if (this.#known.get(node.nodeId) === seen) return;
    if (seen === undefined) this.#known.delete(node.nodeId);
    else this.#known.set(node.nodeId, seen);
    this.#timer ??= clock.setTimeout(() => {
      this.#timer = null;
      onChanged();
    }, settleMs);
  }
}
