/** What a benchmark and its fake POP say to each other over the process's IPC channel. Times are the fake POP's clock. */
import type { ScriptPart, SoundKind } from './script.ts';

export type FakePopAsk =
  | { type: 'start'; stateDir: string; core: { nodeId: string; host: string; port: number } }
  /** Open so many calls, their voices spread evenly over the 20 ms and their places over the script. */
  | {
      type: 'open';
      calls: number;
      agent: string;
      metadata: Record<string, unknown>;
      script: readonly ScriptPart[];
      /** Callers send nothing in silence. */
      dtx?: boolean;
    }
  /** As `open` of one call that the core may refuse: the answer is an Offered. */
  | {
      type: 'offer';
      agent: string;
      metadata: Record<string, unknown>;
      script: readonly ScriptPart[];
      dtx?: boolean;
    }
  /** Forget what was measured up to now. */
  | { type: 'measure' }
  | { type: 'report' }
  | { type: 'hang-up' }
  | { type: 'close' };

/** Answer to `offer`. */
export interface Offered {
  /** What the core said; null when it took the call. */
  refused: string | null;
  /** Until the core's answer. */
  tookMs: number;
}

/** A sound of the caller's script: the packet that carries its first or last sample left then. */
export interface SaidSound {
  /** In the script. */
  index: number;
  kind: SoundKind;
  edge: 'first' | 'last';
  atMs: number;
}

/** Packets of the mouth without a hole of more than 60 ms. */
export interface HeardSpurt {
  firstAtMs: number;
  lastAtMs: number;
  /** The mouth's own number of its first packet. */
  firstNumber: number;
  frames: number;
}

/** What the agent told its client. */
export interface ToldEvent {
  atMs: number;
  name: string;
  data: unknown;
  /** Of `turn-decided`: the caller's packet that completed the deciding window, and when it left; null when unknown. */
  packet?: { atMs: number } | null;
}

/** What was written down of one call. */
export interface CallLog {
  sounds: SaidSound[];
  spurts: HeardSpurt[];
  /** Custom events of the agent, timelines of turns, notices and interruptions, as they came. */
  told: ToldEvent[];
  received: number;
  lost: number;
  disordered: number;
  /** Packets of the caller that were left out because the fake POP stalled. */
  unsent: number;
  /** Most that a packet was sent after its time. */
  sendLateMs: number;
  /** Why the core ended it; null while it runs. */
  ended: string | null;
}

export interface LatenessSummary {
  frames: number;
  p50Ms: number | null;
  p95Ms: number | null;
  p99Ms: number | null;
  maxMs: number | null;
}

export interface FakePopReport {
  calls: CallLog[];
  /** Of the mouth's frames of all calls, the fake POP's own lag taken off. */
  lateness: LatenessSummary;
  /** The same as seen. */
  latenessSeen: LatenessSummary;
  /** RTP that belonged to no call, or was not authentic. */
  strays: number;
  /** Share of one CPU core that the fake POP took, percent. */
  cpuPercent: number;
}
