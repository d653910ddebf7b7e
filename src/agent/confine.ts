/**
 * Keeps a session where it belongs: its services are those at the endpoints that placement chose, and all code that works
 * for a pinned one is under the rule of its egress context. What was stopped is logged, counted and told for the
 * residency record.
 */
import type { AgentServices, ConfinedServices, LocalServices } from './agent-services.ts';
import { EgressContext, withEgress } from './egress/index.ts';
import type { AgentCall, Confinement } from './types.ts';

export interface ConfinedCall {
  readonly services: AgentServices;
  /** Runs the agent's code under the rule, where there is one. */
  within?<T>(work: () => T): T;
  /** Lets go of the services. Idempotent. */
  release(): void;
}

export function confine(call: AgentCall, confinement: Confinement, services: LocalServices): ConfinedCall {
  let held: ConfinedServices;
  try {
    held = services.within(confinement.endpoints);
  } catch (error) {
    // The agent's start fails with it, as any other start that fails.
    const none: ConfinedCall = {
      services,
      within: () => {
        throw error;
      },
      release: () => {},
    };
    return none;
  }
  const { pins } = confinement;
  if (pins === null) return { services: held.services, release: () => held.release() };
  const egress = new EgressContext({
    sessionId: call.sessionId,
    pin: pins,
    hosts: [...held.addresses.map(({ id, region, host }) => ({ host, service: id, region })), ...confinement.hosts],
    onAttempt({ host, by, allowed }) {
      if (allowed !== null) {
        call.touched({ kind: 'endpoint', name: allowed.service, region: allowed.region, detail: by });
        return;
      }
      services.metrics.egressStopped.inc({ by });
      call.log.error({ code: 'ERR_EGRESS_FORBIDDEN', host, by, pins }, 'a pinned session was stopped');
      call.touched({ kind: 'stopped', name: host, region: null, detail: by });
    },
  });
  return { services: held.services, within: (work) => withEgress(egress, work), release: () => held.release() };
}
