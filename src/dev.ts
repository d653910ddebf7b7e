/**
 * `antipode dev`: a POP, a core, placement and the memory registry in one process. Owns nothing but the wiring: the
 * POP and the core have a worker each and meet over a real pipe and a real control channel, as they would on two
 * machines.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { AgentHost, type SessionEnd } from './agent/index.ts';
import { loadCatalogue } from './agent/services/catalogue/index.ts';
import { ensureDevelopmentCa } from './backbone/index.ts';
import type { Clock } from './clock.ts';
import type { Config } from './config/index.ts';
import { Core } from './core/index.ts';
import { Edge } from './edge/index.ts';
import { DEFAULT_POLICY, fixedPolicy, PolicyFile } from './placement/index.ts';
import { endpointsInUse, serviceNames } from './placement-endpoints.ts';
import { Announcer, MemoryRegistry, type NodeRecord } from './registry/index.ts';
import { loadTokenSecret, SignalingServer } from './signaling/index.ts';
import { createMetrics, type Logger, startTracing } from './telemetry/index.ts';

export interface DevOptions {
  config: Config;
  clock: Clock;
  log: Logger;
  /** mediasoup worker binary; mediasoup's own choice when absent. */
  workerBin?: string;
  /** Folder of the built page. */
  pageDir: string;
}

/** A running development server. */
export interface Dev {
  readonly url: string;
  readonly edge: Edge;
  readonly core: Core;
  /** Stop taking sessions, end the running ones with `end`, leave no process behind. Idempotent. */
  close(end: SessionEnd): Promise<void>;
}

export async function startDev(options: DevOptions): Promise<Dev> {
  const { config, clock, log, workerBin } = options;
  const stack = new AsyncDisposableStack();
  const metrics = createMetrics({ processMetrics: true });
  const popId = `${config.node.id}-pop`;
  const coreId = `${config.node.id}-core`;
  let end: SessionEnd = { code: 'node-shutdown', reason: 'The server could not start.' };

  try {
    const registry = stack.use(new MemoryRegistry({ clock }));
    const tracing = await startTracing({
      endpoint: config.telemetry.otlpEndpoint,
      tracesEndpoint: config.telemetry.otlpTracesEndpoint,
      serviceName: config.telemetry.serviceName,
      nodeId: config.node.id,
      region: config.node.region,
      clock,
      log: log.child({ part: 'telemetry' }),
      metrics,
    });
    stack.defer(() => tracing?.close());
    const [ca, tokenSecret, agents] = await Promise.all([
      ensureDevelopmentCa(config.stateDir, { log, clock }),
      loadTokenSecret(config),
      AgentHost.load({ config, clock, log: log.child({ part: 'agent' }), metrics, tracing }),
    ]);
    stack.defer(() => agents.close());
    const [popIdentity, coreIdentity] = await Promise.all([
      ca.issue({ nodeId: popId, role: 'pop' }),
      ca.issue({ nodeId: coreId, role: 'core' }),
    ]);

    const started = await Promise.allSettled([
      Core.start({
        config,
        nodeId: coreId,
        identity: coreIdentity,
        agents,
        clock,
        log: log.child({ part: 'core' }),
        metrics,
        workerBin,
      }),
      Edge.start({
        config,
        nodeId: popId,
        identity: popIdentity,
        clock,
        log: log.child({ part: 'pop' }),
        metrics,
        workerBin,
      }),
    ]);
    if (started[0].status === 'fulfilled') {
      const core = started[0].value;
      stack.defer(() => core.close(end));
    }
    if (started[1].status === 'fulfilled') {
      const edge = started[1].value;
      stack.defer(() => edge.close(end));
    }
    if (started[0].status === 'rejected') throw started[0].reason;
    if (started[1].status === 'rejected') throw started[1].reason;
    const core = started[0].value;
    const edge = started[1].value;

    const startedAt = new Date().toISOString();
    const capacity = { sessions: config.limits.maxSessions };
    const region = config.node.region;
    const coreRecord = (): NodeRecord => ({
      nodeId: coreId,
      role: 'core',
      region,
      control: core.control,
      signalingUrl: null,
      agents: core.agents,
      capacity,
      load: { sessions: core.sessionCount },
      draining: false,
      startedAt,
    });
    const coreAnnouncer = await Announcer.start({ registry, clock, log, record: coreRecord });
    stack.defer(() => coreAnnouncer.close());

    const catalogue = loadCatalogue();
    const { policyFile } = config.placement;
    const services = serviceNames(catalogue);
    const policyLog = log.child({ part: 'placement' });
    const policy =
      policyFile === null
        ? fixedPolicy(DEFAULT_POLICY, clock)
        : stack.use(PolicyFile.open({ path: policyFile, services, clock, log: policyLog }));

    const signaling = await SignalingServer.start({
      config,
      nodeId: popId,
      region,
      edge,
      registry,
      policy,
      endpoints: endpointsInUse(config.services, catalogue, process.env),
      clock,
      log: log.child({ part: 'signaling' }),
      metrics,
      tokenSecret,
      pageDir: existsSync(join(options.pageDir, 'index.html')) ? options.pageDir : null,
      readiness: async () => {
        const nodes = await registry.nodes();
        const parts = {
          core: nodes.some((node) => node.role === 'core'),
          pop: nodes.some((node) => node.role === 'pop'),
          agents: core.agents.length > 0,
        };
        return { ok: Object.values(parts).every(Boolean), parts };
      },
    });
    stack.defer(() => signaling.close(end));

    const popRecord = (): NodeRecord => ({
      nodeId: popId,
      role: 'pop',
      region,
      control: null,
      signalingUrl: signaling.url,
      agents: [],
      capacity,
      load: { sessions: edge.callCount },
      draining: false,
      startedAt,
    });
    const popAnnouncer = await Announcer.start({ registry, clock, log, record: popRecord });
    stack.defer(() => popAnnouncer.close());

    const disposable = stack.move();
    let closing: Promise<void> | null = null;
    return {
      url: signaling.url,
      edge,
      core,
      close(reason) {
        end = reason;
        signaling.beginShutdown();
        edge.beginShutdown();
        core.beginShutdown();
        closing ??= disposable.disposeAsync();
        return closing;
      },
    };
  } catch (error) {
    await stack.disposeAsync();
    throw error;
  }
}
