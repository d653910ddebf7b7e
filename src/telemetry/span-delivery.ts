/**
 * Stands around a batching span processor and counts what becomes of each span: `delivered`, `failed` with its batch,
 * or `dropped` because the collector is slower than the calls. Tells failures in the log, at most once a minute.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import type { Context } from '@opentelemetry/api';
import type { ReadableSpan, Span, SpanExporter, SpanProcessor } from '@opentelemetry/sdk-trace';
import type { Clock } from '../clock.ts';
import type { Logger } from './logger.ts';
import { type Counter, counter, type Registry } from './metrics.ts';

export interface SpanDeliveryOptions {
  exporter: SpanExporter;
  /** The processor that batches; it must hold `SPAN_DELIVERY_DEFAULTS.maxWaitingSpans`. */
  makeProcessor: (exporter: SpanExporter) => SpanProcessor;
  clock: Clock;
  log: Logger;
  metrics: Registry;
}

export const SPAN_DELIVERY_DEFAULTS = {
  /** Beyond these, spans are dropped. */
  maxWaitingSpans: 2_048,
  /** Between two lines of the log about failures. */
  quietMs: 60_000,
} as const;

type ExportCallback = Parameters<SpanExporter['export']>[1];
/** ExportResultCode.SUCCESS of the SDK. */
const SUCCESS = 0;

export class SpanDelivery implements SpanProcessor {
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #spans: Counter<'outcome'>;
  readonly #processor: SpanProcessor;
  /** A batch is of many calls: it is gathered and sent for none of them, whoever's span was its first. */
  readonly #forNobody = AsyncLocalStorage.snapshot();
  /** Ended and not yet given to the exporter. */
  #waiting = 0;
  /** Given to the exporter, outcome unknown. */
  #underWay = 0;
  #abandoned = false;
  #toldAtMs = Number.NEGATIVE_INFINITY;
  /** Lost since the last line of the log. */
  #untold = 0;

  constructor(options: SpanDeliveryOptions) {
    this.#clock = options.clock;
    this.#log = options.log;
    this.#spans = counter(options.metrics, 'antipode_trace_spans_total', 'Spans, by what became of them.', ['outcome']);
    const { exporter } = options;
    this.#processor = options.makeProcessor({
      export: (spans, done) => this.#export(exporter, spans, done),
      shutdown: () => exporter.shutdown(),
      forceFlush: () => exporter.forceFlush?.() ?? Promise.resolve(),
    });
  }

  onStart(span: Span, parent: Context): void {
    this.#processor.onStart(span, parent);
  }

  onEnd(span: ReadableSpan): void {
    if (this.#abandoned || this.#waiting >= SPAN_DELIVERY_DEFAULTS.maxWaitingSpans) {
      this.#lost('dropped', 1, null);
      return;
    }
    this.#waiting += 1;
    this.#forNobody(() => this.#processor.onEnd(span));
  }

  forceFlush(): Promise<void> {
    return this.#processor.forceFlush();
  }

  shutdown(): Promise<void> {
    return this.#processor.shutdown();
  }

  /** Nobody waits any longer: what was not delivered by now is lost. Idempotent. */
  abandon(): void {
    if (this.#abandoned) return;
    this.#abandoned = true;
    const left = this.#waiting + this.#underWay;
    if (left > 0) this.#lost('dropped', left, null);
  }

  #export(exporter: SpanExporter, spans: ReadableSpan[], done: ExportCallback): void {
    this.#waiting -= spans.length;
    this.#underWay += spans.length;
    exporter.export(spans, (result) => {
      this.#underWay -= spans.length;
      if (!this.#abandoned) {
        if (result.code === SUCCESS) this.#spans.inc({ outcome: 'delivered' }, spans.length);
        else this.#lost('failed', spans.length, result.error ?? null);
      }
      done(result);
    });
  }

  #lost(outcome: 'failed' | 'dropped', spans: number, error: Error | null): void {
    this.#spans.inc({ outcome }, spans);
    this.#untold += spans;
    const now = this.#clock.now();
    if (now - this.#toldAtMs < SPAN_DELIVERY_DEFAULTS.quietMs) return;
    this.#log.warn({ err: error ?? undefined, outcome, spans: this.#untold }, 'traces were not delivered');
    this.#toldAtMs = now;
    this.#untold = 0;
  }
}
