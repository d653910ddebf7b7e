import { expect, test } from 'vitest';
import { EgressContext, installEgressGuard, withEgress } from '../../../src/agent/egress/index.ts';
import { createMetrics, silentLogger, startTracing } from '../../../src/telemetry/index.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { OtlpCollector } from '../../telemetry/otlp-collector.ts';

/** Spans that fill a batch, which is then sent at once. */
const BATCH = 512;

test('traces are sent for no session: a pinned one neither stops those of all calls nor is blamed for them', async () => {
  await using collector = await OtlpCollector.start();
  const metrics = createMetrics({ processMetrics: false });
  const tracing = (await startTracing({
    endpoint: collector.url,
    tracesEndpoint: null,
    serviceName: 'antipode',
    nodeId: 'core-1',
    region: 'eu-central-1',
    clock: new FakeClock(),
    log: silentLogger,
    metrics,
  }))!;
  const attempts: string[] = [];
  const onAttempt = ({ host }: { host: string }) => attempts.push(host);
  const pinned = new EgressContext({ sessionId: 's-1', pin: '"eu" (request)', hosts: [], onAttempt });
  const uninstall = installEgressGuard();
  withEgress(pinned, () => {
    for (let span = 0; span < BATCH; span++) {
      tracing.startSpan({ name: 'turn', kind: 'internal', startedAtMs: 1 }).end(2);
    }
  });
  await expect.poll(() => collector.spans.length, { timeout: 5_000 }).toBe(BATCH);
  await tracing.close();
  uninstall();
  expect(attempts).toEqual([]);
});
