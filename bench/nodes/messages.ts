/** What a benchmark and the node processes that it starts say to each other over the process's IPC channel. */
import type { SrtpKey } from '../light-caller/index.ts';

export type ToNode = {
  id: number;
  ask:
    | {
        type: 'start';
        stateDir: string;
        agentsDir: string;
        core: { nodeId: string; host: string; port: number } | null;
      }
    | { type: 'open'; sessionId: string; agent: string; callerKey: SrtpKey; ssrc: number }
    | { type: 'usage' }
    | { type: 'close' };
};

export type FromNode = { id: number; answer: unknown } | { id: number; error: string };

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
  /** What the node's own `stats()` says. */
  stats: Record<string, unknown>;
}
