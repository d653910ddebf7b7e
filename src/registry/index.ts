/** Public face of the registry. */
export { Announcer, type AnnouncerOptions } from './announcer.ts';
export { MemoryRegistry, type MemoryRegistryOptions } from './memory.ts';
export {
  type AgentDescription,
  agentDescriptionSchema,
  type NodeRecord,
  nodeRecordSchema,
  type Registry,
  type SessionRecord,
  sessionRecordSchema,
} from './registry.ts';
