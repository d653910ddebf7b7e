/** The agents that some core runs, as the registry's records tell them. */
import type { NodeRecord } from '../registry/index.ts';

/** Names, sorted. */
export function knownAgents(nodes: readonly NodeRecord[]): string[] {
  const names = nodes.filter(({ role }) => role === 'core').flatMap(({ agents }) => agents.map(({ name }) => name));
  return [...new Set(names)].sort();
}
