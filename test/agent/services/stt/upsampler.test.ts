import { expect, test } from 'vitest';
import { Upsampler } from '../../../../src/agent/services/stt/upsampler.ts';

const sine = (hz: number, rate: number, samples: number) =>
  Int16Array.from({ length: samples }, (_, index) => Math.round(10_000 * Math.sin((2 * Math.PI * hz * index) / rate)));

test.each([200, 1_000, 3_000])('a tone of %i Hz keeps its pitch, level and place at 24 kHz', (hz) => {
  const upsampler = new Upsampler();
  const input = sine(hz, 16_000, 1_600);
  const output: number[] = [];
  // Cut anywhere.
  for (const [from, to] of [
    [0, 1],
    [1, 320],
    [320, 333],
    [333, 1_600],
  ]) {
    output.push(...upsampler.process(input.subarray(from, to)));
  }
  output.push(...upsampler.flush());
  const wanted = sine(hz, 24_000, 2_400);
  expect(output.length).toBe(2_400);
  const worst = Math.max(...output.slice(24, -24).map((sample, index) => Math.abs(sample - wanted[index + 24]!)));
  expect(worst).toBeLessThan(150);
});

test('a stream after flush() begins anew', () => {
  const upsampler = new Upsampler();
  const input = sine(500, 16_000, 501);
  const both = [0, 1].map(() => [...upsampler.process(input), ...upsampler.flush()]);
  expect(both[1]).toEqual(both[0]);
});
