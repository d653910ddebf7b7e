/**
 * A fake POP in a process of its own, driven by IPC: `node process.ts`. Speaks the real control channel to a real core,
 * offers calls over one pipe and writes down what comes back, all by one monotonic clock.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { CoreEventTuple } from '../../src/backbone/index.ts';
import { ControlClient, ensureDevelopmentCa } from '../../src/backbone/index.ts';
import { systemClock as clock } from '../../src/clock.ts';
import { createLogger, createMetrics } from '../../src/telemetry/index.ts';
import { OwnLag } from '../light-caller/index.ts';
import { answerParent } from '../nodes/child-side.ts';
import { percentile } from '../result.ts';
import { FakeCall } from './fake-call.ts';
import type { FakePopAsk, FakePopReport, LatenessSummary, Offered } from './messages.ts';
import { FakePipe } from './pipe.ts';
import { type RecordedScript, recordScript, type ScriptPart } from './script.ts';

const NODE_ID = 'bench-fake-pop';
/** Longest wait for the core: a full one is slow. */
const REQUEST_TIMEOUT_MS = 15_000;
const FRAME_MS = 20;
/** Parts 20 ms so that however many calls there are, they are nearly evenly spread. */
const GOLDEN = 0.618_033_988_749_895;

// That the core goes before us at the end is no news.
const log = createLogger({ level: 'error', pretty: false });
const lag = new OwnLag();
const calls = new Map<string, FakeCall>();
const scripts = new Map<string, Promise<RecordedScript>>();
let client: ControlClient | null = null;
let pipe: FakePipe | null = null;
let timer: NodeJS.Timeout | null = null;
let opened = 0;
let measured = { cpu: process.cpuUsage(), atMs: performance.now() };

answerParent<FakePopAsk>(async (ask) => {
  switch (ask.type) {
    case 'start': {
      const ca = await ensureDevelopmentCa(ask.stateDir, { log, clock });
      client = await ControlClient.connect({
        host: ask.core.host,
        port: ask.core.port,
        expectNodeId: ask.core.nodeId,
        identity: await ca.issue({ nodeId: NODE_ID, role: 'pop' }),
        region: 'local',
        clock,
        log,
        metrics: createMetrics({ processMetrics: false }),
        requestTimeoutMs: REQUEST_TIMEOUT_MS,
      });
      client.on('event', (...event: CoreEventTuple) => {
        if ('sessionId' in event[1]) calls.get(event[1].sessionId)?.coreEvent(event, performance.now());
      });
      pipe = await FakePipe.open(client);
      return null;
    }
    case 'open':
      await open(ask);
      return null;
    case 'offer':
      return offer(ask);
    case 'measure':
      for (const call of calls.values()) call.measureFromNow();
      measured = { cpu: process.cpuUsage(), atMs: performance.now() };
      return null;
    case 'report':
      return report();
    case 'hang-up':
      await hangUp();
      return null;
    case 'close':
      await hangUp();
      pipe?.close();
      client?.close();
      return null;
  }
});

async function open(ask: Extract<FakePopAsk, { type: 'open' }>): Promise<void> {
  const script = await recorded(ask.script, ask.dtx ?? false);
  for (let index = 0; index < ask.calls; index++) {
    const call = newCall(ask, script, Math.floor((index / ask.calls) * script.packets.length));
    await call.open();
    await start(call);
    await sleep(5);
  }
}

async function offer(ask: Extract<FakePopAsk, { type: 'offer' }>): Promise<Offered> {
  const script = await recorded(ask.script, ask.dtx ?? false);
  const call = newCall(ask, script, 0);
  const askedMs = performance.now();
  try {
    await call.open();
  } catch (error) {
    calls.delete(call.sessionId);
    return { refused: (error as Error).message, tookMs: performance.now() - askedMs };
  }
  const tookMs = performance.now() - askedMs;
  await start(call);
  return { refused: null, tookMs };
}

function newCall(
  { agent, metadata }: { agent: string; metadata: Record<string, unknown> },
  script: RecordedScript,
  firstFrame: number,
): FakeCall {
  if (!client || !pipe) throw new Error('not started');
  opened += 1;
  const sessionId = `bench-${opened}`;
  const uplinkSsrc = 1_000_000 + opened;
  const call = new FakeCall({ client, pipe, sessionId, agent, metadata, script, firstFrame, uplinkSsrc, lag });
  calls.set(sessionId, call);
  return call;
}

async function start(call: FakeCall): Promise<void> {
  // Callers know nothing of one another: their 20 ms begin at all times of the 20 ms.
  await call.start(performance.now() + ((opened * GOLDEN) % 1) * FRAME_MS);
  tick();
}

function recorded(parts: readonly ScriptPart[], dtx: boolean): Promise<RecordedScript> {
  const key = JSON.stringify({ parts, dtx });
  const known = scripts.get(key) ?? recordScript(parts, dtx);
  scripts.set(key, known);
  return known;
}

/** Sends what is due and sleeps until the next packet of any call is. */
function tick(): void {
  if (timer) clearTimeout(timer);
  timer = null;
  const nowMs = performance.now();
  let nextMs = Number.POSITIVE_INFINITY;
  let lateMs = 0;
  for (const call of calls.values()) {
    lateMs = Math.max(lateMs, nowMs - call.dueMs);
    if (call.dueMs <= nowMs) call.tick(nowMs);
    nextMs = Math.min(nextMs, call.dueMs);
  }
  lag.note(lateMs, nowMs);
  if (nextMs !== Number.POSITIVE_INFINITY) timer = setTimeout(tick, Math.max(0, nextMs - performance.now()));
}

function report(): FakePopReport {
  const all = [...calls.values()];
  const cpu = process.cpuUsage(measured.cpu);
  return {
    calls: all.map((call) => call.report()),
    lateness: summary(all.flatMap((call) => call.lateness.latenessMs)),
    latenessSeen: summary(all.flatMap((call) => call.lateness.seenMs)),
    strays: pipe?.strays ?? 0,
    cpuPercent: (cpu.user + cpu.system) / 10 / (performance.now() - measured.atMs),
  };
}

function summary(values: readonly number[]): LatenessSummary {
  return {
    frames: values.length,
    p50Ms: percentile(values, 50),
    p95Ms: percentile(values, 95),
    p99Ms: percentile(values, 99),
    maxMs: percentile(values, 100),
  };
}

async function hangUp(): Promise<void> {
  const all = [...calls.values()];
  if (timer) clearTimeout(timer);
  timer = null;
  await Promise.allSettled(all.map((call) => call.hangUp()));
  calls.clear();
}
