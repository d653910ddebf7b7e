/**
 * `antipode edge`: a POP in a process of its own: signaling, the callers' media, placement by the last known world.
 * Cores are those that the registry tells; the edge dials one when it is first given a session there and keeps the
 * channel. Owns the wiring, the order of start and end, and what is announced meanwhile.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { SessionEnd } from '../agent/index.ts';
import { loadCatalogue } from '../agent/services/catalogue/index.ts';
import { announcedStores } from '../config/index.ts';
import { Edge } from '../edge/index.ts';
import { endpointsInUse, serviceNames } from '../placement-endpoints.ts';
import { Announcer } from '../registry/index.ts';
import { loadTokenSecret, SignalingServer } from '../signaling/index.ts';
import { CallersAway } from './callers-away.ts';
import { Occupancy } from './drain.ts';
import { NodeDrain } from './node-drain.ts';
import {
  certificateWarnings,
  demandBackboneAddress,
  demandCommonRegistry,
  demandFreeId,
  isEveryAddress,
  type NodeOptions,
  nodeIdentity,
  openParts,
  openPolicy,
} from './node-parts.ts';
import { popRecord } from './node-records.ts';
import { DRAIN_SETTLE_MS, type RunningNode } from './running-node.ts';
import { toldPaths } from './told-paths.ts';

export interface EdgeNodeOptions extends NodeOptions {
  /** Folder of the built page; served where it is there. */
  pageDir: string;
}

/**
 * Leaves nothing behind when it fails.
 * @throws ERR_CONFIG_INVALID without a common registry or with an id that is in use; as openRegistry, Edge.start,
 * loadTokenSecret and SignalingServer.start
 */
export async function startEdgeNode(options: EdgeNodeOptions): Promise<RunningNode> {
  const { config, clock, workerBin } = options;
  demandCommonRegistry(config, 'edge');
  demandBackboneAddress(config);
  const { id: nodeId, region } = config.node;
  const log = options.log.child({ nodeId });
  const stack = new AsyncDisposableStack();
  let end: SessionEnd = { code: 'node-shutdown', reason: 'The POP could not start.' };
  try {
    const { registry, metrics } = await openParts(stack, { ...options, log });
    await demandFreeId({ registry, clock, log }, nodeId);
    const [identity, tokenSecret] = await Promise.all([
      nodeIdentity(stack, { ...options, log, metrics }, { nodeId, role: 'pop' }),
      loadTokenSecret(config),
    ]);
    const edge = await Edge.start({
      ...{ config, nodeId, identity, clock, metrics, workerBin },
      log: log.child({ part: 'pop' }),
    });
    stack.defer(() => edge.close(end));
    const catalogue = loadCatalogue();
    const occupancy = new Occupancy();
    const drain = new NodeDrain({
      occupancy,
      log,
      apply(draining) {
        if (draining) {
          signaling.beginDrain();
          away.begin();
        } else {
          away.end();
          signaling.endDrain();
        }
      },
    });
    const signaling: SignalingServer = await SignalingServer.start({
      ...{ config, nodeId, region, edge, registry, clock, metrics, tokenSecret },
      stores: announcedStores(config),
      policy: openPolicy(stack, { ...options, log }, serviceNames(catalogue)),
      endpoints: endpointsInUse(config.services, catalogue, process.env),
      log: log.child({ part: 'signaling' }),
      pageDir: existsSync(join(options.pageDir, 'index.html')) ? options.pageDir : null,
      onSessionCount: occupancy.changed,
      drain,
      readiness: async () => {
        const nodes = await registry.nodes();
        const parts = {
          core: nodes.some((node) => node.role === 'core' && !node.draining),
          announced: nodes.some((node) => node.nodeId === nodeId),
          accepting: !drain.draining,
        };
        return { ok: Object.values(parts).every(Boolean), parts, ...certificateWarnings(identity) };
      },
    });
    stack.defer(() => signaling.close(end));
    const away = new CallersAway({ signaling, withinMs: config.limits.handOverMs, clock, log });
    stack.defer(() => away.end());
    const node = { nodeId, config, registry, startedAt: clock.date().toISOString(), draining: () => drain.draining };
    const paths = toldPaths({ edge, clock });
    const record = popRecord(node, signaling.url, { sessions: () => edge.callCount, paths });
    const announcer = await Announcer.start({ registry, clock, log, record });
    stack.defer(() => announcer.close());
    drain.announcedBy(announcer);
    stack.use(drain.follow(registry.orders, nodeId));
    log.info({ region, url: signaling.url }, 'the POP is in the registry');

    const disposable = stack.move();
    let closing: Promise<void> | null = null;
    return {
      nodeId,
      url: signaling.url,
      notes: doorNotes(config),
      drain(signal) {
        const { drainTimeoutMs: timeoutMs } = config.limits;
        return drain.stop({ settleMs: DRAIN_SETTLE_MS, timeoutMs, clock, signal });
      },
      close(reason) {
        end = reason;
        signaling.beginShutdown();
        edge.beginShutdown();
        closing ??= disposable.disposeAsync();
        return closing;
      },
    };
  } catch (error) {
    await stack.disposeAsync();
    throw error;
  }
}

function doorNotes({ auth, http }: NodeOptions['config']): string[] {
  const { apiKeys, openAgents } = auth;
  const notes: string[] = [];
  if (openAgents.length > 0) notes.push(`open to anyone without an API key: ${openAgents.join(', ')}`);
  else if (apiKeys.length === 0) {
    notes.push('nobody can call: there is neither an API key (auth.apiKeys) nor an open agent (auth.openAgents)');
  }
  if (isEveryAddress(http.host) && http.publicUrl === null) {
    notes.push('callers and other POPs are told localhost: set http.publicUrl to the URL that callers use');
  }
  return notes;
}
