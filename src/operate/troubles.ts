/**
 * What is not well with a zone, in words: of each trouble what it is and what it means for calls. Owns the judgement; a
 * pure function of what is known.
 */
import { z } from 'zod';
import type { ClusterView, LostNode, NodeView, PathView } from './cluster-view.ts';
import { durationText } from './duration.ts';

export const troubleSchema = z.object({
  /** `error`: calls fail or may; `warning`: look at it; `note`: as somebody wants it, but not as always. */
  level: z.enum(['error', 'warning', 'note']),
  /** A node's id, `registry`, `path POP CORE` or `zone`. */
  about: z.string(),
  text: z.string(),
});
export type Trouble = z.infer<typeof troubleSchema>;

/** Later than this at p99, a core is strained: the default of core.admission.latenessTargetMs. */
const LATE_MS = 10;
/** Nodes announce themselves every half second; a lease is three of these. */
const OVERDUE_MS = 1_000;
const LOSSY = 0.02;

const ORDER = { error: 0, warning: 1, note: 2 } as const;

type Facts = Pick<ClusterView, 'registry' | 'nodes' | 'lost' | 'paths'>;

/** Errors first. */
export function troublesOf(facts: Facts): Trouble[] {
  const { nodes, lost, paths, registry } = facts;
  const found = [
    ...registryTroubles(registry),
    ...zoneTroubles(nodes),
    ...lost.map(lostTrouble),
    ...nodes.flatMap((node) => nodeTroubles(node, registry.connected)),
    ...agentTroubles(nodes),
    ...versionTroubles(nodes),
    ...paths.flatMap(pathTroubles),
  ];
  return found.sort((a, b) => ORDER[a.level] - ORDER[b.level]);
}

function registryTroubles({ connected, staleMs }: Facts['registry']): Trouble[] {
  if (connected) return [];
  const since = Number.isFinite(staleMs) ? `for ${durationText(staleMs)}` : 'yet';
  const text = `The registry has not answered ${since}: these are the nodes that were last known. Running calls go on.`;
  return [{ level: 'error', about: 'registry', text }];
}

function zoneTroubles(nodes: readonly NodeView[]): Trouble[] {
  const error = (text: string): Trouble => ({ level: 'error', about: 'zone', text });
  const [pops, cores] = (['pop', 'core'] as const).map((role) => nodes.filter((node) => node.role === role));
  const troubles: Trouble[] = [];
  if (pops!.length === 0) troubles.push(error('There is no POP: nobody can call.'));
  else if (pops!.every(({ draining }) => draining)) troubles.push(error('Every POP drains: nobody can call anew.'));
  if (cores!.length === 0) troubles.push(error('There is no core: no call is answered.'));
  else if (cores!.every(({ draining }) => draining)) {
    troubles.push(error('Every core drains: no new call is answered, and no call can move.'));
  } else if (cores!.every((core) => core.draining || isFull(core))) {
    troubles.push(error('Every core is full: new calls are refused.'));
  }
  return troubles;
}

function lostTrouble({ nodeId, role, region, sessions, draining, lostMs }: LostNode): Trouble {
  const when = `${durationText(lostMs)} ago`;
  const had = sessions === 0 ? 'without sessions' : `with ${sessions} session${sessions === 1 ? '' : 's'}`;
  if (draining) {
    return {
      level: 'warning',
      about: nodeId,
      text: `${nodeId} (${role}, ${region}) vanished ${when} as it drained, ${had}.`,
    };
  }
  const then = role === 'core' ? 'other cores take its calls over' : 'its callers come back by other POPs or are lost';
  return { level: 'error', about: nodeId, text: `${nodeId} (${role}, ${region}) vanished ${when}, ${had}: ${then}.` };
}

function nodeTroubles(node: NodeView, registryConnected: boolean): Trouble[] {
  const { nodeId, role, sessions, limit, latenessMs, draining, agents, ageMs, signalingUrl } = node;
  const of = (level: Trouble['level'], text: string): Trouble => ({ level, about: nodeId, text: `${nodeId} ${text}` });
  const troubles: Trouble[] = [];
  if (role === 'core' && agents.length === 0) troubles.push(of('error', 'has no agents: it can take no call.'));
  if (role === 'pop' && signalingUrl === null) troubles.push(of('error', 'tells no address: no caller finds it.'));
  if (draining) troubles.push(of('note', `drains: ${sessions} session${sessions === 1 ? ' is' : 's are'} left.`));
  else if (isFull(node)) troubles.push(of('warning', `is full (${sessions} of ${limit}): new calls go elsewhere.`));
  if (latenessMs !== null && latenessMs > LATE_MS) {
    troubles.push(
      of('warning', `is late: its 20 ms ticker by ${latenessMs.toFixed(0)} ms at p99; voices may stutter.`),
    );
  }
  if (registryConnected && ageMs > OVERDUE_MS) {
    troubles.push(of('warning', `has not announced itself for ${durationText(ageMs)}.`));
  }
  return troubles;
}

/** An agent that one of several cores has alone: if that one goes, its calls have nowhere to go on. */
function agentTroubles(nodes: readonly NodeView[]): Trouble[] {
  const cores = nodes.filter(({ role, draining }) => role === 'core' && !draining);
  if (cores.length < 2) return [];
  return cores.flatMap((core) => {
    const alone = core.agents.filter((agent) =>
      cores.every((other) => other === core || !other.agents.includes(agent)),
    );
    if (alone.length === 0) return [];
    const text = `${core.nodeId} alone has ${alone.join(', ')}: no other core could take those calls.`;
    return [{ level: 'warning' as const, about: core.nodeId, text }];
  });
}

function versionTroubles(nodes: readonly NodeView[]): Trouble[] {
  const versions = [...new Set(nodes.map(({ version }) => version ?? 'one that does not tell'))].sort();
  if (versions.length < 2) return [];
  return [{ level: 'note', about: 'zone', text: `The nodes run different versions: ${versions.join(', ')}.` }];
}

function pathTroubles({ pop, core, loss }: PathView): Trouble[] {
  if (loss === null || loss <= LOSSY) return [];
  const text = `The path from ${pop} to ${core} loses ${(100 * loss).toFixed(1)} % of the packets.`;
  return [{ level: 'warning', about: `path ${pop} ${core}`, text }];
}

function isFull({ sessions, limit, reserved }: NodeView): boolean {
  return sessions >= limit - reserved;
}
