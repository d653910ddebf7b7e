import { pino } from 'pino';
import { expect, test } from 'vitest';
import { loadConfig } from '../../src/config/index.ts';
import { createMetrics, type Registry, silentLogger, startTracing, type Tracing } from '../../src/telemetry/index.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { lengthMs, OtlpCollector } from './otlp-collector.ts';

interface SetUp {
  clock?: FakeClock;
  metrics?: Registry;
  tracesEndpoint?: string;
  lines?: Record<string, unknown>[];
}

async function start(endpoint: string | null, options: SetUp = {}): Promise<Tracing | null> {
  const { lines } = options;
  return startTracing({
    endpoint,
    tracesEndpoint: options.tracesEndpoint ?? null,
    serviceName: 'front-desk-eu',
    nodeId: 'node-1',
    region: 'eu-west-1',
    clock: options.clock ?? new FakeClock(),
    log: lines ? pino({}, { write: (line: string) => void lines.push(JSON.parse(line)) }) : silentLogger,
    metrics: options.metrics ?? createMetrics({ processMetrics: false }),
  });
}

async function outcomes(metrics: Registry): Promise<Record<string, number>> {
  const metric = await metrics.getSingleMetric('antipode_trace_spans_total')!.get();
  return Object.fromEntries(metric.values.map(({ labels, value }) => [labels.outcome, value]));
}

test('without a collector there are no traces, and nothing of it is registered', async () => {
  const metrics = createMetrics({ processMetrics: false });
  expect(await start(null, { metrics })).toBeNull();
  expect(metrics.getMetricsAsArray()).toEqual([]);
});

test('spans arrive at /v1/traces with their parents, and with monotonic times on the wall clock', async () => {
  await using collector = await OtlpCollector.start();
  const clock = new FakeClock(5_000, Date.UTC(2026, 10, 20, 12, 0, 0));
  const metrics = createMetrics({ processMetrics: false });
  const tracing = (await start(`${collector.url}/`, { clock, metrics }))!;
  const session = tracing.startSpan({ name: 'session', kind: 'internal', startedAtMs: 5_000 });
  const attributes = { words: 3, share: 0.5, cut: true, name: 'x', missing: undefined };
  const turn = tracing.startSpan({ name: 'turn', kind: 'client', startedAtMs: 5_100.25, parent: session, attributes });
  turn.event('audible', 5_400);
  turn.fail('ERR_SERVICE_TIMEOUT');
  turn.end(5_600.5);
  turn.end(9_000);
  turn.event('too late', 9_000);
  session.end(7_000);
  await tracing.close();

  expect(collector.paths).toEqual(['/v1/traces']);
  expect(collector.resource).toMatchObject({ 'service.name': 'front-desk-eu', 'service.instance.id': 'node-1' });
  const sent = { session: collector.span('session'), turn: collector.span('turn') };
  expect(sent.session.parentSpanId).toBeUndefined();
  expect(sent.turn.parentSpanId).toBe(sent.session.spanId);
  expect(sent.turn.traceId).toBe(sent.session.traceId);
  expect(sent.session.startTimeUnixNano).toBe(Date.UTC(2026, 10, 20, 12, 0, 0));
  expect(sent.turn.startTimeUnixNano).toBe(Date.UTC(2026, 10, 20, 12, 0, 0) + 100.25);
  expect(lengthMs(sent.turn)).toBe(500.25);
  expect(lengthMs(sent.session)).toBe(2_000);
  expect(sent.turn.attributes).toEqual({
    words: 3,
    share: 0.5,
    cut: true,
    name: 'x',
    'error.type': 'ERR_SERVICE_TIMEOUT',
  });
  expect(sent.turn.events.map(({ name }) => name)).toEqual(['audible']);
  expect([sent.session.kind, sent.turn.kind]).toEqual([1, 3]);
  expect([sent.session.status.code, sent.turn.status.code]).toEqual([0, 2]);
  expect(await outcomes(metrics)).toEqual({ delivered: 2 });
});

test('an address for traces alone is used as it stands', async () => {
  await using collector = await OtlpCollector.start();
  const tracesEndpoint = `${collector.url}/custom`;
  const tracing = (await start('http://127.0.0.1:1', { tracesEndpoint }))!;
  tracing.startSpan({ name: 'session', kind: 'internal', startedAtMs: 1_000 }).end(1_001);
  await tracing.close();
  expect(collector.paths).toEqual(['/custom']);
  expect(collector.spans).toHaveLength(1);
});

