/**
 * What a core has measured of its agents' turns: for each service at each address how long it took, seen from here, and
 * for each agent how often a turn goes to one. Owns what is kept and for how long; placement judges it.
 */
import type { LegSink, LegTime, TurnTrips } from '../agent/observe/index.ts';
import type { Clock } from '../clock.ts';
import type { MeasuredLegs, MeasuredService } from '../registry/index.ts';
import { DecayingDigest } from '../telemetry/index.ts';
import type { AgentStarter } from './agent-starter.ts';

export interface LegTimesOptions {
  clock: Clock;
  /** What was not seen for this long is forgotten. @defaultValue 3600000 */
  forgetAfterMs?: number;
  /** Services and agents that are kept, of each. @defaultValue 32 */
  maxKept?: number;
  /** What is told changes this often at the most: each change of a record goes to every node. @defaultValue 10000 */
  tellEveryMs?: number;
}

export const LEG_TIMES_DEFAULTS = { forgetAfterMs: 3_600_000, maxKept: 32, tellEveryMs: 10_000 } as const;

/** Ages are told anew after this, in units of `tellEveryMs`, though nothing else changed. */
const IDLE_TELLINGS = 6;

interface KeptService extends Pick<MeasuredService, 'kind' | 'service' | 'model' | 'region'> {
  readonly times: DecayingDigest;
  readonly connects: DecayingDigest;
  atMs: number;
}

interface KeptAgent {
  turns: number;
  llm: number;
  tts: number;
  atMs: number;
}

/** A mean follows what changes: it is that of the last turns, about so many. */
const MAX_TURNS = 200;

export class LegTimes implements LegSink {
  readonly #clock: Clock;
  readonly #forgetAfterMs: number;
  readonly #maxKept: number;
  readonly #tellEveryMs: number;
  #told: { readonly measured: MeasuredLegs; readonly atMs: number } | null = null;
  #hasNews = false;
  /** Those that were seen last come last. */
  readonly #services = new Map<string, KeptService>();
  readonly #agents = new Map<string, KeptAgent>();

  constructor({ clock, ...options }: LegTimesOptions) {
    this.#clock = clock;
    this.#forgetAfterMs = options.forgetAfterMs ?? LEG_TIMES_DEFAULTS.forgetAfterMs;
    this.#maxKept = options.maxKept ?? LEG_TIMES_DEFAULTS.maxKept;
    this.#tellEveryMs = options.tellEveryMs ?? LEG_TIMES_DEFAULTS.tellEveryMs;
  }

  took({ kind, service, model, region, ms, connectMs, atMs }: LegTime): void {
    const key = JSON.stringify([kind, service, region, model]);
    const times = { times: new DecayingDigest(), connects: new DecayingDigest() };
    const kept = this.#services.get(key) ?? { kind, service, model, region, ...times, atMs };
    kept.times.add(ms, atMs);
    if (connectMs !== null) kept.connects.add(connectMs, atMs);
    kept.atMs = atMs;
    renew(this.#services, key, kept, this.#maxKept);
    this.#hasNews = true;
  }

  answered({ agent, llm, tts, atMs }: TurnTrips): void {
    const before = this.#agents.get(agent) ?? { turns: 0, llm: 0, tts: 0 };
    const turns = Math.min(MAX_TURNS, before.turns + 1);
    const mean = (old: number, value: number) => old + (value - old) / turns;
    const kept = { turns, llm: mean(before.llm, llm), tts: mean(before.tts, tts), atMs };
    renew(this.#agents, agent, kept, this.#maxKept);
    this.#hasNews = true;
  }

  /** For the node's record. */
  get measured(): MeasuredLegs {
    const nowMs = this.#clock.now();
    const waitMs = this.#tellEveryMs * (this.#hasNews ? 1 : IDLE_TELLINGS);
    if (this.#told === null || nowMs - this.#told.atMs >= waitMs) {
      this.#told = { measured: this.#read(nowMs), atMs: nowMs };
      this.#hasNews = false;
    }
    return this.#told.measured;
  }

  #read(nowMs: number): MeasuredLegs {
    forget(this.#services, nowMs - this.#forgetAfterMs);
    forget(this.#agents, nowMs - this.#forgetAfterMs);
    const services = [...this.#services.values()].flatMap(({ times, connects, atMs, ...of }): MeasuredService[] => {
      const reading = times.read(nowMs);
      if (reading === null) return [];
      const { p50, p95, count } = reading;
      const connectMs = connects.read(nowMs)?.p50 ?? null;
      const figures = { p50Ms: tenth(p50), p95Ms: tenth(p95), count: tenth(count), ageMs: ageOf(atMs, nowMs) };
      return [{ ...of, ...figures, connectMs: connectMs === null ? null : tenth(connectMs) }];
    });
    const turns = [...this.#agents].map(([agent, { turns: count, llm, tts, atMs }]) => ({
      agent,
      turns: count,
      ageMs: ageOf(atMs, nowMs),
      k: { llm: hundredth(llm), tts: hundredth(tts) },
    }));
    return { services, turns };
  }
}

/** These agents, their legs timed into `sink`. */
export function timed(agents: AgentStarter, sink: LegSink): AgentStarter {
  return {
    get agents() {
      return agents.agents;
    },
    start: (name, call) => agents.start(name, { ...call, legs: sink }),
  };
}

/** As the newest; what was seen longest ago makes room. */
function renew<V>(map: Map<string, V>, key: string, value: V, most: number): void {
  map.delete(key);
  map.set(key, value);
  if (map.size > most) map.delete(map.keys().next().value!);
}

function forget(map: Map<string, { readonly atMs: number }>, beforeMs: number): void {
  for (const [key, { atMs }] of map) if (atMs < beforeMs) map.delete(key);
}

function ageOf(atMs: number, nowMs: number): number {
  return Math.max(0, Math.round(nowMs - atMs));
}

function tenth(value: number): number {
  return Math.round(value * 10) / 10;
}

function hundredth(value: number): number {
  return Math.round(value * 100) / 100;
}
