/**
 * Keeps a session where it belongs: its services are those at the endpoints that placement chose, and all of its code
 * runs in its own egress context, wherever the event comes from that leads to it: what sessions share tells events in the
 * context of whoever began it. What a session reaches is told for its residency record at its first use; what a pinned one
 * must not reach is stopped, logged, counted and told.
 */
import type { AgentServices, LocalServices } from './agent-services.ts';
import { type EgressAttempt, EgressContext, withEgress } from './egress/index.ts';
import type { AgentCall, Mouth } from './types.ts';

export interface ConfinedCall {
  /** The call, whose events find the session's own code in its context. */
  readonly call: AgentCall;
  readonly services: AgentServices;
  /** Runs the agent's code in the session's context. */
  within<T>(work: () => T): T;
  /** Lets go of the services. Idempotent. */
  release(): void;
}

/** By the confinement of the call; without one, placement said nothing and the node's own configuration holds. */
export function confine(call: AgentCall, services: LocalServices): ConfinedCall {
  const { confinement, sessionId } = call;
  const held =
    confinement === null
      ? { services, addresses: services.addresses, release: () => {} }
      : services.within(confinement.endpoints);
  const { addresses } = held;
  const hosts = [
    ...addresses.map(({ id, region, host }) => ({ host, service: id, region })),
    ...(confinement?.hosts ?? []),
  ];
  const pin = confinement?.pins ?? null;
  const teller = new EgressTeller(call, services.metrics, pin);
  const onAttempt = (attempt: EgressAttempt): void => teller.tell(attempt);
  const egress = new EgressContext({ sessionId, pin, hosts, onAttempt });
  return confined(
    call,
    held.services,
    (work) => withEgress(egress, work),
    () => {
      teller.release();
      held.release();
    },
  );
}

/** More than a residency record holds, which counts what finds no room. */
const MAX_TOLD = 2_000;

/** Tells of what a session reaches, each place once. Connections that are kept outlive the call, and this with them. */
class EgressTeller {
  readonly #metrics: AgentServices['metrics'];
  readonly #log: AgentCall['log'];
  readonly #pins: string | null;
  readonly #told = new Set<string>();
  /** Null when the call is over: its record is closed. */
  #call: Pick<AgentCall, 'touched'> | null;

  constructor(call: AgentCall, metrics: AgentServices['metrics'], pins: string | null) {
    this.#call = call;
    this.#log = call.log;
    this.#metrics = metrics;
    this.#pins = pins;
  }

  tell({ host, by, allowed }: EgressAttempt): void {
    if (allowed === null) {
      this.#metrics.egressStopped.inc({ by });
      const fields = { code: 'ERR_EGRESS_FORBIDDEN', host, by, pins: this.#pins };
      this.#log.error(fields, 'a pinned session was stopped');
      this.#call?.touched({ kind: 'stopped', name: host, region: null, detail: by });
      return;
    }
    const { service: name, region } = allowed;
    const key = `${name} ${region} ${by}`;
    if (this.#call === null || this.#told.has(key) || this.#told.size >= MAX_TOLD) return;
    this.#told.add(key);
    if (this.#told.size === MAX_TOLD)
      this.#log.warn({ places: MAX_TOLD }, 'a session reaches more places than are told');
    this.#call.touched({ kind: 'endpoint', name, region, detail: by });
  }

  release(): void {
    this.#call = null;
    this.#told.clear();
  }
}

function confined(
  call: AgentCall,
  services: AgentServices,
  within: ConfinedCall['within'],
  release: () => void,
): ConfinedCall {
  const inside =
    <A extends readonly unknown[]>(listener: (...args: A) => void) =>
    (...args: A): void =>
      within(() => listener(...args));
  const { ear, mouth, signal } = call;
  const ending = new AbortController();
  const end = () => within(() => ending.abort(signal.reason));
  if (signal.aborted) end();
  else signal.addEventListener('abort', end, { once: true });
  const { vad } = services;
  return {
    call: {
      ...call,
      ear: { sampleRate: ear.sampleRate, onFrame: (listener) => ear.onFrame(inside(listener)) },
      mouth: mouthFor(mouth, inside),
      signal: ending.signal,
      onMessage: (listener) => call.onMessage(inside(listener)),
    },
    services: {
      metrics: services.metrics,
      catalogue: services.catalogue,
      // The model runs for all calls at once.
      vad: {
        open: (listener) =>
          vad.open({
            result: inside((result) => listener.result(result)),
            failed: inside((error) => listener.failed(error)),
          }),
      },
      get smartTurn() {
        return services.smartTurn;
      },
      get stack() {
        return services.stack;
      },
      s2s: services.s2s,
      flite: services.flite,
      pocketsphinx: (grammar) => services.pocketsphinx(grammar),
    },
    within,
    release,
  };
}

type Inside = <A extends readonly unknown[]>(listener: (...args: A) => void) => (...args: A) => void;

function mouthFor(mouth: Mouth, inside: Inside): Mouth {
  return {
    open: () => mouth.open(),
    write: (utterance, pcm, sampleRate) => mouth.write(utterance, pcm, sampleRate),
    finish: (utterance) => mouth.finish(utterance),
    pause: () => mouth.pause(),
    resume: () => mouth.resume(),
    yields: (on) => mouth.yields(on),
    flush: () => mouth.flush(),
    heard: (utterance) => mouth.heard(utterance),
    get bufferedMs() {
      return mouth.bufferedMs;
    },
    on: (event, listener) => mouth.on(event, inside(listener)),
  };
}
