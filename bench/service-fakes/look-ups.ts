/**
 * How an agent tells the fake language model that a turn takes several round trips, and what the fake answers: the look-up
 * so often, then words. Both ends of the agreement in one place; the wire between them is OpenAI's.
 */
import type { FakeAnswer, FakeCompatibleRequest } from '../../test/fakes/openai-compatible.ts';

export const LOOK_UP = 'look_up';
const ASKED = /^Look up (\d+) times\./;

/** Instructions of an agent whose turns ask the model `k` times. */
export function lookUpInstructions(k: number): string {
  return `Look up ${k - 1} times. Then tell the time.`;
}

/** Calls the tool until this turn has so many results as the instructions ask for, then says `text`. */
export function answerAfterLookUps(text: string): (asked: FakeCompatibleRequest) => FakeAnswer {
  return ({ messages }) => {
    const wanted = Number(ASKED.exec(messages[0]?.content ?? '')?.[1] ?? 0);
    const turn = messages.slice(messages.findLastIndex(({ role }) => role === 'user') + 1);
    const had = turn.filter(({ role }) => role === 'tool').length;
    return had < wanted ? { toolCalls: [{ name: LOOK_UP, arguments: '{}' }] } : { text };
  };
}
