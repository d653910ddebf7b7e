/**
 * Traces by OpenTelemetry's SDK to an OTLP/HTTP collector. Owns the mapping of monotonic time to the wall clock and
 * what became of each span: delivered, failed or dropped, counted and told. Never holds up who makes a span.
 */

import type { Span, Tracer } from '@opentelemetry/api';
import {
  type Attributes,
  type Context,
  type HrTime,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { detectResources, resourceAttributesEnvDetector, resourceFromAttributes } from '@opentelemetry/resources';
import { BatchSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import type { Clock } from '../clock.ts';
import type { Logger } from './logger.ts';
import { SpanDelivery } from './span-delivery.ts';
import type { SpanAttributes, SpanOptions, TraceSpan, Tracing, TracingOptions } from './tracing.ts';

export interface OtlpTracingOptions extends TracingOptions {
  /** Where batches are posted. */
  url: string;
}

export const OTLP_TRACING_DEFAULTS = {
  /** A batch is sent when it is this old, or full. */
  batchDelayMs: 2_000,
  /** Of one delivery with its repetitions. */
  exportTimeoutMs: 10_000,
  /** Shutting down waits this long for the last delivery. */
  closeTimeoutMs: 2_000,
} as const;

export class OtlpTracing implements Tracing {
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #delivery: SpanDelivery;
  readonly #provider: TracerProvider;
  readonly #tracer: Tracer;
  #closed: Promise<void> | null = null;

  constructor(options: OtlpTracingOptions) {
    const { clock, log, metrics, serviceName, nodeId, region, url } = options;
    this.#clock = clock;
    this.#log = log;
    const { batchDelayMs, exportTimeoutMs } = OTLP_TRACING_DEFAULTS;
    this.#delivery = new SpanDelivery({
      exporter: new OTLPTraceExporter({ url, timeoutMillis: exportTimeoutMs }),
      makeProcessor: (exporter) =>
        new BatchSpanProcessor({ exporter, scheduledDelayMillis: batchDelayMs, exportTimeoutMillis: exportTimeoutMs }),
      clock,
      log,
      metrics,
    });
    const own = resourceFromAttributes({
      'service.name': serviceName,
      'service.instance.id': nodeId,
      'antipode.region': region,
    });
    this.#provider = new TracerProvider({
      resource: detectResources({ detectors: [resourceAttributesEnvDetector] }).merge(own),
      spanProcessors: [this.#delivery],
    });
    this.#tracer = this.#provider.getTracer('antipode');
  }

  startSpan(options: SpanOptions): TraceSpan {
    const parent = options.parent instanceof OtlpSpan ? options.parent : null;
    // One offset for a whole trace: its durations stay exact when the wall clock is set while it lasts.
    const epochMs = parent?.epochMs ?? this.#clock.date().getTime() - this.#clock.now();
    const span = this.#tracer.startSpan(
      options.name,
      {
        kind: options.kind === 'client' ? SpanKind.CLIENT : SpanKind.INTERNAL,
        startTime: wallTime(epochMs, options.startedAtMs),
        attributes: defined(options.attributes),
      },
      parent?.context ?? ROOT_CONTEXT,
    );
    return new OtlpSpan(span, epochMs);
  }

  close(): Promise<void> {
    this.#closed ??= this.#shutDown();
    return this.#closed;
  }

  async #shutDown(): Promise<void> {
    const { closeTimeoutMs } = OTLP_TRACING_DEFAULTS;
    const timeout = Promise.withResolvers<void>();
    const timer = this.#clock.setTimeout(timeout.resolve, closeTimeoutMs);
    const shutdown = this.#provider.shutdown().catch((error: unknown) => {
      this.#log.warn({ err: error }, 'the last traces were not delivered');
    });
    await Promise.race([shutdown, timeout.promise]);
    timer.cancel();
    this.#delivery.abandon();
  }
}

class OtlpSpan implements TraceSpan {
  readonly #span: Span;
  /** Wall clock milliseconds at monotonic zero, for the whole trace. */
  readonly epochMs: number;
  #ended = false;

  constructor(span: Span, epochMs: number) {
    this.#span = span;
    this.epochMs = epochMs;
  }

  get context(): Context {
    return trace.setSpan(ROOT_CONTEXT, this.#span);
  }

  get ended(): boolean {
    return this.#ended;
  }

  event(name: string, atMs: number, attributes?: SpanAttributes): void {
    if (!this.#ended) this.#span.addEvent(name, defined(attributes), wallTime(this.epochMs, atMs));
  }

  set(attributes: SpanAttributes): void {
    if (!this.#ended) this.#span.setAttributes(defined(attributes));
  }

  fail(code: string): void {
    if (this.#ended) return;
    this.#span.setAttribute('error.type', code);
    this.#span.setStatus({ code: SpanStatusCode.ERROR });
  }

  end(atMs: number): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#span.end(wallTime(this.epochMs, atMs));
  }
}

function wallTime(epochMs: number, atMs: number): HrTime {
  const ms = epochMs + atMs;
  const seconds = Math.floor(ms / 1_000);
  return [seconds, Math.round((ms - seconds * 1_000) * 1_000) * 1_000];
}

function defined(attributes: SpanAttributes = {}): Attributes {
  return Object.fromEntries(Object.entries(attributes).filter(([, value]) => value !== undefined));
}
