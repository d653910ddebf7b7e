/** A call as its agent sees it: what the core gives, and observers beside it. Owns which observers a call has. */
import type { AgentMetrics } from './agent-metrics.ts';
import { CallObservers, MetricsObserver } from './observe/index.ts';
import type { AgentCall, CallPorts } from './types.ts';

export function observed(ports: CallPorts, metrics: AgentMetrics): AgentCall {
  const observers = new CallObservers([new MetricsObserver(metrics)], {
    log: ports.log,
    failures: metrics.observerFailures,
  });
  return {
    sessionId: ports.sessionId,
    room: ports.room,
    metadata: ports.metadata,
    ear: ports.ear,
    mouth: ports.mouth,
    clock: ports.clock,
    log: ports.log,
    signal: ports.signal,
    backboneRttMs: () => ports.backboneRttMs(),
    send: (event) => ports.send(event),
    onMessage: (listener) => ports.onMessage(listener),
    hangUp: (end) => ports.hangUp(end),
    observe: observers.observe,
  };
}
