/**
 * The one connection that may be opened beside a control channel's present one, to take the channel over: when a
 * certificate is renewed, a better address is back, or the core has been silent. Owns the attempt; which connection has the
 * channel is control-client.ts.
 */
import { asAntipodeError } from '../errors.ts';
import type { Logger } from '../telemetry/index.ts';
import type { BackboneMetrics } from './backbone-metrics.ts';
import type { ControlAddress } from './control-address.ts';
import type { Opened } from './control-opening.ts';
import type { RenewalReason } from './control-renewal.ts';

/** What the channel does for it. */
export interface SecondConnectionOptions {
  core: string;
  addresses: readonly ControlAddress[];
  metrics: BackboneMetrics;
  log: Logger;
  /** The channel is closed for good. */
  stopped: AbortSignal;
  open(addresses: readonly ControlAddress[], signal: AbortSignal, how: SecondHow): Promise<Opened>;
  /** Moves the channel there. `replaced`: it went down and up in one step. */
  move(opened: Opened): 'continued' | 'replaced';
  onFailed(reason: RenewalReason): void;
  /** Whatever came of it. */
  onOver(): void;
}

export interface SecondHow {
  /** The core is to go on where the present connection is left; one that is silent is left at once. */
  continues: boolean;
  /** The connection stands, and the core is told of it now. */
  onGreeting(): void;
}

export class SecondConnection {
  readonly #options: SecondConnectionOptions;
  #attempt: { readonly reason: RenewalReason; readonly stop: AbortController; greeting: boolean } | null = null;

  constructor(options: SecondConnectionOptions) {
    this.#options = options;
  }

  get underWay(): boolean {
    return this.#attempt !== null;
  }

  /** The core knows of it, and lets go of the present connection. */
  get greeting(): boolean {
    return this.#attempt?.greeting ?? false;
  }

  /** One at a time: does nothing while another is under way. Never rejects. @param present of the connection that is up */
  async open(reason: RenewalReason, present: ControlAddress): Promise<void> {
    if (this.#attempt !== null) return;
    const { core, metrics, log, stopped, open, move, onFailed, onOver } = this.#options;
    const attempt = { reason, stop: new AbortController(), greeting: false };
    this.#attempt = attempt;
    const onGreeting = () => {
      attempt.greeting = true;
    };
    try {
      const signal = AbortSignal.any([stopped, attempt.stop.signal]);
      const opened = await open(this.#addressesFor(reason, present), signal, {
        continues: reason !== 'silence',
        onGreeting,
      });
      if (stopped.aborted) {
        opened.link.close('closed');
        return;
      }
      const outcome = move(opened);
      metrics.renewals.inc({ reason, outcome });
      log.info({ core, reason, outcome, way: opened.address.name }, 'a second connection has the control channel');
    } catch (error) {
      if (stopped.aborted || attempt.stop.signal.aborted) return;
      onFailed(reason);
      metrics.renewals.inc({ reason, outcome: 'failed' });
      const { code, message } = asAntipodeError(error);
      log.warn({ core, reason, code, message }, 'no second connection for the control channel');
    } finally {
      this.#attempt = null;
      onOver();
    }
  }

  /** The core was only late: unless it knows of the second connection already there is to be none. */
  heard(): void {
    if (this.#attempt?.reason === 'silence' && !this.#attempt.greeting) this.#attempt.stop.abort();
  }

  /** Silence asks by other ways first; a better way is one that is preferred to the present one. */
  #addressesFor(reason: RenewalReason, present: ControlAddress): readonly ControlAddress[] {
    const { addresses } = this.#options;
    if (reason === 'certificate') return addresses;
    if (reason === 'address') return addresses.slice(0, addresses.indexOf(present));
    return [...addresses.filter((address) => address !== present), present];
  }
}
