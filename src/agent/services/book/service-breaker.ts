/** A service's breaker whose changes are logged and shown as a metric. */
import type { Clock } from '../../../clock.ts';
import type { Logger } from '../../../telemetry/index.ts';
import type { ServiceKind } from '../../observe/observation.ts';
import { CircuitBreaker } from './circuit-breaker.ts';
import type { ServiceMetrics } from './service-metrics.ts';

export interface ServiceBreakerOptions {
  kind: ServiceKind;
  /** In logs and metrics. */
  service: string;
  clock: Clock;
  log: Logger;
  metrics: Pick<ServiceMetrics, 'breakerOpen'>;
  /** 0..1, for the jitter. */
  random?: (() => number) | undefined;
}

export function serviceBreaker({ kind, service, clock, log, metrics, random }: ServiceBreakerOptions): CircuitBreaker {
  metrics.breakerOpen.set({ kind, service }, 0);
  return new CircuitBreaker({
    clock,
    ...(random !== undefined && { random }),
    onChange: (state) => {
      metrics.breakerOpen.set({ kind, service }, state.name === 'closed' ? 0 : 1);
      if (state.name === 'closed') log.info({ kind, service }, 'a service works again');
      else if (state.name === 'half-open') log.info({ kind, service }, 'a service is tried again');
      else {
        const forMs = Math.round(state.untilMs - clock.now());
        // A trial that its caller gave up tells nothing new.
        if (forMs > 0) log.warn({ kind, service, forMs }, 'a service is left alone after failures');
      }
    },
  });
}
