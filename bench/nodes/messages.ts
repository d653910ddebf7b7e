/** What a benchmark and the node processes that it starts say to each other over the process's IPC channel. */
import type { SrtpKey } from '../light-caller/index.ts';

export type NodeAsk =
  | {
      type: 'start';
      stateDir: string;
      agentsDir: string;
      core: { nodeId: string; host: string; port: number } | null;
      /** @defaultValue `bench-` and the role */
      nodeId?: string;
      /** Settings of the node by their path, such as `services.stt`; keys are read from its environment. */
      settings?: Readonly<Record<string, unknown>>;
      /** Logs errors only: what warnings would tell is counted. */
      quiet?: boolean;
    }
  | {
      type: 'open';
      sessionId: string;
      agent: string;
      callerKey: SrtpKey;
      ssrc: number;
      /** Of another core than the one of `start`. */
      core?: { nodeId: string; host: string; port: number };
      metadata?: Record<string, unknown>;
      /** Keep the notices of the agent, and why the call ended, for `told`. */
      keepTold?: boolean;
    }
  /** What was kept of a session; the answer is ToldOfCall. */
  | { type: 'told'; sessionId: string }
  | { type: 'usage' }
  /** Begin a V8 CPU profile of the node's main thread. */
  | { type: 'profile' }
  /** End it and write it to `file`, as Chromium's developer tools read it. */
  | { type: 'profiled'; file: string }
  | { type: 'close' };

/** Answer to `told`. */
export interface ToldOfCall {
  /** Of the agent. */
  notices: string[];
  /** Why the call ended; null while it runs. */
  ended: string | null;
}

/** Answer to `open`: the POP's plain door. */
export interface OpenedDoor {
  ip: string;
  port: number;
  key: SrtpKey;
  payloadType: number;
}

/** Answer to `usage`: since the process started. */
export interface NodeUsage {
  /** CPU time of the Node process, ms. */
  nodeMs: number;
  /** CPU time of its media workers, ms. */
  workersMs: number;
  nodeRssBytes: number;
  workersRssBytes: number;
  /** CPU time by thread of the Node process and by media worker, ms; a thread that ended is missing. */
  threadsMs: Record<string, number>;
  /** Time in runs of voice activity on all calls, ms, wherever they run. */
  vadMs: number;
  /** Questions to the turn model that were answered, and that were not (too many, too late, failed). */
  turnModel: { answered: number; unanswered: number };
  /** What the node's own `stats()` says. */
  stats: Record<string, unknown>;
}
