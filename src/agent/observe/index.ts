/** Seeing a call from outside: what is told of it, and who listens. */
export { type CallObserver, CallObservers, type CallObserversOptions } from './call-observers.ts';
export { MetricsObserver } from './metrics-observer.ts';
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
