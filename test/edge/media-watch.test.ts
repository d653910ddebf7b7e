import { describe, expect, test } from 'vitest';
import { EdgeMetrics } from '../../src/edge/edge-metrics.ts';
import { MediaWatch } from '../../src/edge/media-watch.ts';
import { createMetrics } from '../../src/telemetry/index.ts';
import { metricValue } from '../backbone/support/workers.ts';
import { FakeClock } from '../support/fake-clock.ts';

const CONNECTING = { connected: false, lost: false, dead: false };
const CONNECTED = { connected: true, lost: false, dead: false };
const LOST = { connected: false, lost: true, dead: false };
const DEAD = { connected: false, lost: true, dead: true };

function setUp() {
  const clock = new FakeClock();
  const registry = createMetrics({ processMetrics: false });
  const timeouts: string[] = [];
  const watch = new MediaWatch({
    mediaConnectTimeoutMs: 20_000,
    resumeWindowMs: 30_000,
    clock,
    metrics: new EdgeMetrics(registry),
    onTimeout: (reason) => timeouts.push(reason),
  });
  const failures = (reason: string) => metricValue(registry, 'antipode_edge_media_connect_failures_total', { reason });
  return { clock, watch, timeouts, failures };
}

describe('MediaWatch', () => {
  test('calls time on media that does not connect', async () => {
    const { clock, watch, timeouts, failures } = setUp();
    watch.awaitConnection();
    watch.observe(CONNECTING);
    clock.advance(19_999);
    expect(timeouts).toEqual([]);
    clock.advance(1);
    expect(timeouts).toEqual(["The caller's media did not connect in 20 s."]);
    expect(await failures('timeout')).toBe(1);
  });

  test('is content with media that connects', () => {
    const { clock, watch, timeouts } = setUp();
    watch.awaitConnection();
    clock.advance(19_999);
    watch.observe(CONNECTED);
    clock.advance(100_000);
    expect(timeouts).toEqual([]);
    expect(clock.pendingCount).toBe(0);
  });

  test('gives a caller who was lost the resume window, from the first sign', () => {
    const { clock, watch, timeouts } = setUp();
    watch.observe(CONNECTED);
    watch.observe(LOST);
    clock.advance(20_000);
    watch.observe(DEAD);
    clock.advance(9_999);
    expect(timeouts).toEqual([]);
    clock.advance(1);
    expect(timeouts).toHaveLength(1);
  });

  test('forgets the loss of a caller who comes back, by itself or for new transports', () => {
    const { clock, watch, timeouts } = setUp();
    watch.observe(LOST);
    clock.advance(29_000);
    watch.observe(CONNECTED);
    clock.advance(60_000);
    watch.lost();
    clock.advance(29_000);
    watch.awaitConnection();
    clock.advance(19_000);
    watch.observe(CONNECTED);
    clock.advance(100_000);
    expect(timeouts).toEqual([]);
  });

  test('counts a handshake that failed once, and a client that hung up not at all', async () => {
    const { watch, failures } = setUp();
    watch.awaitConnection();
    watch.observe(DEAD);
    watch.observe(DEAD);
    expect(await failures('dtls')).toBe(1);
    watch.observe(CONNECTED);
    watch.observe(DEAD);
    expect(await failures('dtls')).toBe(1);
  });

  test('closed, it waits for nothing', () => {
    const { clock, watch } = setUp();
    watch.awaitConnection();
    watch.lost();
    watch.close();
    expect(clock.pendingCount).toBe(0);
  });
});
