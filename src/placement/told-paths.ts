/**
 * The paths that POPs' records tell, between regions: of several POPs of a region the one in the middle counts. Owns the
 * memory of what was told; believes nothing, and knows no other source.
 */
import type { NodeRecord } from '../registry/index.ts';
import type { PathMeasurement } from './paths.ts';

/** A record, as far as it matters here. */
export type TellingNode = Pick<NodeRecord, 'nodeId' | 'role' | 'region' | 'paths'>;

interface Told {
  readonly telling: number;
  readonly measurements: readonly PathMeasurement[];
}

/** Beyond these the POPs that told something new longest ago make room. */
const MAX_NODES = 20_000;

export class ToldPaths {
  readonly #byNode = new Map<string, Told>();

  /**
   * Takes in what the records tell that were read at `readAtMs`, and answers with the paths of which something new was
   * told. What a POP that is gone has told counts until it is too old.
   * @param own the POP whose own measurements come by a shorter way; null: none
   */
  take(nodes: readonly TellingNode[], readAtMs: number, ttlMs: number, own: string | null): PathMeasurement[] {
    const regions = new Map(nodes.flatMap((node) => (node.role === 'core' ? [[node.nodeId, node.region]] : [])));
    const news = new Set<string>();
    for (const { nodeId, role, region: from, paths } of nodes) {
      if (role !== 'pop' || paths === undefined || nodeId === own) continue;
      if (this.#byNode.get(nodeId)?.telling === paths.telling) continue;
      const measurements = paths.ways.map(({ core, region, p50Ms, p95Ms, jitterMs, loss, ageMs }): PathMeasurement => {
        const to = regions.get(core) ?? region;
        return { from, to, p50: p50Ms, p95: Math.max(p50Ms, p95Ms), jitterMs, loss, atMs: readAtMs - ageMs };
      });
      this.#byNode.delete(nodeId);
      this.#byNode.set(nodeId, { telling: paths.telling, measurements });
      for (const { to } of measurements) news.add(pair(from, to));
    }
    for (const nodeId of this.#byNode.keys()) {
      if (this.#byNode.size <= MAX_NODES) break;
      this.#byNode.delete(nodeId);
    }
    return news.size === 0 ? [] : this.#middles(news, readAtMs - ttlMs);
  }

  #middles(wanted: ReadonlySet<string>, oldestMs: number): PathMeasurement[] {
    const byPair = new Map<string, PathMeasurement[]>();
    for (const { measurements } of this.#byNode.values()) {
      for (const each of measurements) {
        const name = pair(each.from, each.to);
        if (!wanted.has(name) || each.atMs < oldestMs) continue;
        const others = byPair.get(name);
        if (others) others.push(each);
        else byPair.set(name, [each]);
      }
    }
    return [...byPair.values()].map((all) => {
      const newestMs = Math.max(...all.map(({ atMs }) => atMs));
      const middle = all.toSorted((a, b) => a.p50 - b.p50)[Math.floor((all.length - 1) / 2)]!;
      return { ...middle, atMs: newestMs };
    });
  }
}

function pair(from: string, to: string): string {
  return `${from} ${to}`;
}
