import { expect, test } from 'vitest';
import { AudioTrail } from '../../../../src/agent/services/stt/audio-trail.ts';

const samplesOf = (trail: AudioTrail): number[] =>
  trail.forNewConnection().flatMap(({ bytes }) => [...new Int16Array(Uint8Array.from(bytes).buffer)]);

test('what is settled is not sent again, to the sample', () => {
  const trail = new AudioTrail(1_000);
  trail.append(Int16Array.of(1, 2, 3)).sentAt = 0;
  trail.append(Int16Array.of(4, 5, 6)).sentAt = 3;
  trail.settle(4);
  expect(trail.length).toBe(2);
  expect(samplesOf(trail)).toEqual([5, 6]);
});

test('what was never sent cannot be settled', () => {
  const trail = new AudioTrail(1_000);
  trail.append(Int16Array.of(1, 2));
  trail.settle(100);
  expect(samplesOf(trail)).toEqual([1, 2]);
});

test('places on the connection are places in the stream, whatever silence was put between', () => {
  const trail = new AudioTrail(1_000);
  trail.append(new Int16Array(100)).sentAt = 0;
  trail.append(new Int16Array(100)).sentAt = 600;
  expect(trail.toStream(50)).toBe(50);
  expect(trail.toStream(650)).toBe(150);
  trail.settle(700);
  expect(trail.toStream(700)).toBe(200);
});

test('above its limit the oldest audio goes', () => {
  const trail = new AudioTrail(4);
  for (const value of [1, 2, 3]) trail.append(Int16Array.of(value, value));
  expect(samplesOf(trail)).toEqual([2, 2, 3, 3]);
});
