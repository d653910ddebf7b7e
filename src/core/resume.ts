/** What a core begins with when it goes on with a call of another one: for the agent, and as its own journal. */
import { type JournalState, type ResumedCall, resumedCall, resumedState } from '../agent/journal/index.ts';
import type { PopRequestData } from '../backbone/index.ts';

export interface Resumption {
  readonly call: ResumedCall;
  readonly journal: JournalState;
}

/** Null for a call that begins. */
export function resumptionOf({ resume }: PopRequestData<'session.attach'>): Resumption | null {
  if (resume === undefined) return null;
  const call = resumedCall(resume.journal, resume.playedTimestamp);
  return { call, journal: resumedState(resume.journal, call) };
}
