/** A node that runs, whatever its role, as the command line sees it. Owns no behavior. */
import type { SessionEnd } from '../agent/index.ts';
import type { DrainResult } from './drain.ts';

export interface RunningNode {
  readonly nodeId: string;
  /** Base URL of its HTTP port. */
  readonly url: string;
  /** What to tell the person who started it. */
  readonly notes: readonly string[];
  /** Takes nothing new, tells the others, waits for the sessions that run or for `signal`. Once. */
  drain(signal: AbortSignal): Promise<DrainResult>;
  /** Ends what runs with `end` and leaves no process behind. Idempotent. */
  close(end: SessionEnd): Promise<void>;
}

/** POPs read the nodes once a second: after this every one knows that a node drains. */
export const DRAIN_SETTLE_MS = 2_500;
