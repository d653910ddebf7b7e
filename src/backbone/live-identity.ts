/**
 * A node's identity while it runs: the pair in force, who is told when another comes into force, and how that stands
 * (when it ends, what was refused). Owns no files and no timers: what brings new pairs is renewed-identity.ts.
 */
import { X509Certificate } from 'node:crypto';
import type { Clock } from '../clock.ts';
import { asAntipodeError } from '../errors.ts';
import { type Counter, counter, type Gauge, gauge, type Logger, type Registry } from '../telemetry/index.ts';
import type { NodeIdentity, NodeRole, RenewableIdentity } from './node-identity.ts';

export interface LiveIdentityOptions {
  first: NodeIdentity;
  clock: Clock;
  log: Logger;
  metrics: Registry;
}

export interface IdentityStatus {
  readonly endsAt: Date;
  /** Why the newest pair was not taken; null when the newest is in force. */
  readonly refused: string | null;
}

export class LiveIdentity implements RenewableIdentity {
  readonly nodeId: string;
  readonly role: NodeRole;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #listeners = new Set<() => void>();
  readonly #renewals: Counter<'node' | 'result'>;
  readonly #isRefused: Gauge<'node'>;
  #current: NodeIdentity;
  #endsAt: Date;
  #refused: string | null = null;

  constructor({ first, clock, log, metrics }: LiveIdentityOptions) {
    this.nodeId = first.nodeId;
    this.role = first.role;
    this.#clock = clock;
    this.#log = log;
    this.#current = first;
    this.#endsAt = endOf(first);
    const node = first.nodeId;
    const seconds = gauge(
      metrics,
      'antipode_backbone_certificate_seconds',
      "Seconds until the node's certificate ends.",
      ['node'],
    );
    // Read when it is asked for: it changes by itself.
    const read: typeof seconds & { collect?: () => void } = seconds;
    const { collect: others } = read;
    read.collect = () => {
      others?.call(seconds);
      seconds.set({ node }, this.secondsLeft);
    };
    this.#renewals = counter(
      metrics,
      'antipode_backbone_certificate_renewals_total',
      'Pairs of certificate and key that came while the node ran.',
      ['node', 'result'],
    );
    this.#isRefused = gauge(
      metrics,
      'antipode_backbone_certificate_refused',
      'Whether the newest pair of certificate and key was refused (1) and an older one is in force.',
      ['node'],
    );
    this.#isRefused.set({ node }, 0);
  }

  get caPem(): string {
    return this.#current.caPem;
  }

  get certPem(): string {
    return this.#current.certPem;
  }

  get keyPem(): string {
    return this.#current.keyPem;
  }

  get status(): IdentityStatus {
    return { endsAt: this.#endsAt, refused: this.#refused };
  }

  /** Negative once it has ended. */
  get secondsLeft(): number {
    return (this.#endsAt.getTime() - this.#clock.date().getTime()) / 1_000;
  }

  onRenewed(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** A checked pair is in force from now on; the one that is in force already changes nothing. */
  renew(next: NodeIdentity): void {
    const { caPem, certPem, keyPem } = this.#current;
    const isSame = next.caPem === caPem && next.certPem === certPem && next.keyPem === keyPem;
    this.#refused = null;
    this.#isRefused.set({ node: this.nodeId }, 0);
    if (isSame) return;
    this.#current = next;
    this.#endsAt = endOf(next);
    this.#renewals.inc({ node: this.nodeId, result: 'taken' });
    this.#log.info({ endsAt: this.#endsAt.toISOString() }, 'another certificate of this node is in force');
    for (const listener of [...this.#listeners]) {
      try {
        listener();
      } catch (error) {
        this.#log.error({ err: error }, 'a part of the node did not take the new certificate');
      }
    }
  }

  /** What came can't be used: the pair in force stays. */
  refuse(error: unknown): void {
    const { message } = asAntipodeError(error);
    this.#refused = message;
    this.#renewals.inc({ node: this.nodeId, result: 'refused' });
    this.#isRefused.set({ node: this.nodeId }, 1);
    const endsAt = this.#endsAt.toISOString();
    this.#log.error({ reason: message, endsAt }, 'a new certificate was refused: the old one stays in force');
  }
}

function endOf({ certPem }: NodeIdentity): Date {
  return new X509Certificate(certPem).validToDate;
}
