/**
 * `antipode dev`: a POP, a core and placement in one process, with the registry in its memory unless another is
 * configured. Owns nothing but the wiring: the POP and the core have a worker each and meet over a real pipe and a real
 * control channel, as they would on two machines.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { AgentHost, type SessionEnd } from './agent/index.ts';
import { loadCatalogue } from './agent/services/catalogue/index.ts';
import { identityOfDevelopment, type NodeRole } from './backbone/index.ts';
import type { Clock } from './clock.ts';
import { announcedStores, type Config } from './config/index.ts';
import { Core } from './core/index.ts';
import { Edge } from './edge/index.ts';
import { endpointsInUse, serviceNames } from './placement-endpoints.ts';
import { Announcer } from './registry/index.ts';
import { openParts, openPolicy } from './roles/node-parts.ts';
import { coreRecord, popRecord } from './roles/node-records.ts';
import { toldPaths } from './roles/told-paths.ts';
import { loadTokenSecret, SignalingServer } from './signaling/index.ts';
import type { Logger } from './telemetry/index.ts';

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
  const popId = `${config.node.id}-pop`;
  const coreId = `${config.node.id}-core`;
  let end: SessionEnd = { code: 'node-shutdown', reason: 'The server could not start.' };

  try {
    const { registry, metrics, tracing } = await openParts(stack, options);
    const [tokenSecret, agents] = await Promise.all([
      loadTokenSecret(config),
      AgentHost.load({ config, clock, log: log.child({ part: 'agent' }), metrics, tracing }),
    ]);
    stack.defer(() => agents.close());
    const issue = async (nodeId: string, role: NodeRole) =>
      stack.use(await identityOfDevelopment(config.stateDir, { node: { nodeId, role }, clock, log, metrics })).identity;
    // One after the other: the first one makes the CA.
    const popIdentity = await issue(popId, 'pop');
    const coreIdentity = await issue(coreId, 'core');

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

    const startedAt = clock.date().toISOString();
    const node = { config, registry, startedAt, draining: () => false };
    const coreAnnouncer = await Announcer.start({
      ...{ registry, clock, log },
      record: coreRecord({ ...node, nodeId: coreId }, core, core.control),
    });
    stack.defer(() => coreAnnouncer.close());

    const catalogue = loadCatalogue();
    const signaling = await SignalingServer.start({
      config,
      nodeId: popId,
      region: config.node.region,
      stores: announcedStores(config),
      edge,
      registry,
      policy: openPolicy(stack, options, serviceNames(catalogue)),
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

    const popAnnouncer = await Announcer.start({
      ...{ registry, clock, log },
      record: popRecord({ ...node, nodeId: popId }, signaling.url, {
        sessions: () => edge.callCount,
        paths: toldPaths({ edge, clock }),
      }),
    });
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
