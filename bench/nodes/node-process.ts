/** A POP or a core in a process of its own, as the benchmarks run them: `node node-process.ts pop|core`, driven by IPC. */
import type { SessionEnd } from '../../src/agent/index.ts';
import { AgentHost } from '../../src/agent/index.ts';
import { ensureDevelopmentCa } from '../../src/backbone/index.ts';
import { systemClock as clock } from '../../src/clock.ts';
import { loadConfig } from '../../src/config/index.ts';
import { Core } from '../../src/core/index.ts';
import { Edge } from '../../src/edge/index.ts';
import { createLogger, createMetrics } from '../../src/telemetry/index.ts';
import { answerParent } from './child-side.ts';
import { MainThreadProfile } from './main-thread-profile.ts';
import type { NodeAsk, NodeUsage, OpenedDoor, ToldOfCall } from './messages.ts';
import { threadTimes } from './thread-times.ts';

const role = process.argv[2] === 'pop' ? 'pop' : 'core';
let nodeId = `bench-${role}`;
const END: SessionEnd = { code: 'node-shutdown', reason: 'The benchmark is over.' };
const log = createLogger({ level: 'warn', pretty: false });
const metrics = createMetrics({ processMetrics: false });
const told = new Map<string, ToldOfCall>();
let profile: MainThreadProfile | null = null;
let agents: AgentHost | null = null;
let core: Core | null = null;
let edge: Edge | null = null;
let coreAddress: { nodeId: string; host: string; port: number } | null = null;

answerParent<NodeAsk>(handle);
// A terminal's Ctrl-C reaches the media workers too: they are not to be replaced.
process.on('SIGINT', () => {
  core?.beginShutdown();
  edge?.beginShutdown();
});

async function handle(ask: NodeAsk): Promise<unknown> {
  switch (ask.type) {
    case 'start': {
      if (ask.quiet) log.level = 'error';
      if (ask.nodeId) nodeId = ask.nodeId;
      const config = loadConfig({
        file: null,
        environment: {},
        defaults: {
          'edge.mediaPort': 0,
          'limits.maxSessions': 2_000,
          // A benchmark offers what it wants to see.
          'core.capacity': 2_000,
          'core.agentsDir': ask.agentsDir,
          stateDir: ask.stateDir,
          ...ask.settings,
        },
      });
      const ca = await ensureDevelopmentCa(ask.stateDir, { log, clock });
      const identity = await ca.issue({ nodeId, role });
      coreAddress = ask.core;
      if (role === 'core') {
        agents = await AgentHost.load({ config, clock, log, metrics });
        await agents.prepared;
        core = await Core.start({ config, nodeId, identity, agents, clock, log, metrics });
        return { nodeId, ...core.control };
      }
      edge = await Edge.start({ config, nodeId, identity, clock, log, metrics });
      return { nodeId };
    }
    case 'open': {
      const at = ask.core ?? coreAddress;
      if (!edge || !at) throw new Error('not a POP, or not started');
      const call = await edge.openCall({
        sessionId: ask.sessionId,
        epoch: 1,
        room: ask.sessionId,
        agent: ask.agent,
        residency: null,
        confinement: null,
        metadata: ask.metadata ?? {},
        core: at,
      });
      const kept: ToldOfCall = { notices: [], ended: null };
      if (ask.keepTold) told.set(ask.sessionId, kept);
      call.on('event', (event) => {
        if (ask.keepTold && event.type === 'notice') kept.notices.push(event.text);
      });
      call.on('ended', ({ code, reason }) => {
        kept.ended = `${code}: ${reason}`;
      });
      const door = await call.connectPlain({ srtpParameters: ask.callerKey, ssrc: ask.ssrc });
      return { ip: door.ip, port: door.port, key: door.srtpParameters, payloadType: door.payloadType } as OpenedDoor;
    }
    case 'told':
      return told.get(ask.sessionId) ?? null;
    case 'usage': {
      const stats = edge ? await edge.stats() : await (core as Core).stats();
      const workers = stats.workers.map(({ usage }) => usage);
      const cpu = process.cpuUsage();
      return {
        nodeMs: (cpu.user + cpu.system) / 1_000,
        workersMs: workers.reduce((sum, worker) => sum + (worker?.userMs ?? 0) + (worker?.systemMs ?? 0), 0),
        nodeRssBytes: process.memoryUsage.rss(),
        workersRssBytes: workers.reduce((sum, worker) => sum + (worker?.maxRssBytes ?? 0), 0),
        threadsMs: await threadTimes(stats.workers.map(({ pid }) => pid)),
        vadMs: (await sumOf('antipode_vad_run_seconds', '_sum')) * 1_000,
        turnModel: {
          answered: await sumOf('antipode_smart_turn_seconds', '_count', 'model'),
          unanswered: await sumOf('antipode_smart_turn_failures_total', ''),
        },
        stats: { ...stats },
      } satisfies NodeUsage;
    }
    case 'profile':
      profile = await MainThreadProfile.begin();
      return null;
    case 'profiled':
      await profile?.end(ask.file);
      profile = null;
      return null;
    case 'close':
      // That the other end goes is no news now.
      log.level = 'error';
      await edge?.close(END);
      await core?.close(END);
      await agents?.close();
      return null;
  }
}

/** From the node's own metrics: all values of a name, its suffix chosen, of one `part` or of all labels. */
async function sumOf(name: string, suffix: string, part?: string): Promise<number> {
  const metric = await metrics.getSingleMetric(name)?.get();
  const values = metric?.values as { value: number; metricName?: string; labels: { part?: string } }[] | undefined;
  return (values ?? [])
    .filter(({ metricName, labels }) => (metricName ?? name) === name + suffix && (!part || labels.part === part))
    .reduce((sum, { value }) => sum + value, 0);
}
