/** Seeing a call from outside: what is told of it, and who listens. */

export { type CallMetrics, callMetrics } from './call-metrics.ts';
export { type CallObserver, CallObservers, type CallObserversOptions } from './call-observers.ts';
export { ClientObserver } from './client-observer.ts';
export { CostObserver, type CostObserverOptions } from './cost-observer.ts';
export { LegObserver, type LegObserverOptions, type LegSink, type LegTime, type TurnTrips } from './leg-observer.ts';
export { MetricsObserver, type MetricsObserverOptions } from './metrics-observer.ts';
export {
  type Observation,
  type Observe,
  type ServiceKind,
  type ServiceRun,
  type ServiceUsage,
  type ServiceWatch,
  type ToolOutcome,
  watchFor,
} from './observation.ts';
export { type PriceRun, priceBy, type RunPrice, type UnpricedReason } from './price.ts';
export { TouchObserver } from './touch-observer.ts';
export { TraceObserver, type TraceObserverOptions } from './trace-observer.ts';
