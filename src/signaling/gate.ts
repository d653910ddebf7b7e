/**
 * Who makes a REST request and what they may do: holders of an API key anything; others only what is open, and only
 * when no page of another origin stands behind them. Owns no routes.
 */
import type { Request } from 'express';
import type { Config } from '../config/index.ts';
import { AntipodeError } from '../errors.ts';
import { type ApiKey, ApiKeys, bearer } from './api-keys.ts';
import type { ClientAddress, ClientAddresses } from './client-address.ts';
import type { FellowPops } from './fellow-pops.ts';
import type { OwnOrigin } from './own-origin.ts';
import type { AddressRateLimiter } from './rate-limit.ts';

export interface GateOptions {
  auth: Pick<Config['auth'], 'apiKeys' | 'openAgents'>;
  addresses: ClientAddresses;
  ownOrigin: OwnOrigin;
  limiter: AddressRateLimiter;
  /** Session requests by API key; none are counted without it. */
  keyLimiter?: AddressRateLimiter;
  fellows: Pick<FellowPops, 'hasOrigin'>;
}

/** Who asks. `bearer` is what the request carried and is no API key: perhaps a session's token. */
export type Caller = { kind: 'api-key'; key: ApiKey } | { kind: 'bearer'; bearer: string } | { kind: 'anonymous' };

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
    const key = this.#keys.find(token);
    return key !== null ? { kind: 'api-key', key } : { kind: 'bearer', bearer: token };
  }

  isOpen(agent: string): boolean {
    return this.#open.has('*') || this.#open.has(agent);
  }

  /** @throws ERR_FORBIDDEN when a page of another origin, or a name that is not ours, stands behind the request */
  demandOwnPage(request: Request): void {
    const why = this.#options.ownOrigin.foreign(request.headers);
    if (why !== null) throw new AntipodeError('ERR_FORBIDDEN', why);
  }

  /** Whether a page of a fellow POP stands behind a request to a name of ours. */
  isOfFellow(request: Request): boolean {
    const { host, origin } = request.headers;
    const { ownOrigin, fellows } = this.#options;
    return origin !== undefined && ownOrigin.ownsHost(host) && fellows.hasOrigin(origin);
  }

  /** Counts the request against its address. @throws ERR_RATE_LIMITED, with Retry-After set on the response */
  demandRate(request: Request, limiter = this.#options.limiter): void {
    refuseFor(request, limiter.take(this.addressOf(request).key), 'Too many requests from this address.');
  }

  /** Counts the session request against its API key. @throws ERR_RATE_LIMITED, with Retry-After set on the response */
  demandKeyRate(request: Request, key: ApiKey): void {
    const waitMs = this.#options.keyLimiter?.take(key.id, key.sessionsPerMinute ?? undefined) ?? 0;
    refuseFor(request, waitMs, 'Too many session requests with this API key.');
  }
}

function refuseFor(request: Request, waitMs: number, why: string): void {
  if (waitMs === 0) return;
  request.res?.set('Retry-After', String(Math.ceil(waitMs / 1_000)));
  throw new AntipodeError('ERR_RATE_LIMITED', why);
}
