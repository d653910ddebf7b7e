/**
 * A link that is replaced when it is lost: tried again after growing delays, for a time and a number of losses, then
 * given up for good. Knows no messages, nor where the next connection goes; who uses it says that, when a connection is
 * set up and when it has proved itself.
 */
import type { Timer } from '../../../clock.ts';
import { type AntipodeError, asAntipodeError, type ErrorCode } from '../../../errors.ts';
import { LINK_DEFAULTS, Link, type LinkOptions } from './link.ts';

/** Where a connection goes. */
export type LinkTarget = Pick<
  LinkOptions,
  'label' | 'url' | 'headers' | 'establishTimeoutMs' | 'heartbeatMs' | 'takesBinary'
>;

export interface LastingLinkHandlers {
  /** For the next connection. Throws when there may be none now: that counts as a try. */
  target(): LinkTarget;
  /** Until `target` may be asked again, ms; infinite for never. Asked after `ended`. */
  waitMs(): number;
  /** A connection has ended, other than by us. `final`: the same would come of another try at that target. */
  ended(error: AntipodeError, final: boolean): void;
  /** A connection is open and wants to be set up. */
  opened(): void;
  message(value: unknown): void;
  /** The connection is gone and the next one is on its way. */
  lost(error: AntipodeError): void;
  /** There will be no other. Once. */
  died(error: AntipodeError): void;
}

export interface LastingLinkOptions extends Pick<LinkOptions, 'clock' | 'maxBufferedBytes' | 'maxFrameBytes'> {
  handlers: LastingLinkHandlers;
  reconnectForMs: number;
  /** In a row, without `proved` in between. */
  maxLosses: number;
}

/** Before each further try. */
const RETRY_DELAYS_MS = [0, 200, 500, 1_000, 2_000] as const;

export class LastingLink {
  readonly #options: LastingLinkOptions;
  #link: Link | null = null;
  #retry: Timer | null = null;
  #tries = 0;
  #losses = 0;
  /** Since when there is no connection that is set up. */
  #awaySinceMs: number;
  #established = false;
  #closed = false;

  constructor(options: LastingLinkOptions) {
    this.#options = options;
    this.#awaySinceMs = options.clock.now();
  }

  connect(): void {
    if (this.#closed) return;
    let target: LinkTarget;
    try {
      target = this.#options.handlers.target();
    } catch (cause) {
      this.#again(asAntipodeError(cause, 'ERR_SERVICE_UNAVAILABLE', 'No service may be connected to.'));
      return;
    }
    try {
      this.#link = this.#newLink(target);
    } catch (cause) {
      // Stopped before anything was sent, as for a host that this call must not reach.
      this.close();
      const { handlers } = this.#options;
      handlers.died(asAntipodeError(cause, 'ERR_SERVICE_UNAVAILABLE', `${target.label} cannot be connected to.`));
    }
  }

  #newLink({ establishTimeoutMs, ...target }: LinkTarget): Link {
    const { handlers, reconnectForMs, maxLosses: _, clock, ...options } = this.#options;
    const leftMs = Math.max(1, reconnectForMs - (clock.now() - this.#awaySinceMs));
    return new Link({
      ...options,
      ...target,
      clock,
      establishTimeoutMs: Math.min(establishTimeoutMs ?? LINK_DEFAULTS.establishTimeoutMs, leftMs),
      handlers: {
        opened: () => handlers.opened(),
        message: (value) => handlers.message(value),
        ended: (error, final) => this.#ended(error, final),
      },
    });
  }

  /** A connection is there and set up. */
  get established(): boolean {
    return this.#established;
  }

  /** The connection is set up; gives how long there was none, ms. */
  establish(): number {
    this.#established = true;
    this.#tries = 0;
    this.#link?.established();
    return this.#options.clock.now() - this.#awaySinceMs;
  }

  /** The service did what it was asked: earlier losses count no more. */
  proved(): void {
    this.#losses = 0;
  }

  send(message: unknown): void {
    this.#link?.send(message);
  }

  /** Give this connection up and try another. */
  fail(code: ErrorCode, message: string, cause?: unknown): void {
    this.#link?.fail(code, message, cause);
  }

  /** Give this connection up as one that the service refuses; another is tried elsewhere, if there is one. */
  refuse(error: AntipodeError): void {
    this.#link?.refuse(error);
  }

  /** Leave this connection for another one, because we want that: it counts as no loss. */
  renew(): void {
    if (this.#closed || this.#link === null) return;
    this.#link.close();
    this.#link = null;
    this.#established = false;
    this.#awaySinceMs = this.#options.clock.now();
    this.connect();
  }

  #ended(error: AntipodeError, final: boolean): void {
    if (this.#closed) return;
    const { clock, handlers } = this.#options;
    this.#link = null;
    if (this.#established) {
      this.#established = false;
      this.#awaySinceMs = clock.now();
      this.#losses++;
    }
    handlers.ended(error, final);
    this.#again(error);
  }

  #again(error: AntipodeError): void {
    const { clock, handlers, reconnectForMs, maxLosses } = this.#options;
    const delayMs = Math.max(RETRY_DELAYS_MS[Math.min(this.#tries, RETRY_DELAYS_MS.length - 1)]!, handlers.waitMs());
    this.#tries++;
    const isLate = clock.now() + delayMs - this.#awaySinceMs > reconnectForMs;
    if (isLate || this.#losses > maxLosses) {
      this.close();
      handlers.died(error);
      return;
    }
    this.#retry = clock.setTimeout(() => this.connect(), delayMs);
    handlers.lost(error);
  }

  /** Idempotent; no handler is called any more. */
  close(): void {
    this.#closed = true;
    this.#established = false;
    this.#retry?.cancel();
    this.#link?.close();
    this.#link = null;
  }
}
