/**
 * `antipode placement`: placement over HTTP in a process of its own, for backends that ask where a session should run
 * before they create it. Keeps nothing that another such process would need: nodes are the registry's, and who creates a
 * session decides anew. Owns the wiring, and announces nothing.
 */
import type { SessionEnd } from '../agent/index.ts';
import { loadCatalogue } from '../agent/services/catalogue/index.ts';
import { CallerPlaces, PlacementService } from '../placement/index.ts';
import { endpointsInUse, serviceNames } from '../placement-endpoints.ts';
import { NodeServer } from '../signaling/index.ts';
import { drain, Occupancy } from './drain.ts';
import { demandCommonRegistry, type NodeOptions, openParts, openPolicy } from './node-parts.ts';
import { DRAIN_SETTLE_MS, type RunningNode } from './running-node.ts';

/**
 * Leaves nothing behind when it fails.
 * @throws ERR_CONFIG_INVALID without a common registry; as openRegistry, PolicyFile.open and NodeServer.start
 */
export async function startPlacementNode(options: NodeOptions): Promise<RunningNode> {
  const { config, clock } = options;
  demandCommonRegistry(config, 'placement');
  const { id: nodeId, region } = config.node;
  const log = options.log.child({ nodeId });
  const stack = new AsyncDisposableStack();
  try {
    const { registry, metrics } = await openParts(stack, { ...options, log });
    const catalogue = loadCatalogue();
    const policy = openPolicy(stack, { ...options, log }, serviceNames(catalogue));
    const places = new CallerPlaces({ clock });
    stack.defer(() => places.close());
    places.load();
    const service = stack.use(
      new PlacementService({
        ...{ registry, policy, clock, metrics },
        pop: { nodeId, region },
        isPop: false,
        popCapacity: 0,
        endpoints: endpointsInUse(config.services, catalogue, process.env),
        log: log.child({ part: 'placement' }),
        reservationTtlMs: config.placement.reservationSeconds * 1_000,
      }),
    );
    const server = stack.use(
      await NodeServer.start({
        ...{ config, nodeId, clock, metrics, registry },
        door: 'accepting',
        placement: { service, places, registry },
        log: log.child({ part: 'http' }),
        readiness: async () => {
          const nodes = await registry.nodes();
          const parts = {
            core: nodes.some((node) => node.role === 'core' && !node.draining),
            pop: nodes.some((node) => node.role === 'pop' && !node.draining),
          };
          return { ok: Object.values(parts).every(Boolean), parts };
        },
      }),
    );
    log.info({ region, url: server.url }, 'placement is listening');

    const disposable = stack.move();
    let closing: Promise<void> | null = null;
    return {
      nodeId,
      url: server.url,
      notes:
        config.auth.apiKeys.length > 0 ? [] : ['POST /v1/placements needs an API key (auth.apiKeys); there is none'],
      drain(signal) {
        server.beginDrain();
        // It has no sessions: what is waited for is that load balancers see that it goes.
        const { drainTimeoutMs: timeoutMs } = config.limits;
        return drain({ occupancy: new Occupancy(), settleMs: DRAIN_SETTLE_MS, timeoutMs, clock, log, signal });
      },
      close(_end: SessionEnd) {
        closing ??= disposable.disposeAsync();
        return closing;
      },
    };
  } catch (error) {
    await stack.disposeAsync();
    throw error;
  }
}
