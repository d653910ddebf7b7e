import { expect, test } from 'vitest';
import { Halver } from '../../../../src/agent/services/tts/http/halver.ts';

const RATE = 48_000;
const tone = (hertz: number, samples = RATE / 10): Int16Array =>
  Int16Array.from({ length: samples }, (_, at) => Math.round(10_000 * Math.sin((2 * Math.PI * hertz * at) / RATE)));

function halved(pcm: Int16Array, step: number): Int16Array {
  const halver = new Halver();
  const pieces: number[] = [];
  for (let at = 0; at < pcm.length; at += step) pieces.push(...halver.process(pcm.slice(at, at + step)));
  return Int16Array.from([...pieces, ...halver.flush()]);
}

/** Of the middle, where the filter has all that it needs. */
const peak = (pcm: Int16Array): number => Math.max(...pcm.slice(100, -100).map(Math.abs));

test('has half as many samples, wherever the pieces are cut', () => {
  const pcm = tone(440);
  const whole = halved(pcm, pcm.length);
  expect(whole.length).toBe(pcm.length / 2);
  for (const step of [1, 7, 480, 481]) expect(halved(pcm, step)).toEqual(whole);
});

test('keeps what the lower rate can hold where it was', () => {
  const heard = halved(tone(1_000), 480);
  const wanted = tone(1_000).filter((_, at) => at % 2 === 0);
  for (let at = 100; at < heard.length - 100; at++) expect(Math.abs(heard[at]! - wanted[at]!)).toBeLessThan(20);
});

test.each([14_500, 18_000, 23_000])('lets no tone of %i Hz come back as another', (hertz) => {
  expect(peak(halved(tone(hertz), 480))).toBeLessThan(20);
});
