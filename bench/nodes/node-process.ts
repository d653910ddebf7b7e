/** A POP or a core in a process of its own, as the benchmarks run them: `node node-process.ts pop|core`, driven by IPC. */
import type { SessionEnd } from '../../src/agent/index.ts';
import { AgentHost } from '../../src/agent/index.ts';
import { ensureDevelopmentCa } from '../../src/backbone/index.ts';
import { systemClock as clock } from '../../src/clock.ts';
import { loadConfig } from '../../src/config/index.ts';
import { Core } from '../../src/core/index.ts';
import { Edge } from '../../src/edge/index.ts';
import { createLogger, createMetrics } from '../../src/telemetry/index.ts';
import type { FromNode, NodeUsage, OpenedDoor, ToNode } from './messages.ts';

const role = process.argv[2] === 'pop' ? 'pop' : 'core';
const nodeId = `bench-${role}`;
const END: SessionEnd = { code: 'node-shutdown', reason: 'The benchmark is over.' };
const log = createLogger({ level: 'warn', pretty: false });
const metrics = createMetrics({ processMetrics: false });
let core: Core | null = null;
let edge: Edge | null = null;
let coreAddress: { nodeId: string; host: string; port: number } | null = null;

process.on('message', (message: ToNode) => {
  handle(message.ask).then(
    (answer) => reply({ id: message.id, answer }),
    (error: Error) => reply({ id: message.id, error: `${error.message}` }),
  );
});
process.on('disconnect', () => process.exit(0));

function reply(message: FromNode): void {
  process.send?.(message);
}

async function handle(ask: ToNode['ask']): Promise<unknown> {
  switch (ask.type) {
    case 'start': {
      const config = loadConfig({
        file: null,
        environment: {},
        defaults: {
          'edge.mediaPort': 0,
          'limits.maxSessions': 2_000,
          'core.agentsDir': ask.agentsDir,
          stateDir: ask.stateDir,
        },
      });
      const ca = await ensureDevelopmentCa(ask.stateDir, { log, clock });
      const identity = await ca.issue({ nodeId, role });
      coreAddress = ask.core;
      if (role === 'core') {
        const agents = await AgentHost.load({ config, clock, log, metrics });
        core = await Core.start({ config, nodeId, identity, agents, clock, log, metrics });
        return { nodeId, ...core.control };
      }
      edge = await Edge.start({ config, nodeId, identity, clock, log, metrics });
      return { nodeId };
    }
    case 'open': {
      if (!edge || !coreAddress) throw new Error('not a POP, or not started');
      const call = await edge.openCall({
        sessionId: ask.sessionId,
        epoch: 1,
        room: ask.sessionId,
        agent: ask.agent,
        residency: null,
        metadata: {},
        core: coreAddress,
      });
      call.on('event', () => {});
      const door = await call.connectPlain({ srtpParameters: ask.callerKey, ssrc: ask.ssrc });
      return { ip: door.ip, port: door.port, key: door.srtpParameters, payloadType: door.payloadType } as OpenedDoor;
    }
    case 'usage': {
      const stats = edge ? await edge.stats() : await (core as Core).stats();
      const workers = stats.workers.map(({ usage }) => usage);
      const cpu = process.cpuUsage();
      return {
        nodeMs: (cpu.user + cpu.system) / 1_000,
        workersMs: workers.reduce((sum, worker) => sum + (worker?.userMs ?? 0) + (worker?.systemMs ?? 0), 0),
        nodeRssBytes: process.memoryUsage.rss(),
        workersRssBytes: workers.reduce((sum, worker) => sum + (worker?.maxRssBytes ?? 0), 0),
        stats: { ...stats },
      } satisfies NodeUsage;
    }
    case 'close':
      await edge?.close(END);
      await core?.close(END);
      return null;
  }
}
