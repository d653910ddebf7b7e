/**
 * The service times that cores' records tell, as they were told: by node, each with its age. Cheap to read again, for
 * most of what thousands of records tell has not changed. Owns the memory and who makes room; believes nothing.
 */
import type { MeasuredService, NodeRecord } from '../registry/index.ts';

/** A core's record, as far as it matters here. */
export type MeasuringNode = Pick<NodeRecord, 'nodeId' | 'region' | 'measured'>;

/** One figure of one core. */
export interface ToldService {
  /** `kind service@region` of the endpoint. */
  readonly endpoint: string;
  /** Region of the core. */
  readonly core: string;
  readonly told: MeasuredService;
  /** When its newest request was, by the clock of whoever keeps it. */
  readonly atMs: number;
  /** Whether somebody has judged it. */
  judged: boolean;
}

interface ToldNode {
  readonly core: string;
  readonly told: readonly MeasuredService[];
  readonly figures: readonly ToldService[];
}

/** Beyond these the nodes that told something new longest ago make room. */
const MAX_NODES = 20_000;
const NOTHING: readonly MeasuredService[] = [];

export class ToldServices {
  readonly #nodes = new Map<string, ToldNode>();

  /** Take in what the records tell that were read at `readAtMs`. What a core that is gone has told stays. */
  take(nodes: readonly MeasuringNode[], readAtMs: number): void {
    for (const { nodeId, region, measured } of nodes) {
      const told = measured?.services ?? NOTHING;
      const known = this.#nodes.get(nodeId);
      if (known === undefined ? told.length === 0 : isSameList(known.told, told) && known.core === region) continue;
      const before = known?.core === region ? known.figures : [];
      const figures = told.map((each) => figureOf(each, region, readAtMs, before));
      const left = before.filter((old) => !told.some((each) => isOfSame(old.told, each)));
      this.#nodes.delete(nodeId);
      this.#nodes.set(nodeId, { core: region, told, figures: [...figures, ...left] });
    }
    for (const nodeId of this.#nodes.keys()) {
      if (this.#nodes.size <= MAX_NODES) break;
      this.#nodes.delete(nodeId);
    }
  }

  /** All that were told of requests since then; older ones are forgotten. */
  since(oldestMs: number): ToldService[] {
    const all: ToldService[] = [];
    for (const [nodeId, node] of this.#nodes) {
      const young = node.figures.filter(({ atMs }) => atMs >= oldestMs);
      if (young.length === 0) this.#nodes.delete(nodeId);
      else if (young.length < node.figures.length) this.#nodes.set(nodeId, { ...node, figures: young });
      for (const figure of young) all.push(figure);
    }
    return all;
  }
}

/** Told again with the same age: its age is that of when it was told first. */
function figureOf(told: MeasuredService, core: string, readAtMs: number, before: readonly ToldService[]): ToldService {
  const known = before.find((old) => isSame(old.told, told));
  if (known !== undefined) return known;
  const endpoint = `${told.kind} ${told.service}@${told.region ?? 'own'}`;
  return { endpoint, core, told, atMs: readAtMs - told.ageMs, judged: false };
}

function isSameList(a: readonly MeasuredService[], b: readonly MeasuredService[]): boolean {
  return a.length === b.length && a.every((each, index) => isSame(each, b[index]!));
}

function isSame(a: MeasuredService, b: MeasuredService): boolean {
  return (
    Object.is(a.p50Ms, b.p50Ms) &&
    Object.is(a.p95Ms, b.p95Ms) &&
    a.count === b.count &&
    a.ageMs === b.ageMs &&
    a.connectMs === b.connectMs &&
    isOfSame(a, b)
  );
}

function isOfSame(a: MeasuredService, b: MeasuredService): boolean {
  return a.kind === b.kind && a.service === b.service && a.region === b.region && a.model === b.model;
}
