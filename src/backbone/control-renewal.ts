/**
 * When a living control channel is to move to a new connection: before the certificate that it was opened with ends, soon
 * after this node got another one, and back to the preferred address. Owns the timers, not the connections.
 */
import type { Clock, Timer } from '../clock.ts';
import type { RenewableIdentity } from './node-identity.ts';

/** `silence`: the core has not been heard for long; perhaps it lives, and the connection does not. */
export type RenewalReason = 'certificate' | 'address' | 'silence';

export interface ControlRenewalOptions {
  clock: Clock;
  identity: RenewableIdentity;
  /** 0 to 1: a core's POPs do not come all at once. */
  random(): number;
  onDue(reason: Exclude<RenewalReason, 'silence'>): void;
}

const DAY_MS = 24 * 60 * 60 * 1_000;
/** Longest and shortest time before a certificate's end, and at the most this share of what is left of it. */
const BEFORE_END_MS = DAY_MS;
const LEAST_WAIT_MS = 60_000;
const BEFORE_END_SHARE = 1 / 3;
/** After this node got another certificate its channels move within this time. */
const SPREAD_MS = 30_000;
/** A preferred address that was out of reach is tried again this often. */
const RETURN_MS = 30_000;

export class ControlRenewal {
  readonly #options: ControlRenewalOptions;
  readonly #unsubscribe: (() => void) | undefined;
  #certificateTimer: Timer | null = null;
  #addressTimer: Timer | null = null;
  #dueAtMs = 0;
  #up = false;

  constructor(options: ControlRenewalOptions) {
    this.#options = options;
    this.#unsubscribe = options.identity.onRenewed?.(() => {
      if (this.#up) this.#renewIn(SPREAD_MS * options.random());
    });
  }

  /**
   * A connection has the channel.
   * @param certificateEndsAtMs Unix ms
   * @param how whether it is by the preferred address
   */
  opened(certificateEndsAtMs: number, { isPreferred }: { isPreferred: boolean }): void {
    const { clock, random } = this.#options;
    this.#up = true;
    const leftMs = certificateEndsAtMs - clock.date().getTime();
    const marginMs = Math.min(BEFORE_END_MS, leftMs * BEFORE_END_SHARE) * (1 - 0.5 * random());
    this.#renewIn(Math.max(LEAST_WAIT_MS, leftMs - marginMs));
    this.#addressTimer?.cancel();
    this.#addressTimer = null;
    if (!isPreferred) this.#returnLater();
  }

  /** The connection that was to be opened was not. */
  failed(reason: RenewalReason): void {
    if (!this.#up) return;
    if (reason === 'certificate') this.#renewIn(LEAST_WAIT_MS);
    else if (reason === 'address') this.#returnLater();
  }

  /** The channel is down: its next connection is a new one in any case. */
  lost(): void {
    this.#up = false;
    this.#certificateTimer?.cancel();
    this.#addressTimer?.cancel();
  }

  /** Idempotent. */
  close(): void {
    this.lost();
    this.#unsubscribe?.();
  }

  #renewIn(delayMs: number): void {
    this.#dueAtMs = this.#options.clock.date().getTime() + delayMs;
    this.#wait();
  }

  /** By the wall clock, which certificates end by: looked at once a day at least. */
  #wait(): void {
    const { clock, onDue } = this.#options;
    this.#certificateTimer?.cancel();
    const leftMs = this.#dueAtMs - clock.date().getTime();
    this.#certificateTimer = clock.setTimeout(
      () => {
        if (this.#dueAtMs > clock.date().getTime()) this.#wait();
        else onDue('certificate');
      },
      Math.min(Math.max(0, leftMs), DAY_MS),
    );
  }

  #returnLater(): void {
    const { clock, random, onDue } = this.#options;
    this.#addressTimer?.cancel();
    this.#addressTimer = clock.setTimeout(() => onDue('address'), RETURN_MS * (0.75 + 0.5 * random()));
  }
}
