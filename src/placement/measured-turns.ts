/**
 * How often the turns of an agent really went to its models and voices, as cores counted it. Owns from when on, and
 * within which bounds, that takes the place of the agent's own word.
 */
import type { MeasuredTurns as ToldTurns } from '../registry/index.ts';
import type { MeasuringNode } from './told-services.ts';

/** From so many turns on. */
export const ENOUGH_TURNS = 20;
/** A mean below a quarter of the agent's word, or above four times it and this, is taken for that. */
const K_BOUNDS = { lowestShare: 0.25, highestShare: 4, highest: 8 } as const;

export interface AgentTurns {
  readonly turns: number;
  readonly ageMs: number;
  readonly k: { readonly llm: number; readonly tts: number };
}

interface Kept {
  readonly told: ToldTurns;
  readonly atMs: number;
}

export class MeasuredTurns {
  /** By agent, then by node. */
  readonly #kept = new Map<string, Map<string, Kept>>();

  /** Take in what the records tell that were read at `readAtMs`. */
  take(nodes: readonly MeasuringNode[], readAtMs: number): void {
    for (const { nodeId, measured } of nodes) {
      for (const told of measured?.turns ?? []) {
        const { agent, turns, ageMs, k } = told;
        if (![turns, ageMs, k.llm, k.tts].every((value) => Number.isFinite(value) && value >= 0)) continue;
        const byNode = this.#kept.get(agent) ?? new Map<string, Kept>();
        this.#kept.set(agent, byNode);
        const known = byNode.get(nodeId)?.told;
        if (known?.turns === turns && known.ageMs === ageMs && known.k.llm === k.llm && known.k.tts === k.tts) continue;
        byNode.set(nodeId, { told, atMs: readAtMs - ageMs });
      }
    }
  }

  /** Of all cores together; null before there are enough turns that are not too old. */
  of(agent: string, nowMs: number, ttlMs: number): AgentTurns | null {
    const byNode = this.#kept.get(agent);
    if (byNode === undefined) return null;
    for (const [nodeId, { atMs }] of byNode) if (nowMs - atMs > ttlMs) byNode.delete(nodeId);
    const kept = [...byNode.values()];
    const turns = kept.reduce((total, { told }) => total + told.turns, 0);
    if (turns < ENOUGH_TURNS) return null;
    const mean = (kind: 'llm' | 'tts') =>
      kept.reduce((total, { told }) => total + told.turns * told.k[kind], 0) / turns;
    const ageMs = Math.max(0, nowMs - Math.max(...kept.map(({ atMs }) => atMs)));
    return { turns, ageMs, k: { llm: mean('llm'), tts: mean('tts') } };
  }
}

/** A measured k, as far as it can be believed beside what the agent says. */
export function believedK(measured: number, said: number): number {
  const { lowestShare, highestShare, highest } = K_BOUNDS;
  return Math.min(Math.max(measured, said * lowestShare), Math.max(highest, said * highestShare));
}
