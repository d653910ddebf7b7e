/** What a scenario of the chaos runs is, and what it may do. */
import type { CallAccount } from '../account.ts';
import type { ChaosCaller } from '../caller/chaos-caller.ts';
import type { ChaosCluster, ChaosNode, NodeSettings } from '../cluster/chaos-cluster.ts';
import type { ChaosNetwork } from '../cluster/chaos-network.ts';

/** Upper bounds; `survived` is all calls, always. */
export interface ChaosBudget {
  gapP99Ms: number;
  callerWordsLost: number;
  agentWordsLost: number;
  agentWordsRepeated: number;
  toolsRunTwice: number;
}

/** Nothing lost, nothing twice. */
export const NOTHING_LOST = { callerWordsLost: 0, agentWordsLost: 0, agentWordsRepeated: 0, toolsRunTwice: 0 } as const;
/** Nothing is to be heard of it: what a busy machine adds is all. */
export const UNNOTICED_MS = 300;

export interface Chaos {
  readonly cluster: ChaosCluster;
  readonly callers: readonly ChaosCaller[];
  /** The node that has all the calls of its kind, chosen by the seed. */
  readonly core: ChaosNode;
  readonly pop: ChaosNode;
  /** Others of the kind, without calls when it begins. */
  readonly spareCores: readonly ChaosNode[];
  readonly sparePops: readonly ChaosNode[];
  /** `--seconds`, or the scenario's own. */
  readonly seconds: number;
  readonly signal: AbortSignal;
  /** 0..1, seeded. */
  random(): number;
  /** This is the moment: what comes after it counts. The last one holds. */
  strike(): void;
  wait(ms: number): Promise<void>;
  /** A sentence for the result. */
  note(text: string): void;
  /** What broke the scenario's promise, besides its budget. */
  miss(text: string): void;
}

export interface Scenario {
  readonly name: string;
  /** What happens, in one sentence. */
  readonly about: string;
  readonly cores: number;
  readonly pops: number;
  /** It cuts the network. */
  readonly cuts?: boolean;
  /** How long what happens lasts, where it lasts. */
  readonly seconds?: number;
  /** By the number of calls. */
  budget(calls: number): ChaosBudget;
  /** Of every node. */
  settings?(role: ChaosNode['role'], calls: number): NodeSettings;
  run(chaos: Chaos): Promise<void>;
  /** Told when all calls are over. */
  check?(accounts: readonly CallAccount[], chaos: Chaos): Promise<void>;
  /** Why it can't be run here; null when it can. */
  missing?(network: ChaosNetwork['kind']): string | null;
}
