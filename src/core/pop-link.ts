/**
 * One POP as the core knows it across its connections: what it must still be told, its pipes, and how long its absence
 * is borne. Owns the pipes and the grace timer; sessions are session-host.ts.
 */
import type { CoreEventData, CoreEventName, MediaPipe, MediaWorker, PopPeer } from '../backbone/index.ts';
import type { Clock, Timer } from '../clock.ts';
import type { Logger } from '../telemetry/index.ts';

/** Events that wait for a POP to return; the oldest go first. */
const MAX_WAITING_EVENTS = 1_000;

export interface OpenPipe {
  readonly pipe: MediaPipe;
  readonly worker: MediaWorker;
}

export interface PopLinkOptions {
  nodeId: string;
  clock: Clock;
  log: Logger;
  /** How long its absence is borne. */
  graceMs: number;
  /** It is out of reach. */
  onAway: (link: PopLink) => void;
  /** It did not come back in time. */
  onLost: (link: PopLink) => void;
}

export class PopLink {
  readonly nodeId: string;
  readonly pipes = new Map<string, OpenPipe>();
  readonly #options: PopLinkOptions;
  #peer: PopPeer | null = null;
  #waiting: (() => void)[] = [];
  #timer: Timer | null = null;
  #closed = false;

  constructor(options: PopLinkOptions) {
    this.nodeId = options.nodeId;
    this.#options = options;
  }

  /** The POP connected, for the first time or again. */
  opened(peer: PopPeer): void {
    this.#timer?.cancel();
    this.#timer = null;
    this.#peer = peer;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const send of waiting) send();
  }

  /** One of its connections ended; an earlier one's end says nothing. */
  peerClosed(peer: PopPeer): void {
    if (this.#peer !== peer || this.#closed) return;
    this.#peer = null;
    const { log, clock, graceMs, onAway, onLost } = this.#options;
    log.warn({ pop: this.nodeId, graceMs }, 'a POP is out of reach; waiting for it, or for its callers at others');
    this.#timer = clock.setTimeout(() => onLost(this), graceMs);
    onAway(this);
  }

  /** Whether it would be told at once. */
  get connected(): boolean {
    return this.#peer !== null && !this.#closed;
  }

  /** Told at once, or when the POP is back. */
  send<E extends CoreEventName>(event: E, data: CoreEventData<E>): void {
    if (this.#closed) return;
    if (this.#peer) {
      this.#peer.send(event, data);
      return;
    }
    if (this.#waiting.length >= MAX_WAITING_EVENTS) this.#waiting.shift();
    this.#waiting.push(() => this.#peer?.send(event, data));
  }

  rttMs(): number | null {
    return this.#peer?.rttMs() ?? null;
  }

  /** Idempotent. */
  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.#timer = null;
    this.#waiting = [];
    for (const { pipe } of [...this.pipes.values()]) pipe.close();
    this.pipes.clear();
  }
}
