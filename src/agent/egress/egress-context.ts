/**
 * Which session some code works for, where that session may connect to, and who is told of it. Carried along by
 * AsyncLocalStorage, so that a tool's own library is under the same rule as our adapters. Owns the rule and its words; the
 * hooks that ask it are in egress-guard.ts.
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
  readonly by: 'tcp' | 'http' | 'fetch' | 'udp' | 'name' | 'program';
  /** What it reaches, by the host's own name and null where nobody has said; null when it was stopped. */
  readonly allowed: { readonly service: string; readonly region: string | null } | null;
}

export interface EgressContextOptions {
  sessionId: string;
  /** For people: what keeps the session in, such as `"eu" (request)`. Null: nothing does, and it is only told. */
  pin: string | null;
  /** Where it may connect to; without a pin, what is known of where it does. */
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

  get isPinned(): boolean {
    return this.#options.pin !== null;
  }

  /**
   * Ask before connecting.
   * @throws ERR_EGRESS_FORBIDDEN when the session must not connect there
   */
  check(host: string, port: number | null, by: EgressAttempt['by']): void {
    const name = plainHost(host);
    const { sessionId, pin, onAttempt } = this.#options;
    const known = this.#hosts.find((each) => matches(each.host, name)) ?? null;
    const unknown = pin === null ? { service: name, region: by === 'program' ? 'local' : null } : null;
    const allowed = known ?? unknown;
    onAttempt({ host: name, port, by, allowed });
    if (allowed !== null) return;
    const words = `Session ${sessionId} is pinned to ${pin} and must not connect to ${name}.`;
    throw new AntipodeError('ERR_EGRESS_FORBIDDEN', words);
  }

  /**
   * Ask before looking a name up. What may be connected to is told when it is.
   * @throws ERR_EGRESS_FORBIDDEN when the session must not
   */
  checkName(name: string): void {
    const isAllowed = !this.isPinned || this.#hosts.some(({ host }) => matches(host, plainHost(name)));
    if (!isAllowed) this.check(name, null, 'name');
  }
}

const contexts = new AsyncLocalStorage<EgressContext | null>();

/** The session that the running code works for, when it works for one. */
export function currentEgress(): EgressContext | null {
  return contexts.getStore() ?? null;
}

/** Run code for a session: all that it starts is under its rule. */
export function withEgress<T>(context: EgressContext, work: () => T): T {
  return inContext(context, work);
}

/** Run our own code that a session only happens to trigger, such as a local program's start. */
export function withoutEgress<T>(work: () => T): T {
  return inContext(null, work);
}

/** Most calls are in the right context already, and to look costs a tenth of entering it. */
function inContext<T>(context: EgressContext | null, work: () => T): T {
  return currentEgress() === context ? work() : contexts.run(context, work);
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
