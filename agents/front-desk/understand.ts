/** From a caller's words, spoken or typed, to what is meant. Pure; words that mean nothing here are `unknown`. */
import { fromWord } from './numbers.ts';

export interface BookingDetails {
  /** Guests, 1..20. */
  readonly people: number | null;
  /** As the caller said it: `tomorrow`, `on friday`. */
  readonly day: string | null;
  /** As the caller said it: `at seven thirty`, `evening`. */
  readonly time: string | null;
}

export type Meaning =
  | {
      readonly kind:
        | 'time'
        | 'count'
        | 'leave'
        | 'greeting'
        | 'help'
        | 'yes'
        | 'no'
        | 'thanks'
        | 'stop'
        | 'cancel'
        | 'again';
    }
  | { readonly kind: 'book'; readonly details: BookingDetails }
  | { readonly kind: 'details'; readonly details: BookingDetails }
  | { readonly kind: 'unknown' };

const HOUR = '(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|\\d{1,2})';
const WEEKDAY = '(?:mon|tues|wednes|thurs|fri|satur|sun)day';
const PART = '(?:morning|afternoon|evening|night)';
const CLOCK = `(?:(?:half past|quarter past|quarter to) ${HOUR}|${HOUR} (?:fifteen|thirty|forty five|o'clock|p m)|\\d{1,2}:\\d{2})`;

const DAY = new RegExp(`\\b(today|tonight|tomorrow|this ${PART}|(?:(?:on|this|next) )?${WEEKDAY})\\b`);
const TIME = new RegExp(`\\b((?:at|around) (?:${CLOCK}|${HOUR}|noon)|${CLOCK})(?: p m)?\\b`);
const DAY_PART = new RegExp(`\\b(?:tomorrow|${WEEKDAY}|in the) (${PART})\\b`);
const GUESTS = /\b(\w+) (?:people|persons|guests|person|guest)\b/;

/** Whole sentences, longest meaning first: a booking that says "please" is still a booking. */
const PHRASES: readonly (readonly [RegExp, Exclude<Meaning['kind'], 'book' | 'details' | 'unknown'>])[] = [
  [/\b(?:what time is it|what is the time|what's the time|the time)\b/, 'time'],
  [/\bcount\b/, 'count'],
  [/\b(?:good ?bye|bye|that is all|that's all)\b/, 'leave'],
  [/\b(?:never ?mind|cancel)\b/, 'cancel'],
  [/\b(?:again|repeat)\b/, 'again'],
  [/\b(?:help|what can (?:you do|i say))\b/, 'help'],
  [/\b(?:stop|wait)\b/, 'stop'],
  [/\byes\b/, 'yes'],
  [/\bno\b/, 'no'],
  [/\b(?:thank you|thanks)\b/, 'thanks'],
  [/\b(?:hello|hi|good (?:morning|evening|afternoon))\b/, 'greeting'],
];

export function understand(words: string): Meaning {
  const text = words
    .toLowerCase()
    .replace(/\b([ap])\.?m\b\.?/g, '$1 m')
    .replace(/[^\p{L}\d':]+/gu, ' ')
    .trim();
  const details = detailsOf(text);
  if (/\b(?:book|reserve|booking|reservation)\b/.test(text)) return { kind: 'book', details };
  for (const [pattern, kind] of PHRASES) if (pattern.test(text)) return { kind };
  const { people, day, time } = details;
  return people !== null || day !== null || time !== null ? { kind: 'details', details } : { kind: 'unknown' };
}

function detailsOf(text: string): BookingDetails {
  const day = DAY.exec(text)?.[1] ?? null;
  const clock = TIME.exec(text)?.[1] ?? null;
  const rest = clock === null ? text : text.replace(clock, ' ');
  return { people: peopleOf(rest), day, time: clock ?? partOf(text, day) };
}

/** A part of the day is time enough: "tomorrow evening", "tonight". */
function partOf(text: string, day: string | null): string | null {
  if (day === 'tonight' || (day?.startsWith('this ') && !day.endsWith('day'))) return '';
  return DAY_PART.exec(text)?.[1] ?? null;
}

function peopleOf(text: string): number | null {
  if (/\ba couple of\b/.test(text)) return 2;
  const guests = GUESTS.exec(text)?.[1];
  if (guests !== undefined) return fromWord(guests);
  // "for four", "six please": a bare number is a number of people.
  const bare = /\bfor (\w+)\b/.exec(text)?.[1] ?? /^(?:we are )?(\w+)(?: please)?$/.exec(text.trim())?.[1];
  return bare === undefined ? null : fromWord(bare);
}
