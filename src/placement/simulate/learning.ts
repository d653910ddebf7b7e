/**
 * A planner that learns what services take from its own calls, as a running fleet does: each core times the legs of its
 * turns, records tell it, and placement makes of it what it makes of any record. Nobody times what no call has used.
 */
import { DecayingDigest } from '../../telemetry/index.ts';
import type { AiEndpoint } from '../endpoint.ts';
import { MeasuredServices } from '../measured-services.ts';
import type { LegChoice } from '../plan-types.ts';
import type { Regions } from '../regions.ts';
import type { Knowledge } from './knowledge.ts';
import type { Truth } from './truth.ts';

/** Turns of a call, and how far apart calls begin, anywhere in the world. Set before the first run. */
export const LEARNING = { turns: 6, betweenCallsMs: 3_600, warmUpCalls: 1_000, tellEveryCalls: 10 } as const;

export interface LearningOptions {
  truth: Truth;
  knowledge: Knowledge;
  regions: Regions;
  /** As they are published. */
  endpoints: readonly AiEndpoint[];
  ttlMs: number;
}

interface Timed {
  readonly core: string;
  readonly endpoint: AiEndpoint;
  readonly digest: DecayingDigest;
  atMs: number;
}

export class Learning {
  readonly #options: LearningOptions;
  readonly #timed = new Map<string, Timed>();
  readonly #services = new MeasuredServices({ onJudged: () => {} });
  #nowMs = 0;
  #calls = 0;

  constructor(options: LearningOptions) {
    this.#options = options;
  }

  /** A call was served there. Answers whether something new is known after it. */
  called(call: number, core: string, choices: readonly LegChoice[]): boolean {
    const { truth } = this.#options;
    const place = truth.indexOf(core);
    this.#nowMs += LEARNING.betweenCallsMs;
    for (const { leg, endpoint } of choices) {
      const timed = this.#timedOf(core, endpoint);
      for (let trip = 0; trip < LEARNING.turns * leg.k; trip++) {
        timed.digest.add(truth.tripMs(call, place, endpoint, trip), this.#nowMs);
      }
      timed.atMs = this.#nowMs;
    }
    this.#calls += 1;
    if (this.#calls % LEARNING.tellEveryCalls !== 0) return false;
    this.#tell();
    return true;
  }

  #timedOf(core: string, endpoint: AiEndpoint): Timed {
    const key = `${core} ${endpoint.kind} ${endpoint.id}`;
    const timed = this.#timed.get(key) ?? { core, endpoint, digest: new DecayingDigest(), atMs: 0 };
    this.#timed.set(key, timed);
    return timed;
  }

  #tell(): void {
    const { knowledge, regions, endpoints, ttlMs } = this.#options;
    const nowMs = this.#nowMs;
    const cores = [...Map.groupBy(this.#timed.values(), ({ core }) => core)];
    const records = cores.map(([core, all]) => ({
      nodeId: `core-${core}`,
      region: core,
      measured: { turns: [], services: all.flatMap((timed) => toldOf(timed, nowMs)) },
    }));
    this.#services.take(records, nowMs);
    knowledge.learn(this.#services.apply(endpoints, { regions, paths: knowledge.paths, nowMs, ttlMs }));
  }
}

function toldOf({ endpoint, digest, atMs }: Timed, nowMs: number) {
  const reading = digest.read(nowMs);
  if (reading === null || endpoint.kind === 'tool') return [];
  const { kind, service, region } = endpoint;
  const figures = { p50Ms: reading.p50, p95Ms: reading.p95, count: reading.count, ageMs: nowMs - atMs };
  return [{ kind, service, region, model: null, ...figures, connectMs: null }];
}
