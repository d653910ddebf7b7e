/**
 * Who makes a REST request and what they may do: holders of an API key anything; others only what is open, and only
 * when no page of another origin stands behind them. Owns no routes.
 */
import type { Request } from 'express';
import type { Config } from '../config/index.ts';
import { AntipodeError } from '../errors.ts';
import { ApiKeys, bearer } from './api-keys.ts';
import type { ClientAddress, ClientAddresses } from './client-address.ts';
import type { OwnOrigin } from './own-origin.ts';
import type { AddressRateLimiter } from './rate-limit.ts';

export interface GateOptions {
  auth: Pick<Config['auth'], 'apiKeys' | 'openAgents'>;
  addresses: ClientAddresses;
  ownOrigin: OwnOrigin;
  limiter: AddressRateLimiter;
}

/** Who asks. `bearer` is what the request carried and is no API key: perhaps a session's token. */
export type Caller = { kind: 'api-key' } | { kind: 'bearer'; bearer: string } | { kind: 'anonymous' };

export class Gate {
  readonly #options: GateOptions;
  readonly #keys: ApiKeys;
  readonly #open: ReadonlySet<string>;

  constructor(options: GateOptions) {
    this.#options = options;
    this.#keys = new ApiKeys(options.auth.apiKeys);
    this.#open = new Set(options.auth.openAgents);
  }

  addressOf(request: Request): ClientAddress {
    return this.#options.addresses.of(request);
  }

  /** @throws ERR_UNAUTHORIZED for an Authorization header of another kind than Bearer */
  callerOf(request: Request): Caller {
    const token = bearer(request.headers.authorization);
    if (token === null) return { kind: 'anonymous' };
    if (token === '') throw new AntipodeError('ERR_UNAUTHORIZED', 'Authorization must be "Bearer ...".');
    return this.#keys.has(token) ? { kind: 'api-key' } : { kind: 'bearer', bearer: token };
  }

  isOpen(agent: string): boolean {
    return this.#open.has('*') || this.#open.has(agent);
  }

  /** @throws ERR_FORBIDDEN when a page of another origin, or a name that is not ours, stands behind the request */
  demandOwnPage(request: Request): void {
    const why = this.#options.ownOrigin.foreign(request.headers);
    if (why !== null) throw new AntipodeError('ERR_FORBIDDEN', why);
  }

  /** Counts the request against its address. @throws ERR_RATE_LIMITED, with Retry-After set on the response */
  demandRate(request: Request): void {
    const waitMs = this.#options.limiter.take(this.addressOf(request).key);
    if (waitMs === 0) return;
    request.res?.set('Retry-After', String(Math.ceil(waitMs / 1_000)));
    throw new AntipodeError('ERR_RATE_LIMITED', 'Too many session requests from this address.');
  }
}
