/** A call as its agent sees it: what the core gives, and observers beside it. Owns which observers a call has. */
import type { Tracing } from '../telemetry/index.ts';
import type { AgentMetrics } from './agent-metrics.ts';
import {
  type CallObserver,
  CallObservers,
  ClientObserver,
  CostObserver,
  LegObserver,
  MetricsObserver,
  type PriceRun,
  TouchObserver,
  TraceObserver,
} from './observe/index.ts';
import type { AgentCall, CallPorts } from './types.ts';

export interface ObservedOptions {
  /** Name of the agent on the call. */
  agent: string;
  metrics: AgentMetrics;
  price: PriceRun;
  /** Null: no traces. */
  tracing: Tracing | null;
}

export function observed(ports: CallPorts, options: ObservedOptions): AgentCall {
  const { agent, metrics, price, tracing } = options;
  const send: CallPorts['send'] = (event) => ports.send(event);
  const observers: CallObserver[] = [
    new MetricsObserver({ metrics: metrics.calls, price }),
    new ClientObserver(send),
    new CostObserver({ price, send, log: ports.log }),
    new TouchObserver((touch) => ports.touched(touch)),
  ];
  if (ports.legs !== undefined) observers.push(new LegObserver({ agent, sink: ports.legs }));
  const { sessionId, room } = ports;
  if (tracing !== null) observers.push(new TraceObserver({ tracing, price, sessionId, room, agent }));
  const { observe } = new CallObservers(observers, { log: ports.log, failures: metrics.observerFailures });
  return {
    sessionId,
    room,
    metadata: ports.metadata,
    ear: ports.ear,
    mouth: ports.mouth,
    clock: ports.clock,
    log: ports.log,
    signal: ports.signal,
    backboneRttMs: () => ports.backboneRttMs(),
    send,
    onMessage: (listener) => ports.onMessage(listener),
    hangUp: (end) => ports.hangUp(end),
    observe,
    confinement: ports.confinement,
    touched: (touch) => ports.touched(touch),
    ...(ports.rests !== undefined && { rests: (rests: boolean) => ports.rests?.(rests) }),
    ...(ports.journal !== undefined && { journal: ports.journal }),
    ...(ports.resumed !== undefined && { resumed: ports.resumed }),
    ...(ports.participants !== undefined && { participants: ports.participants }),
  };
}
