/**
 * The front desk's conversation without a model: a pure state machine over what callers mean. No clock, no audio; the
 * words that it says are its only output.
 */
import type { Script, ScriptStep } from '../../src/agent/index.ts';
import { inWords, timeInWords } from './numbers.ts';
import { type BookingDetails, understand } from './understand.ts';

export interface DeskState {
  /** A booking under way; null when there is none. */
  readonly booking: BookingDetails | null;
  /** The last thing said, to say again. */
  readonly said: string;
}

export const DESK_GREETING = 'Welcome to the front desk. How can I help you?';
export const DESK_ABILITIES = 'I can tell you the time, book a table, or count to thirty.';
export const DESK_NOT_UNDERSTOOD = `Sorry, I did not understand that. ${DESK_ABILITIES}`;
export const DESK_GOODBYE = 'Thank you for calling. Goodbye.';
const QUESTIONS = {
  people: 'For how many people?',
  when: 'For what day and time?',
  day: 'For what day?',
  time: 'At what time?',
} as const;

/** What is said again and again, to have its audio ready. */
export const DESK_PHRASES = [
  ...[DESK_GREETING, DESK_NOT_UNDERSTOOD, DESK_GOODBYE, ...Object.values(QUESTIONS)],
  ...['All right.', 'One.', 'You are welcome. Is there anything else?'],
];

/** A cough or a chair is not a question: less voice than this without words is passed over. */
const NOISE_MS = 400;

export const deskScript: Script<DeskState> = {
  initial: { booking: null, said: '' },

  greet: (state) => say(state, DESK_GREETING),

  respond(state, words, voicedMs, now) {
    if (words === '') return voicedMs < NOISE_MS && voicedMs > 0 ? { state, say: '' } : notUnderstood(state);
    const meaning = understand(words);
    switch (meaning.kind) {
      case 'book':
        return book(state, meaning.details);
      case 'details':
        return state.booking === null ? notUnderstood(state) : book(state, merge(state.booking, meaning.details));
      case 'time':
        return say(state, `It is ${timeInWords(now)}.`);
      case 'count':
        return say(state, countTo(30));
      case 'leave':
        return { ...say(state, DESK_GOODBYE), hangUp: 'The caller said goodbye.' };
      case 'no':
        return state.booking === null ? say(state, 'All right.') : dropBooking(state);
      case 'cancel':
        return state.booking === null ? say(state, 'All right.') : dropBooking(state);
      case 'stop':
        return say(state, 'All right.');
      case 'again':
        return say(state, state.said === '' ? DESK_GREETING : state.said);
      case 'help':
        return say(state, DESK_ABILITIES);
      case 'thanks':
        return say(state, 'You are welcome. Is there anything else?');
      case 'greeting':
      case 'yes':
        return say(state, state.booking === null ? 'How can I help you?' : questionFor(state.booking));
      case 'unknown':
        return notUnderstood(state);
    }
  },

  apology: (error) =>
    error.code === 'ERR_SERVICE_UNAVAILABLE'
      ? 'Sorry, I cannot understand speech at the moment. You can type to me instead.'
      : 'Sorry, something went wrong. Please say that again.',
};

function book(state: DeskState, details: BookingDetails): ScriptStep<DeskState> {
  const booking = state.booking === null ? details : merge(state.booking, details);
  const question = questionFor(booking);
  if (question !== '') return say({ ...state, booking }, question);
  return say({ ...state, booking: null }, `I have booked a table for ${describeBooking(booking)}. ${ANYTHING_ELSE}`);
}

const ANYTHING_ELSE = 'Is there anything else?';

/** What is still missing, as a question; empty when nothing is. */
function questionFor({ people, day, time }: BookingDetails): string {
  if (people === null) return QUESTIONS.people;
  if (day === null && time === null) return QUESTIONS.when;
  if (day === null) return QUESTIONS.day;
  return time === null ? QUESTIONS.time : '';
}

/** `two people tomorrow evening`, `one person on friday at seven thirty`. */
export function describeBooking({ people, day, time }: BookingDetails): string {
  const guests = people === 1 ? 'one person' : `${inWords(people ?? 0)} people`;
  const named = day !== null && /^(?:mon|tues|wednes|thurs|fri|satur|sun)day$/.test(day) ? `on ${day}` : day;
  const clock = time !== null && !/^(?:at|around|morning|afternoon|evening|night|$)/.test(time) ? `at ${time}` : time;
  return [guests, named, clock].filter((part) => part !== null && part !== '').join(' ');
}

function merge(known: BookingDetails, more: BookingDetails): BookingDetails {
  return { people: more.people ?? known.people, day: more.day ?? known.day, time: more.time ?? known.time };
}

function dropBooking(state: DeskState): ScriptStep<DeskState> {
  return say({ ...state, booking: null }, 'All right, no booking. Is there anything else?');
}

function notUnderstood(state: DeskState): ScriptStep<DeskState> {
  if (state.booking === null) return say(state, DESK_NOT_UNDERSTOOD);
  return say(state, `Sorry, I did not understand that. ${questionFor(state.booking)}`);
}

function countTo(last: number): string {
  const numbers = Array.from({ length: last }, (_, index) => inWords(index + 1));
  return numbers.map((number) => `${number[0]!.toUpperCase()}${number.slice(1)}.`).join(' ');
}

function say(state: DeskState, words: string): ScriptStep<DeskState> {
  const repeated = words.startsWith('Sorry') ? state.said : words;
  return { state: { ...state, said: repeated }, say: words };
}
