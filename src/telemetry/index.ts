/** Public face of telemetry: the logger, the metrics registry, traces. */
export { BoundedLabel } from './bounded-label.ts';
export { DecayingDigest, type DecayingDigestOptions, type DigestReading } from './decaying-digest.ts';
export { createLogger, type Logger, type LoggerOptions, silentLogger } from './logger.ts';
export {
  type Counter,
  counter,
  createMetrics,
  type Gauge,
  gauge,
  type Histogram,
  histogram,
  LATENESS_SECONDS_BUCKETS,
  type Registry,
  TURN_SECONDS_BUCKETS,
} from './metrics.ts';
export {
  type SpanAttributes,
  type SpanOptions,
  startTracing,
  type TraceSpan,
  type Tracing,
  type TracingOptions,
} from './tracing.ts';
