/**
 * Which session some code works for, and where that session may connect to. Carried along by AsyncLocalStorage, so that
 * a tool's own library is under the same rule as our adapters. Owns the rule and its words; the hooks that ask it are in
 * egress-guard.ts.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { AntipodeError } from '../../errors.ts';

/** A host that a session may connect to, and where it stands. */
export interface AllowedHost {
  /** As in a URL; a leading dot means every name below it. */
  readonly host: string;
  /** For the residency record: the service, such as `openai@eu`, and its region. */
  readonly service: string;
  readonly region: string;
}

export interface EgressAttempt {
  readonly host: string;
  readonly port: number | null;
  /** How: `tcp`, `http`, `fetch`, `udp`, `program`. */
  readonly by: 'tcp' | 'http' | 'fetch' | 'udp' | 'program';
  /** Null when it was stopped. */
  readonly allowed: AllowedHost | null;
}

export interface EgressContextOptions {
  sessionId: string;
  /** For people: what keeps the session in, such as `"eu" (request)`. */
  pin: string;
  hosts: readonly AllowedHost[];
  /** Told of every attempt, before anything is sent. Must not throw. */
  onAttempt(attempt: EgressAttempt): void;
}

export class EgressContext {
  readonly #options: EgressContextOptions;
  readonly #hosts: readonly AllowedHost[];

  constructor(options: EgressContextOptions) {
    this.#options = options;
    this.#hosts = options.hosts.map((each) => ({ ...each, host: plainHost(each.host) }));
  }

  get sessionId(): string {
    return this.#options.sessionId;
  }

  /**
   * Ask before connecting.
   * @throws ERR_EGRESS_FORBIDDEN when the session must not connect there
   */
  check(host: string, port: number | null, by: EgressAttempt['by']): void {
    const name = plainHost(host);
    const allowed = this.#hosts.find((each) => matches(each.host, name)) ?? null;
    this.#options.onAttempt({ host: name, port, by, allowed });
    if (allowed !== null) return;
    throw new AntipodeError(
      'ERR_EGRESS_FORBIDDEN',
      `Session ${this.#options.sessionId} is pinned to ${this.#options.pin} and must not connect to ${name}.`,
    );
  }
}

const contexts = new AsyncLocalStorage<EgressContext | null>();

/** The session that the running code works for, when it is a pinned one. */
export function currentEgress(): EgressContext | null {
  return contexts.getStore() ?? null;
}

/** Run code for a pinned session: all that it starts is under its rule. */
export function withEgress<T>(context: EgressContext, work: () => T): T {
  return contexts.run(context, work);
}

/** Run our own code that a session only happens to trigger, such as a local program's start. */
export function withoutEgress<T>(work: () => T): T {
  return contexts.run(null, work);
}

function matches(allowed: string, host: string): boolean {
  return allowed.startsWith('.') ? host.endsWith(allowed) : host === allowed;
}

/** Lower case, without the brackets of an IPv6 address and a last dot. */
function plainHost(host: string): string {
  return host
    .toLowerCase()
    .replace(/^\[(.*)\]$/, '$1')
    .replace(/\.$/, '');
}
