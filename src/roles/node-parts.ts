/**
 * What a node of any role has: metrics, the registry, tracing, a policy, an identity, and an id that is its own. Owns
 * their opening and, by the stack that is given, their closing.
 */
import { identityOfDevelopment, identityOfFiles, type LiveIdentity, type NodeRole } from '../backbone/index.ts';
import type { Clock } from '../clock.ts';
import { backboneWays, type Config } from '../config/index.ts';
import { AntipodeError } from '../errors.ts';
import { DEFAULT_POLICY, fixedPolicy, PolicyFile, type PolicySource } from '../placement/index.ts';
import { openRegistry, type Registry } from '../registry/index.ts';
import {
  createMetrics,
  type Logger,
  type Registry as Metrics,
  startTracing,
  type Tracing,
} from '../telemetry/index.ts';

export interface NodeOptions {
  config: Config;
  clock: Clock;
  log: Logger;
  /** mediasoup worker binary; mediasoup's own choice when absent. */
  workerBin?: string;
}

export interface NodeParts {
  readonly metrics: Metrics;
  readonly registry: Registry;
  /** Null where no collector is configured. */
  readonly tracing: Tracing | null;
}

/** Renewal should have come by then. */
const CERTIFICATE_ENDS_SOON_SECONDS = 24 * 60 * 60;
/** The dead node's lease (1.5 s) and a reading of it: whoever has our id for longer is alive. */
const FORMER_SELF_MS = 2_500;

/** @throws as openRegistry and startTracing */
export async function openParts(stack: AsyncDisposableStack, options: NodeOptions): Promise<NodeParts> {
  const { config, clock, log } = options;
  const metrics = createMetrics({ processMetrics: true });
  const registry = stack.use(await openRegistry({ config, clock, log: log.child({ part: 'registry' }), metrics }));
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
  return { metrics, registry, tracing };
}

/** The policy in force: that of the file, which is followed, or the defaults. @throws ERR_CONFIG_INVALID */
export function openPolicy(
  stack: AsyncDisposableStack,
  { config, clock, log }: NodeOptions,
  services: readonly string[],
): PolicySource {
  const { policyFile: path } = config.placement;
  if (path === null) return fixedPolicy(DEFAULT_POLICY, clock);
  return stack.use(PolicyFile.open({ path, services: [...services], clock, log: log.child({ part: 'placement' }) }));
}

/** A node of its own finds others through the registry, so that must be a common one. @throws ERR_CONFIG_INVALID */
export function demandCommonRegistry(config: Config, role: string): void {
  if (config.registry.kind !== 'memory') return;
  throw new AntipodeError(
    'ERR_CONFIG_INVALID',
    `registry.kind: antipode ${role} finds other nodes through a common registry, and "memory" is of one process only. ` +
      'Set registry.kind: redis and registry.url (ANTIPODE_REGISTRY=redis, ANTIPODE_REDIS_URL=redis://...), or run ' +
      'everything in one process by antipode dev.',
    { path: 'registry.kind' },
  );
}

/** Media pipes that listen on every address must be announced by one. @throws ERR_CONFIG_INVALID */
export function demandBackboneAddress({ backbone }: Config): void {
  const ways = backboneWays(backbone);
  if (ways.every(({ listenIp, announcedAddress }) => !isEveryAddress(announcedAddress ?? listenIp))) return;
  throw new AntipodeError(
    'ERR_CONFIG_INVALID',
    `backbone.listenIp: ${backbone.listenIp} is every address of this machine; say by backbone.announcedAddress which ` +
      'one other nodes use.',
    { path: 'backbone.announcedAddress' },
  );
}

export function isEveryAddress(host: string): boolean {
  return host === '0.0.0.0' || host === '::';
}

/**
 * From the configured files, else of the development CA; renewed while the node runs.
 * @throws ERR_CONFIG_INVALID | ERR_STATE_DIR
 */
export async function nodeIdentity(
  stack: AsyncDisposableStack,
  { config, clock, log, metrics }: NodeOptions & { metrics: Metrics },
  node: { nodeId: string; role: NodeRole },
): Promise<LiveIdentity> {
  const { tls } = config.backbone;
  const options = { node, clock, log: log.child({ part: 'backbone' }), metrics };
  const renewed = await (tls === null
    ? identityOfDevelopment(config.stateDir, options)
    : identityOfFiles(tls, options));
  return stack.use(renewed).identity;
}

/** What an operator must know of a certificate that works still. */
export function certificateWarnings({ status, secondsLeft }: Pick<LiveIdentity, 'status' | 'secondsLeft'>): {
  warnings?: Record<string, string>;
} {
  const { refused, endsAt } = status;
  if (refused !== null) return { warnings: { certificate: `a new one was refused: ${refused}` } };
  if (secondsLeft < CERTIFICATE_ENDS_SOON_SECONDS)
    return { warnings: { certificate: `ends at ${endsAt.toISOString()}` } };
  return {};
}

/**
 * Waits for the lease of a dead node of this id, which is perhaps this one before it was started again.
 * @throws ERR_CONFIG_INVALID when that node is alive, as registry.nodes
 */
export async function demandFreeId(
  { registry, clock, log }: { registry: Registry; clock: Clock; log: Logger },
  nodeId: string,
): Promise<void> {
  const known = (await registry.nodes()).find((node) => node.nodeId === nodeId);
  if (known === undefined) return;
  log.info({ role: known.role, startedAt: known.startedAt }, 'the registry has a node of this id; waiting for its end');
  const { role, region } = known;
  const words =
    `node.id: another node, a ${role} in ${region}, is called "${nodeId}" and is alive. ` +
    'Give each node an id of its own (ANTIPODE_NODE_ID).';
  const left = Promise.withResolvers<void>();
  using _watching = registry.watch((change) => {
    if (change.kind === 'left' && change.node.nodeId === nodeId) left.resolve();
  });
  const timer = clock.setTimeout(() => {
    left.reject(new AntipodeError('ERR_CONFIG_INVALID', words, { path: 'node.id' }));
  }, FORMER_SELF_MS);
  try {
    await left.promise;
  } finally {
    timer.cancel();
  }
}
