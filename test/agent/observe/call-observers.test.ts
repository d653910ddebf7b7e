import { pino } from 'pino';
import { expect, test } from 'vitest';
import { agentMetrics, CallObservers, type Observation } from '../../../src/agent/index.ts';
import { createMetrics } from '../../../src/telemetry/index.ts';

test('an observer that throws is counted and told, and the others see everything, in order', async () => {
  const registry = createMetrics({ processMetrics: false });
  const lines: Record<string, unknown>[] = [];
  const seen: Observation[] = [];
  const broken = {
    name: 'broken',
    observed() {
      throw new Error('no room');
    },
  };
  const { observe } = new CallObservers([broken, { name: 'sound', observed: (each) => void seen.push(each) }], {
    log: pino({}, { write: (line: string) => void lines.push(JSON.parse(line)) }),
    failures: agentMetrics(registry).observerFailures,
  });
  const all: Observation[] = [
    { type: 'call-started', atMs: 1 },
    { type: 'call-ended', atMs: 2 },
  ];
  for (const each of all) observe(each);
  expect(seen).toEqual(all);
  expect(lines).toMatchObject([
    { level: 50, observer: 'broken', seen: 'call-started' },
    { level: 50, observer: 'broken', seen: 'call-ended' },
  ]);
  const { values } = await registry.getSingleMetric('antipode_observer_failures_total')!.get();
  expect(values).toMatchObject([{ labels: { observer: 'broken' }, value: 2 }]);
});
