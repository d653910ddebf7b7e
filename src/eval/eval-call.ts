/**
 * A call as an eval sees it, typed or spoken, and what is written down of it. Owns the shapes; typed-call.ts and
 * voice-call.ts hold such calls, hold-call.ts leads them, checks.ts reads what came of them.
 */
import type { ToolOutcome } from '../agent/index.ts';

/** Something that was said. Times are milliseconds since the call began. */
export interface Line {
  readonly role: 'caller' | 'agent';
  /** 0 for the greeting, then the caller's turns from 1. */
  readonly turn: number;
  text: string;
  readonly atMs: number;
  endMs: number;
  /** Nothing of it will change. */
  final: boolean;
  /** The caller cut it off: `text` is what was heard. */
  interrupted: boolean;
}

export interface ToolUse {
  readonly name: string;
  readonly turn: number;
  readonly atMs: number;
  /** JSON as the model wrote it, read; undefined where the caller is not told. */
  arguments?: unknown;
  outcome: ToolOutcome | 'running';
  tookMs: number | null;
}

/** Something that the caller's client was told of the call itself, such as a service that failed. */
export interface Notice {
  readonly level: 'info' | 'warning' | 'error';
  readonly code: string;
  readonly text: string;
  readonly atMs: number;
}

/** What came of something that the caller said. */
export interface TurnRecord {
  /** What the caller meant to say; what was understood is among the lines. */
  readonly said: string;
  readonly atMs: number;
  /** When it was all said. */
  endMs: number;
  /** The caller's last sound, or the typed words, to the first of the answer; null where none began. */
  latencyMs: number | null;
  /** First sound of this turn to the silence of the agent that it interrupts. */
  silentAfterMs: number | null;
  /** What the answer sounds like, 16 kHz; null where there is no sound. */
  sound: Int16Array | null;
}

export interface CallRecord {
  readonly turns: TurnRecord[];
  readonly lines: readonly Line[];
  readonly tools: readonly ToolUse[];
  readonly notices: readonly Notice[];
  readonly endedBy: 'agent' | 'caller' | null;
  readonly durationMs: number;
  /** Both sides, 16 kHz mono; null of a typed call. */
  readonly audio: Int16Array | null;
  /** How late the microphone was fed, p95: above 10 ms this machine tests itself; null of a typed call. */
  readonly callerLateMs: number | null;
  /** Why the call could not be held to its end. */
  readonly failure: { readonly code: string; readonly message: string } | null;
}

export interface SayOptions {
  /** Listen to no more than this of the answer, since the next turn comes into it; null: to its end. */
  readonly cutAfterMs: number | null;
  /** The agent is still speaking, and this is to stop it. */
  readonly interrupts: boolean;
}

export interface EvalCall {
  readonly log: CallLogReading;
  /** Until the greeting is over. @throws AntipodeError when there is no call */
  open(): Promise<void>;
  /** Until the answer is over, or the call. @throws ERR_CALL_NO_ANSWER, ERR_CALL_FAILED, the signal's reason */
  say(text: string, options: SayOptions): Promise<TurnRecord>;
  /** Hang up and let go of everything. Idempotent. */
  close(): Promise<void>;
  /** Both sides, 16 kHz mono; null of a typed call. */
  readonly audio: Int16Array | null;
  /** As in the record. */
  readonly callerLateMs: number | null;
}

export interface CallLogReading {
  readonly lines: readonly Line[];
  readonly tools: readonly ToolUse[];
  readonly notices: readonly Notice[];
  /** The agent, or something that failed, has ended the call. */
  readonly ended: { readonly code: string; readonly reason: string } | null;
  readonly elapsedMs: number;
  /** What the agent said to the caller's turn, its lines with a blank between. */
  answer(turn: number): string;
}
