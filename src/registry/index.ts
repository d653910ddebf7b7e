/** Public face of the registry. */
export { Announcer, type AnnouncerOptions, NODE_LEASE_MS } from './announcer.ts';
export {
  type HeldHome,
  type RenewOutcome,
  type SessionDirectory,
  type SessionHome,
  sessionHomeSchema,
} from './directory.ts';
export { HomeKeeper, type HomeKeeperEvents, type HomeKeeperOptions } from './home-keeper.ts';
export { type MeasuredLegs, type MeasuredService, type MeasuredTurns, measuredLegsSchema } from './measured-legs.ts';
export { MAX_TOLD_PATHS, type MeasuredPath, type MeasuredPaths, measuredPathsSchema } from './measured-paths.ts';
export { MemoryRegistry, type MemoryRegistryOptions } from './memory.ts';
export { type NodeStores, nodeStoresSchema, STORE_KINDS, type StoreKind, storesOf } from './node-stores.ts';
export { type OpenRegistryOptions, openRegistry } from './open.ts';
export type { NodeOrder, NodeOrders } from './orders.ts';
export { RedisRegistry, type RedisRegistryOptions } from './redis/redis-registry.ts';
export { type RedisSettings, redisSettings } from './redis/settings.ts';
export {
  type AgentDescription,
  agentDescriptionSchema,
  LOST_NODES_MS,
  type NodeChange,
  type NodePresence,
  type NodeRecord,
  type NodeSubscription,
  nodeRecordSchema,
  type Registry,
  type RegistryEvents,
  type RegistryState,
  type SessionRecord,
  sessionRecordSchema,
} from './registry.ts';
export { type RegistryMetrics, registryMetrics } from './registry-metrics.ts';
export {
  type HeldRoom,
  ROOM_LEASE,
  type RoomClaim,
  type RoomDirectory,
  type RoomHome,
  seatsOf,
} from './rooms.ts';
export { SESSION_PAGE_LIMIT, type SessionPage, type SessionQuery } from './session-list.ts';
