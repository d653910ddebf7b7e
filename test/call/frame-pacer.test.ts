import { expect, test } from 'vitest';
import type { Clip } from '../../src/call/clip.ts';
import { FramePacer } from '../../src/call/frame-pacer.ts';
import { Microphone } from '../../src/call/microphone.ts';
import type { Clock } from '../../src/clock.ts';
import { FakeClock } from '../support/fake-clock.ts';

/** A clock whose timers fire `lateMs` later than asked. */
function lateClock(clock: FakeClock, lateMs: () => number): Clock {
  return {
    now: () => clock.now(),
    date: () => clock.date(),
    setTimeout: (callback, delayMs) => clock.setTimeout(callback, delayMs + lateMs()),
  };
}

test('the beat comes every 10 ms and does not drift although every timer is late', () => {
  const fake = new FakeClock(0);
  const pacer = new FramePacer(lateClock(fake, () => 3));
  const due: number[] = [];
  const at: number[] = [];
  pacer.add((dueAtMs) => {
    due.push(dueAtMs);
    at.push(fake.now());
  });
  fake.advance(1_004);
  expect(due).toEqual(Array.from({ length: 100 }, (_, index) => (index + 1) * 10));
  expect(at.at(-1)).toBe(1_003);
  expect(pacer.latenessMs(0.5)).toBe(3.25);
});

test('a short stall is caught up, a long one is not', () => {
  const fake = new FakeClock(0);
  let stallMs = 0;
  const pacer = new FramePacer(lateClock(fake, () => stallMs));
  let beats = 0;
  const stop = pacer.add(() => {
    beats++;
  });
  stallMs = 95;
  fake.advance(10);
  stallMs = 0;
  fake.advance(105);
  expect(beats).toBe(11);
  stallMs = 900;
  fake.advance(10);
  stallMs = 0;
  beats = 0;
  fake.advance(910);
  expect(beats).toBeLessThanOrEqual(2);
  stop();
  expect(fake.pendingCount).toBe(0);
});

test('a microphone is silent until it is told to say a clip, and knows when its voiced samples were spoken', async () => {
  const clock = new FakeClock(0);
  const frames: number[] = [];
  const microphone = new Microphone({
    clock,
    pacer: new FramePacer(clock),
    onFrame: (frame) => frames.push(frame[0]!),
  });
  const clip: Clip = {
    path: 'x.wav',
    frames: [1, 2, 3].map((value) => new Int16Array(480).fill(value)),
    voiced: { first: 240, last: 480 + 479 },
  };
  clock.advance(20);
  const { begun, ended } = microphone.say(clip);
  clock.advance(50);
  expect(frames).toEqual([0, 0, 1, 2, 3, 0, 0]);
  // The first frame of the clip left at 30 ms: it was captured from 20 to 30 ms.
  expect(await begun).toBe(25);
  expect(await ended).toBeCloseTo(39.98, 2);
  microphone.close();
  clock.advance(50);
  expect(frames).toHaveLength(7);
});