test('durations in a trace stay true when the wall clock is set meanwhile', async () => {
  await using collector = await OtlpCollector.start();
  class SetClock extends FakeClock {
    shiftMs = 0;
    override date(): Date {
      return new Date(super.date().getTime() + this.shiftMs);
    }
  }
  const clock = new SetClock(0);
  const tracing = (await start(collector.url, { clock }))!;
  const session = tracing.startSpan({ name: 'session', kind: 'internal', startedAtMs: 0 });
  clock.shiftMs = -60_000;
  tracing.startSpan({ name: 'turn', kind: 'internal', startedAtMs: 10, parent: session }).end(20);
  session.end(30);
  await tracing.close();
  expect(collector.span('turn').startTimeUnixNano - collector.span('session').startTimeUnixNano).toBe(10);
});

test('a collector that refuses is counted, told once and in nobody’s way', async () => {
  await using collector = await OtlpCollector.start();
  collector.status = 400;
  const metrics = createMetrics({ processMetrics: false });
  const lines: Record<string, unknown>[] = [];
  const tracing = (await start(collector.url, { metrics, lines }))!;
  for (let span = 0; span < 3; span++) tracing.startSpan({ name: 's', kind: 'internal', startedAtMs: 1 }).end(2);
  await tracing.close();
  expect(await outcomes(metrics)).toEqual({ failed: 3 });
  expect(lines.filter(({ msg }) => msg === 'traces were not delivered')).toMatchObject([
    { outcome: 'failed', spans: 3 },
  ]);
});

test('more spans than can wait are dropped and counted, with one line of the log in a minute', async () => {
  await using collector = await OtlpCollector.start();
  collector.status = null;
  const clock = new FakeClock();
  const metrics = createMetrics({ processMetrics: false });
  const lines: Record<string, unknown>[] = [];
  const tracing = (await start(collector.url, { clock, metrics, lines }))!;
  const make = () => tracing.startSpan({ name: 's', kind: 'internal', startedAtMs: 1 }).end(2);
  // One batch of 512 is on its way, 2048 wait.
  for (let span = 0; span < 512 + 2_048 + 7; span++) make();
  expect(await outcomes(metrics)).toEqual({ dropped: 7 });
  expect(lines).toHaveLength(1);
  clock.advance(60_000);
  make();
  expect(lines[1]).toMatchObject({ outcome: 'dropped', spans: 7 });
  const closing = tracing.close();
  await clock.advanceAsync(2_000, 500);
  await closing;
});

test('closing waits two seconds for a silent collector, and no longer', async () => {
  await using collector = await OtlpCollector.start();
  collector.status = null;
  const clock = new FakeClock();
  const metrics = createMetrics({ processMetrics: false });
  const tracing = (await start(collector.url, { clock, metrics }))!;
  tracing.startSpan({ name: 'session', kind: 'internal', startedAtMs: 1 }).end(2);
  let closed = false;
  const closing = tracing.close().then(() => {
    closed = true;
  });
  await clock.advanceAsync(1_999, 333);
  expect(closed).toBe(false);
  await clock.advanceAsync(1);
  await closing;
  expect(await outcomes(metrics)).toEqual({ dropped: 1 });
  expect(tracing.close()).toBe(tracing.close());
});

test('the standard variables of the environment name the collector and the service; there is none by default', () => {
  const telemetry = (environment: Record<string, string>) => loadConfig({ file: null, environment }).telemetry;
  expect(telemetry({})).toEqual({ otlpEndpoint: null, otlpTracesEndpoint: null, serviceName: 'antipode' });
  const named = telemetry({
    OTEL_EXPORTER_OTLP_ENDPOINT: 'http://localhost:4318',
    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'https://traces.example.com/v1/traces',
    OTEL_SERVICE_NAME: 'front-desk-eu',
  });
  expect(named).toEqual({
    otlpEndpoint: 'http://localhost:4318',
    otlpTracesEndpoint: 'https://traces.example.com/v1/traces',
    serviceName: 'front-desk-eu',
  });
  expect(() => telemetry({ OTEL_EXPORTER_OTLP_ENDPOINT: 'localhost:4318' })).toThrow(/telemetry\.otlpEndpoint/);
});
