import { describe, expect, test } from 'vitest';
import { KeptSound } from '../../../src/agent/stages/kept-sound.ts';

/** 20 ms frames; frame n holds the value n. */
function kept(frames: number): KeptSound {
  const sound = new KeptSound();
  for (let frame = 0; frame < frames; frame++) sound.write(new Int16Array(320).fill(frame), frame * 320);
  return sound;
}
const all = (sound: KeptSound, from: number) => [...sound.since(from)].flatMap((pcm) => [...pcm]);

describe('kept sound', () => {
  test('is read from any position, in order and without holes', () => {
    const sound = kept(100);
    const read = all(sound, 10 * 320);
    expect(read).toHaveLength(90 * 320);
    expect(read[0]).toBe(10);
    expect(read.at(-1)).toBe(99);
    expect(all(sound, 10 * 320 + 319).slice(0, 2)).toEqual([10, 11]);
    expect(all(sound, 100 * 320)).toEqual([]);
    expect(Math.max(...[...sound.since(0)].map(({ length }) => length))).toBe(320);
  });

  test('is forgotten by whole half seconds, and their memory is used again', () => {
    const sound = kept(100);
    sound.dropBefore(40 * 320);
    expect(sound.start).toBe(25 * 320);
    expect(all(sound, 0)[0]).toBe(25);
    for (let frame = 100; frame < 200; frame++) sound.write(new Int16Array(320).fill(frame), frame * 320);
    expect(all(sound, 0)).toHaveLength(175 * 320);
    expect(all(sound, 0).at(-1)).toBe(199);
  });

  test('begins anew after a hole', () => {
    const sound = kept(10);
    sound.write(new Int16Array(320).fill(7), 50 * 320);
    expect(sound.start).toBe(50 * 320);
    expect(sound.end).toBe(51 * 320);
    expect(new Set(all(sound, 0))).toEqual(new Set([7]));
  });
});
