/** Small numbers and the time of day in words, as they are spoken and heard. */

const ONES = [
  'zero',
  ...['one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine', 'ten'],
  ...['eleven', 'twelve', 'thirteen', 'fourteen', 'fifteen', 'sixteen', 'seventeen', 'eighteen', 'nineteen'],
] as const;
const TENS = ['', '', 'twenty', 'thirty', 'forty', 'fifty'] as const;

/** 0..59 in words: `forty two`. */
export function inWords(value: number): string {
  if (!Number.isInteger(value) || value < 0 || value > 59) throw new RangeError(`${value} is not in 0..59`);
  if (value < 20) return ONES[value]!;
  const ones = value % 10;
  return ones === 0 ? TENS[Math.floor(value / 10)]! : `${TENS[Math.floor(value / 10)]} ${ONES[ones]}`;
}

/** 1..20 of a word or digits; null when it is none. */
export function fromWord(word: string): number | null {
  const index = (ONES as readonly string[]).indexOf(word);
  const value = index >= 0 ? index : /^\d{1,2}$/.test(word) ? Number(word) : 0;
  return value >= 1 && value <= 20 ? value : null;
}

/** Local time of day in words: `three o'clock in the morning`, `seven oh five p m`. */
export function timeInWords(now: Date): string {
  const hours = now.getHours();
  const minute = now.getMinutes();
  const hour = inWords(hours % 12 === 0 ? 12 : hours % 12);
  if (minute === 0) {
    const part = hours < 12 ? 'morning' : hours < 18 ? 'afternoon' : 'evening';
    return `${hour} o'clock in the ${part}`;
  }
  return `${hour} ${minute < 10 ? `oh ${inWords(minute)}` : inWords(minute)} ${hours < 12 ? 'a m' : 'p m'}`;
}
