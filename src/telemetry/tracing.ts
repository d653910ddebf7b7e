/**
 * Traces as the rest of the product sees them: spans with our monotonic times, and nothing of OpenTelemetry. Owns
 * whether there are any: without an address of a collector nothing is loaded and nothing is kept. How spans travel is
 * otlp-tracing.ts's work.
 */
import type { Clock } from '../clock.ts';
import type { Logger } from './logger.ts';
import type { Registry } from './metrics.ts';

/** Undefined values are left out. */
export type SpanAttributes = Readonly<Record<string, string | number | boolean | undefined>>;

export interface SpanOptions {
  readonly name: string;
  /** `client` waits for somebody else's answer. */
  readonly kind: 'internal' | 'client';
  /** Monotonic milliseconds (Clock.now). */
  readonly startedAtMs: number;
  /** A trace of its own without one. */
  readonly parent?: TraceSpan;
  readonly attributes?: SpanAttributes;
}

export interface TraceSpan {
  /** Something that happened at monotonic `atMs`. Lost on a span that has ended. */
  event(name: string, atMs: number, attributes?: SpanAttributes): void;
  set(attributes: SpanAttributes): void;
  /** It did not work; `code` becomes `error.type`. */
  fail(code: string): void;
  /** Over at monotonic `atMs`. Idempotent. */
  end(atMs: number): void;
  readonly ended: boolean;
}

export interface Tracing {
  startSpan(options: SpanOptions): TraceSpan;
  /** Deliver what is there, for at most two seconds. Idempotent; never rejects. */
  close(): Promise<void>;
}

export interface TracingOptions {
  /** Base address of an OTLP/HTTP collector; traces go to `/v1/traces` below it. */
  endpoint: string | null;
  /** Where traces go, as it stands; wins over `endpoint`. */
  tracesEndpoint: string | null;
  serviceName: string;
  nodeId: string;
  region: string;
  clock: Clock;
  log: Logger;
  metrics: Registry;
}

/** Null when no collector is configured. */
export async function startTracing(options: TracingOptions): Promise<Tracing | null> {
  const url = tracesUrl(options);
  if (url === null) return null;
  const { OtlpTracing } = await import('./otlp-tracing.ts');
  return new OtlpTracing({ ...options, url });
}

/** By the rules of OTEL_EXPORTER_OTLP_ENDPOINT and OTEL_EXPORTER_OTLP_TRACES_ENDPOINT. */
function tracesUrl({ endpoint, tracesEndpoint }: TracingOptions): string | null {
  if (tracesEndpoint !== null) return tracesEndpoint;
  return endpoint === null ? null : `${endpoint.replace(/\/+$/, '')}/v1/traces`;
}
