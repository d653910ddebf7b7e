import { expect, test } from 'vitest';
import { LoudVoice } from '../../src/core/loud-voice.ts';

/** 20 ms of a square wave at this level: its RMS is its amplitude. */
function frameAt(dbfs: number): Int16Array {
  const amplitude = Math.round(32_768 * 10 ** (dbfs / 20));
  return Int16Array.from({ length: 320 }, (_, index) => (index % 2 === 0 ? amplitude : -amplitude));
}

function push(voice: LoudVoice, dbfs: number, ms: number): void {
  for (let passed = 0; passed < ms; passed += 20) voice.push(frameAt(dbfs));
}

test('speech begins with the fourth loud frame of six, and ends 200 ms after the last one', () => {
  const voice = new LoudVoice();
  push(voice, -70, 1_000);
  expect(voice.silentMs).toBe(Number.POSITIVE_INFINITY);
  push(voice, -25, 60);
  expect(voice.speaking).toBe(false);
  push(voice, -25, 20);
  expect(voice.speaking).toBe(true);
  push(voice, -70, 180);
  expect([voice.speaking, voice.silentMs]).toEqual([true, 180]);
  push(voice, -70, 20);
  expect([voice.speaking, voice.silentMs]).toEqual([false, 200]);
});

test('a click, and a whisper below -52 dBFS, are none', () => {
  const voice = new LoudVoice();
  push(voice, -80, 1_000);
  push(voice, -10, 40);
  push(voice, -80, 200);
  push(voice, -54, 1_000);
  expect(voice.speaking).toBe(false);
});

test('steady noise is taken for noise after a while, and speech is heard over it', () => {
  const voice = new LoudVoice();
  push(voice, -45, 1_000);
  expect(voice.speaking).toBe(true);
  push(voice, -45, 9_000);
  expect(voice.speaking).toBe(false);
  push(voice, -25, 80);
  expect(voice.speaking).toBe(true);
});

test('what nobody sent is silence', () => {
  const voice = new LoudVoice();
  push(voice, -25, 100);
  for (let frame = 0; frame < 10; frame++) voice.pushSilence();
  expect([voice.speaking, voice.silentMs]).toEqual([false, 200]);
});
