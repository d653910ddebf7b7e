/**
 * `antipode core`: agents, the media worker and the control channel that POPs dial, in a process of its own. Owns the
 * wiring, the order of start and end, and what is announced meanwhile.
 */
import { AgentHost, type SessionEnd } from '../agent/index.ts';
import { Core } from '../core/index.ts';
import { Announcer } from '../registry/index.ts';
import { NodeServer } from '../signaling/index.ts';
import { Occupancy } from './drain.ts';
import { NodeDrain } from './node-drain.ts';
import {
  certificateWarnings,
  demandBackboneAddress,
  demandCommonRegistry,
  demandFreeId,
  type NodeOptions,
  nodeIdentity,
  openParts,
} from './node-parts.ts';
import { controlAddresses, controlHost, coreRecord } from './node-records.ts';
import { DRAIN_SETTLE_MS, type RunningNode } from './running-node.ts';

/**
 * Leaves nothing behind when it fails.
 * @throws ERR_CONFIG_INVALID without a common registry, with an id that is in use or an address that nobody can reach;
 * as openRegistry, AgentHost.load, Core.start and NodeServer.start
 */
export async function startCoreNode(options: NodeOptions): Promise<RunningNode> {
  const { config, clock, workerBin } = options;
  demandCommonRegistry(config, 'core');
  demandBackboneAddress(config);
  const host = controlHost(config);
  const nodeId = config.node.id;
  const log = options.log.child({ nodeId });
  const stack = new AsyncDisposableStack();
  let end: SessionEnd = { code: 'node-shutdown', reason: 'The core could not start.' };
  try {
    const { registry, metrics, tracing } = await openParts(stack, { ...options, log });
    await demandFreeId({ registry, clock, log }, nodeId);
    const [identity, agents] = await Promise.all([
      nodeIdentity(stack, { ...options, log, metrics }, { nodeId, role: 'core' }),
      AgentHost.load({ config, clock, log: log.child({ part: 'agent' }), metrics, tracing }),
    ]);
    stack.defer(() => agents.close());
    const occupancy = new Occupancy();
    const core = await Core.start({
      ...{ config, nodeId, identity, agents, clock, metrics, workerBin },
      log: log.child({ part: 'core' }),
      onSessionCount: occupancy.changed,
    });
    stack.defer(() => core.close(end));
    const drain = new NodeDrain({
      occupancy,
      log,
      apply(draining) {
        if (draining) {
          server.beginDrain();
          core.beginDrain(config.limits.handOverMs);
        } else {
          core.endDrain();
          server.endDrain();
        }
      },
    });
    const control = { host, port: core.control.port, ...controlAddresses(config, core.control.port) };
    if (isLoopback(core.control.host) && !isLoopback(host)) {
      log.warn({ controlHost: core.control.host, announced: host }, 'only this machine reaches the control port');
    }
    const server: NodeServer = stack.use(
      await NodeServer.start({
        ...{ config, nodeId, clock, metrics, registry },
        door: 'accepting',
        drain,
        log: log.child({ part: 'http' }),
        readiness: async () => {
          const nodes = await registry.nodes();
          const parts = {
            agents: core.agents.length > 0,
            announced: nodes.some((node) => node.nodeId === nodeId),
          };
          return { ok: Object.values(parts).every(Boolean), parts, ...certificateWarnings(identity) };
        },
      }),
    );
    const node = { nodeId, config, registry, startedAt: clock.date().toISOString(), draining: () => drain.draining };
    const announcer = await Announcer.start({ registry, clock, log, record: coreRecord(node, core, control) });
    stack.defer(() => announcer.close());
    drain.announcedBy(announcer);
    stack.use(drain.follow(registry.orders, nodeId));
    log.info({ region: config.node.region, control, url: server.url }, 'the core is in the registry');

    const disposable = stack.move();
    let closing: Promise<void> | null = null;
    return {
      nodeId,
      url: server.url,
      notes: [
        `control ${control.host}:${control.port}, agents: ${core.agents.map(({ name }) => name).join(', ')}`,
        ...core.agents.flatMap(({ name, notices }) => notices.map(({ text }) => `${name}: ${text}`)),
      ],
      drain(signal) {
        const { drainTimeoutMs: timeoutMs } = config.limits;
        return drain.stop({ settleMs: DRAIN_SETTLE_MS, timeoutMs, clock, signal });
      },
      close(reason) {
        end = reason;
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

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host.startsWith('127.');
}
