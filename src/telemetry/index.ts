/** Public face of telemetry: the logger and the metrics registry. */
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
