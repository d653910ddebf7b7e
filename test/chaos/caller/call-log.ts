/** What one chaos caller saw and did, by one clock, for the account of the run. Holds; judges nothing. */
import type { HeardNumber } from '../words/number-ear.ts';

export interface SaidWord {
  readonly number: number;
  /** When the last of its packets left. */
  readonly atMs: number;
}

export interface AgentWord {
  /** Null: a sound that is no number. */
  readonly number: number | null;
  /** Milliseconds of it that were heard. */
  readonly ms: number;
  /** Arrival of its first packet, and of its last. */
  readonly startMs: number;
  readonly endMs: number;
}

export interface CallLog {
  /** Number of the call in the run. */
  readonly call: number;
  sessionId: string;
  /** Where it was placed first. */
  pop: string;
  /** POPs by which it came back. */
  pops: string[];
  core: string;
  said: SaidWord[];
  /** The caller's turns: from the first packet to the last. */
  turns: { fromMs: number; toMs: number; lastWord: number }[];
  heard: AgentWord[];
  /** Turns after which no answer came in time. */
  unanswered: number[];
  /** From when the media was known to be lost until it was connected again. */
  outages: { fromMs: number; toMs: number | null }[];
  /** `moved` events of the agent's. */
  moves: { atMs: number; reason: string; gapMs: number }[];
  /** Why it ended before the run wanted it to. */
  ended: string | null;
  /** What was told of no word, such as notices. */
  notices: string[];
  /** Most that a packet left later than due. */
  sendLateMs: number;
}

export function emptyLog(call: number): CallLog {
  return {
    ...{ call, sessionId: '', pop: '', pops: [], core: '', said: [], turns: [], heard: [], unanswered: [] },
    ...{ outages: [], moves: [], ended: null, notices: [], sendLateMs: 0 },
  };
}

/** @param arrivalOf of a sample of the heard stream */
export function agentWord({ number, start, end, ms }: HeardNumber, arrivalOf: (sample: number) => number): AgentWord {
  return { number, ms, startMs: arrivalOf(start), endMs: arrivalOf(end - 1) };
}
