/** The sounds that the reference values were made from; the same integers here and in Python. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseWav } from '../../../../src/agent/services/wav.ts';

/** x -> (1103515245 x + 12345) mod 2^31 from 1; its bits 16 and up, modulo 2 amplitude + 1, less the amplitude. */
export function noise(samples: number, amplitude: number): Int16Array {
  let state = 1;
  return Int16Array.from({ length: samples }, () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
    return ((state >>> 16) % (2 * amplitude + 1)) - amplitude;
  });
}

/** A saw tooth that falls in pitch, off center. */
export function sweep(samples: number): Int16Array {
  return Int16Array.from(
    { length: samples },
    (_, index) => ((index * (400 - Math.floor((index * 300) / samples))) % 20_001) - 9_000,
  );
}

export function clip(name: string): Int16Array {
  return parseWav(readFileSync(join(import.meta.dirname, '../../../audio', name))).pcm;
}

export const SIGNALS: Readonly<Record<string, () => Int16Array>> = {
  'silence, 2 s': () => new Int16Array(32_000),
  nothing: () => new Int16Array(0),
  'noise, 1 s': () => noise(16_000, 3_000),
  'noise, 8 s': () => noise(128_000, 3_000),
  'sweep, 10 s': () => sweep(160_000),
  'sweep, 3.00625 s': () => sweep(48_100),
  'a very quiet noise, 5 s': () => noise(80_000, 2),
  'book-table.wav': () => clip('book-table.wav'),
  'what-time.wav': () => clip('what-time.wav'),
};
