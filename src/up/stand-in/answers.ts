/**
 * What the stand-in for a language model says: the front desk's own script, by the words so far. For the time, and to hang
 * up, it first calls the tool that it is given, so that such a turn takes two round trips. A pure function of the request.
 */
import { DESK_NOT_UNDERSTOOD, type DeskState, deskScript } from '../../../agents/front-desk/dialog.ts';
import { understand } from '../../../agents/front-desk/understand.ts';

export interface ChatMessage {
  readonly role: string;
  readonly content: string | null;
}

export type StandInAnswer = { readonly text: string } | { readonly tool: 'get_time' | 'hang_up' };

/** Long enough to be words. */
const VOICED_MS = 1_000;

/** @param tools names of those that may be called */
export function answerOf(messages: readonly ChatMessage[], tools: readonly string[], now: Date): StandInAnswer {
  const lastUser = messages.findLastIndex(({ role }) => role === 'user');
  if (lastUser < 0) return { text: DESK_NOT_UNDERSTOOD };
  const meaning = understand(messages[lastUser]!.content ?? '').kind;
  const result = messages.slice(lastUser + 1).find(({ role }) => role === 'tool')?.content;
  if (meaning === 'time' && tools.includes('get_time')) {
    return result === undefined || result === null ? { tool: 'get_time' } : { text: `It is ${timeIn(result)}.` };
  }
  if (meaning === 'leave' && tools.includes('hang_up') && result === undefined) return { tool: 'hang_up' };
  let state: DeskState = deskScript.initial;
  let say = '';
  for (const { role, content } of messages) {
    if (role !== 'user') continue;
    const step = deskScript.respond(state, content ?? '', VOICED_MS, now);
    state = step.state;
    say = step.say;
  }
  return { text: say === '' ? DESK_NOT_UNDERSTOOD : say };
}

function timeIn(result: string): string {
  try {
    const { time } = JSON.parse(result) as { time?: unknown };
    if (typeof time === 'string') return time;
  } catch {
    // Not JSON: told as it is.
  }
  return result;
}
