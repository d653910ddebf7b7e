/**
 * What the fake language model of chaos runs says: numbers that go on where the context ends, so that the caller's side
 * knows by the sound alone what was lost and what was said twice. Keeps nothing from request to request: like a model it
 * knows what its context says. The order in which a turn goes is here as well, for both sides.
 */
import type { FakeAnswer, FakeCompatibleRequest } from '../../fakes/openai-compatible.ts';
import { nameOf, numbersIn } from '../words/number-sound.ts';

/** Words of an answer: it ends with the next multiple of this. */
export const ANSWER_WORDS = 8;
/** Words of a caller's turn. */
export const TURN_WORDS = 5;
export const NOTE_TOOL = 'note';
const CALL = /Call (\d+)\./;

export function instructionsOf(call: number): string {
  return `Call ${call}. Count on.`;
}

/** Whether a turn is answered with the help of the tool: every other one. @param lastWord of the turn */
export function usesTool(lastWord: number): boolean {
  return Math.floor((lastWord - 1) / TURN_WORDS) % 2 === 1;
}

/** A request as the fake sees it. */
export interface AskedOf {
  /** Null: the instructions are not those of a chaos run. */
  readonly call: number | null;
  /** All that the caller said, as the context has it. */
  readonly callerWords: readonly number[];
  /** The same, by turns. */
  readonly turns: readonly (readonly number[])[];
  readonly agentWords: readonly number[];
}

export function askedOf({ messages }: FakeCompatibleRequest): AskedOf {
  const instructions = messages.find(({ role }) => role === 'system' || role === 'developer')?.content ?? '';
  const call = CALL.exec(instructions)?.[1];
  const said = (by: string) =>
    messages.filter(({ role }) => role === by).map(({ content }) => numbersIn(content ?? ''));
  const turns = said('user');
  return {
    call: call === undefined ? null : Number(call),
    callerWords: turns.flat(),
    turns,
    agentWords: said('assistant').flat(),
  };
}

export function answerTo(request: FakeCompatibleRequest): FakeAnswer {
  const { call, callerWords, agentWords } = askedOf(request);
  const key = callerWords.at(-1) ?? 0;
  const { messages } = request;
  const turn = messages.slice(messages.findLastIndex(({ role }) => role === 'user') + 1);
  const isWithTool = key > 0 && usesTool(key) && turn.every(({ role }) => role === 'user');
  if (isWithTool) return { toolCalls: [{ name: NOTE_TOOL, arguments: JSON.stringify({ call, key }) }] };
  return { text: sentences(1 + Math.max(0, ...agentWords)) };
}

/** From one number to the end of its answer, in two sentences. */
function sentences(first: number): string {
  const last = Math.ceil(first / ANSWER_WORDS) * ANSWER_WORDS;
  const middle = last - ANSWER_WORDS / 2;
  let text = '';
  for (let number = first; number <= last; number++) {
    text += `${nameOf(number)}${number === middle || number === last ? '. ' : ' '}`;
  }
  return text.trim();
}
