/**
 * Numbers as sound, so that every word of a conversation can be counted by whoever hears it: a word is 200 ms of three
 * tones, one for each digit of 0 to 999, and 100 ms of silence. The tones outlive Opus at any of our rates, and lie
 * below 4 kHz, so that 8 kHz are enough to hear them.
 */

export const WORD_MS = 200;
export const PAUSE_MS = 100;
export const WORDS = 1_000;
/** Hz of a digit's tone, by the place of the digit: hundreds, tens, ones. */
export const TONES = [
  { first: 500, step: 60 },
  { first: 1_250, step: 80 },
  { first: 2_250, step: 100 },
] as const;
/** Of each tone; full scale is 32768. */
const AMPLITUDE = 5_000;
const RAMP_MS = 5;
const NAME = /^n(\d{1,3})$/;

export function nameOf(number: number): string {
  return `n${number}`;
}

/** All the numbers in a text, in order. */
export function numbersIn(text: string): number[] {
  return (text.match(/n\d{1,3}\b/g) ?? []).map((name) => Number(name.slice(1)));
}

/** Null of a text that is no number's name; a full stop behind it does not matter. */
export function numberOf(name: string): number | null {
  const digits = NAME.exec(name.replace(/[.,]$/, ''))?.[1];
  return digits === undefined ? null : Number(digits);
}

/** The tones of one number, without the silence after them. @param number null sounds like no number */
export function soundOf(number: number | null, sampleRate: number): Int16Array {
  const pcm = new Int16Array((WORD_MS * sampleRate) / 1_000);
  const ramp = (RAMP_MS * sampleRate) / 1_000;
  const steps = frequenciesOf(number).map((hz) => (2 * Math.PI * hz) / sampleRate);
  for (let index = 0; index < pcm.length; index++) {
    const gain = AMPLITUDE * Math.min(1, index / ramp, (pcm.length - index) / ramp);
    let sample = 0;
    for (const step of steps) sample += Math.sin(step * index);
    pcm[index] = Math.round(gain * sample);
  }
  return pcm;
}

function frequenciesOf(number: number | null): number[] {
  if (number === null) return [3_600];
  const digits = [Math.floor(number / 100) % 10, Math.floor(number / 10) % 10, number % 10];
  return TONES.map(({ first, step }, place) => first + step * digits[place]!);
}
