/** What a placement decision is made of and what it says: the shapes around `Plan`. */
import type { NodeStores } from '../registry/index.ts';
import type { AiEndpoint, EndpointKind } from './endpoint.ts';
import type { PathBook, PathEstimate, PathSource } from './paths.ts';
import type { Pin } from './pin.ts';
import type { Coordinates, Regions } from './regions.ts';

export interface PlanNode {
  readonly nodeId: string;
  readonly role: 'pop' | 'core';
  readonly region: string;
  /** Sessions that it holds or was promised, and how many it can hold. */
  readonly sessions: number;
  readonly capacity: number;
  /** Of the capacity, kept for sessions of high priority. @defaultValue 0 */
  readonly reserved?: number;
  /** Takes no new session: it drains, or tells nobody how to reach it. */
  readonly draining: boolean;
  /** As it is announced; POPs only. */
  readonly signalingUrl?: string;
  /** Names of the agents that it runs; cores only. */
  readonly agents: readonly string[];
  /** Where it keeps what it writes down of sessions; in its own region when absent. */
  readonly stores?: NodeStores | undefined;
}

export interface PlanWorld {
  readonly regions: Regions;
  readonly paths: PathBook;
  readonly nodes: readonly PlanNode[];
  readonly endpoints: readonly AiEndpoint[];
}

/** What a turn goes through: one kind of service, by any of these services. */
export interface PlanLeg {
  readonly kind: EndpointKind;
  /** In the order of preference of the agent; the fastest allowed one is chosen. */
  readonly services: readonly string[];
  /** Round trips per turn: the agent's own word, or the mean of measured turns. */
  readonly k: number;
  /** Of a measured k: turns behind it, the age of the newest in ms, and the agent's own word. */
  readonly measured?: { readonly turns: number; readonly ageMs: number; readonly said: number };
}

export interface PlanRequest {
  readonly agent: string;
  readonly legs: readonly PlanLeg[];
  readonly pins: readonly Pin[];
  readonly caller: {
    readonly country: string | null;
    readonly place: Coordinates | null;
    /** POP region -> measured round trip, ms; wins over the place. */
    readonly probes?: ReadonlyMap<string, number>;
  };
  /** The POP that the caller has come in by; null to choose one. */
  readonly pop: { readonly nodeId: string; readonly region: string } | null;
  /** Where the session runs now; at its node it has a slot, however full that is. */
  readonly current?: { readonly coreRegion: string; readonly coreNode?: string } | null;
  readonly excludedCores?: readonly string[];
  /**
   * High: it may use the slots that cores keep for such sessions. A take-over: its caller is speaking already, and cores
   * take it beyond the sessions that they announce. @defaultValue normal
   */
  readonly priority?: 'normal' | 'high' | 'take-over';
  /** 0..1, the same for the same session: who is in a canary's share. */
  readonly draw: number;
}

export const EXCLUSIONS = [
  'residency',
  'endpoint-residency',
  'endpoint-missing',
  'agent',
  'full',
  'headroom',
  'draining',
  'excluded',
  'blocked',
  'forced',
  'canary',
  'cost',
  'unknown-region',
] as const;
export type ExclusionCode = (typeof EXCLUSIONS)[number];

export interface Exclusion {
  readonly code: ExclusionCode;
  readonly reason: string;
  /** The leg that it is about, such as `llm`. */
  readonly leg?: string;
}

export interface LegChoice {
  readonly leg: PlanLeg;
  readonly endpoint: AiEndpoint;
  /** Null: the endpoint was measured from there, with the path. */
  readonly path: PathEstimate | null;
  readonly p50: number;
}

/** One place that a session could run at. */
export interface PlanCandidate {
  readonly popRegion: string;
  readonly coreRegion: string;
  readonly predictedMs: { readonly p50: number; readonly p95: number } | null;
  /** Milliseconds of p50 by part. */
  readonly parts: Readonly<Record<string, number>>;
  readonly score: number;
  readonly centsPerMinute: number | null;
  readonly endpoints: readonly LegChoice[];
  readonly excluded: Exclusion | null;
}

export interface PlanChoice extends PlanCandidate {
  readonly popNode: string;
  readonly coreNode: string;
  readonly sources: Readonly<Record<string, PathSource | AiEndpoint['source']>>;
  /** What is behind those that were measured, by the same names. */
  readonly measured: Readonly<Record<string, MeasuredFigure>>;
}

export interface MeasuredFigure {
  /** Requests or turns; absent where nobody counts. */
  readonly count?: number;
  /** Since the newest of them. */
  readonly ageMs: number;
  /** Share that they have in the figure, 0..1; absent: all of it. */
  readonly confidence?: number;
}

export type PlanOutcome =
  | { readonly chosen: PlanChoice; readonly refused: null }
  | { readonly chosen: null; readonly refused: { readonly code: RefusalCode; readonly reasons: readonly string[] } };

export type RefusalCode = 'ERR_PLACEMENT_RESIDENCY' | 'ERR_PLACEMENT_NO_CORE' | 'ERR_AGENT_UNKNOWN';
