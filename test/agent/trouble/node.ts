/**
 * A node's agents on a fake clock, with the services of a configuration, as a core loads and runs them; and what its
 * operator can see of it: the log and the metrics. The fakes behind the services are each test's own.
 */
import { afterEach, expect, vi } from 'vitest';
import { AgentHost, type CascadeOptions, type RunningAgent } from '../../../src/agent/index.ts';
import { loadConfig } from '../../../src/config/index.ts';
import { createMetrics } from '../../../src/telemetry/index.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { MemoryCall } from '../../support/memory-call.ts';
import { recordingLog } from '../../support/recording-log.ts';

export interface NodeOptions {
  /** Of services: ANTIPODE_STT and the like, keys and addresses. */
  environment: Record<string, string>;
  /** Further settings, by their path. */
  settings?: Record<string, unknown>;
  /** Where agents are read. @defaultValue test/agent/trouble/agents */
  agentsDir?: string;
  /** The local voice stands behind the others. @defaultValue false */
  flite?: boolean;
}

export interface PlacedCall {
  readonly call: MemoryCall;
  readonly running: RunningAgent;
}

const open: { close(): Promise<unknown> }[] = [];
afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each.close();
  vi.unstubAllEnvs();
});

/** Close something after the test, the last one first. */
export function closeAfterwards<T extends { close(): Promise<unknown> }>(closable: T): T {
  open.push(closable);
  return closable;
}

export async function openNode(options: NodeOptions) {
  const { environment, settings = {}, agentsDir = 'test/agent/trouble/agents', flite = false } = options;
  // Without the model of turns they end by silence, on every machine.
  vi.stubEnv('ANTIPODE_CACHE_DIR', '/nowhere');
  const clock = new FakeClock();
  const { log, lines } = recordingLog();
  const metrics = createMetrics({ processMetrics: false });
  const config = loadConfig({
    file: null,
    environment,
    defaults: {
      'core.agentsDir': agentsDir,
      ...(flite ? {} : { 'services.flite.command': 'no-such-program' }),
      ...settings,
    },
  });
  const host = await AgentHost.load({ config, clock, log, metrics, environment });
  const calls: PlacedCall[] = [];

  const node = {
    host,
    clock,
    lines,
    /** Messages of what an operator has to look at. */
    warnings: () => lines.flatMap(({ level, message }) => (level === 'warn' || level === 'error' ? [message] : [])),
    /** Lines of a metric without its name, such as `{kind="llm"} 1`, but for those that count nothing. */
    async metric(name: string): Promise<string[]> {
      const text = await metrics.getSingleMetricAsString(name);
      const all = text.split('\n').filter((line) => line.startsWith(name));
      return all.map((line) => line.slice(name.length)).filter((line) => !/(?:^| )0$/.test(line));
    },
    /** Resolves when a request of that kind was answered whole: from then on time may pass without troubling it. */
    async ran(kind: 'llm' | 'tts'): Promise<void> {
      const runs = () => node.metric('antipode_service_runs_total');
      const isOk = (run: string) => run.includes(`kind="${kind}"`) && run.includes('outcome="ok"');
      await expect.poll(async () => (await runs()).some(isOk), { timeout: 10_000 }).toBe(true);
    },
    /** A call whose mouth plays at once what it is given. */
    place(cascade: Partial<CascadeOptions> = {}, agent = 'clumsy'): MemoryCall {
      const call = Object.assign(new MemoryCall({ clock, log }), { metadata: { cascade } });
      call.mouth.autoPlay = true;
      calls.push({ call, running: host.start(agent, call) });
      return call;
    },
    /** Every caller leaves. */
    async hangUp(): Promise<void> {
      for (const { call, running } of calls.splice(0)) {
        call.leave();
        await running.done;
      }
    },
    async close(): Promise<void> {
      await node.hangUp();
      await host.close();
    },
  };
  return closeAfterwards(node);
}

export type TroubledNode = Awaited<ReturnType<typeof openNode>>;

/** Codes of the notices that the caller's client got. */
export function noticesOf({ events }: MemoryCall): string[] {
  return events.flatMap((event) => (event.type === 'notice' ? [event.code] : []));
}

/** Let what is under way inside of the process go on; nothing that comes over a wire is waited for. */
export async function settle(rounds = 20): Promise<void> {
  for (let round = 0; round < rounds; round++) await new Promise((resolve) => setImmediate(resolve));
}
