/** The sound of spoken calls: noise at its loudness, both sides on one tape, and what an answer sounds like. */
import { describe, expect, test } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { loadConfig } from '../../src/config/index.ts';
import { atLevel, loadNoise, mixed } from '../../src/eval/noise.ts';
import { checkSound } from '../../src/eval/sounds-like.ts';
import { Tape } from '../../src/eval/tape.ts';
import { silentLogger } from '../../src/telemetry/index.ts';
import { hasFlite, hasPocketSphinx, speech } from '../agent/speech.ts';

const levelDb = (pcm: Int16Array) => {
  const energy = pcm.reduce((sum, sample) => sum + sample * sample, 0);
  return 20 * Math.log10(Math.sqrt(energy / pcm.length) / 32_768);
};

describe('noise', () => {
  test('is as loud as it is told, and the same every time', async () => {
    const noise = await loadNoise({ levelDb: -40, file: null });
    expect(levelDb(noise)).toBeCloseTo(-40, 1);
    expect(await loadNoise({ levelDb: -40, file: null })).toEqual(noise);
    expect(levelDb(await loadNoise({ levelDb: -30, file: 'test/audio/stop.wav' }))).toBeCloseTo(-30, 1);
  });

  test('comes over what is said, goes on where it was, and is cut at full scale', () => {
    const noise = Int16Array.of(1, 2, 3);
    expect([...mixed(Int16Array.of(10, 10, 32_767, -10), noise, 2)]).toEqual([13, 11, 32_767, -7]);
    expect([...atLevel(new Int16Array(3), -20)]).toEqual([0, 0, 0]);
  });
});

describe('a tape', () => {
  test('has both sides where they were said', () => {
    const tape = new Tape();
    tape.write('caller', new Int16Array(480).fill(100), 48_000, 0);
    tape.write('agent', new Int16Array(160).fill(1_000), 16_000, 500);
    tape.write('caller', new Int16Array(480).fill(300), 48_000, 500);
    expect(tape.mix).toHaveLength(8_160);
    expect([tape.mix[0], tape.mix[159], tape.mix[160], tape.mix[8_000]]).toEqual([100, 100, 0, 1_300]);
    expect([...new Set(tape.agent(500, 510))]).toEqual([1_000]);
  });

  test('takes frames that come a little late as one sound', () => {
    const tape = new Tape();
    for (const atMs of [0, 18, 42]) tape.write('agent', new Int16Array(160).fill(7), 16_000, atMs);
    expect(tape.mix).toEqual(new Int16Array(480).fill(7));
  });
});

describe.skipIf(!hasFlite || !hasPocketSphinx)('the sound of an answer', () => {
  const check = async (said: string, like: string, unlike: string[]) =>
    checkSound({
      ...{ expect: { like, unlike }, sound: await speech(said), path: 'turns.0.sounds' },
      config: loadConfig({ file: null, environment: {} }).services.pocketsphinx,
      ...{ clock: systemClock, log: silentLogger, signal: new AbortController().signal },
    });

  test('is told from others', async () => {
    const unlike = ['For how many people?', 'At what time?'];
    expect((await check('For what day and time?', 'For what day and time?', unlike)).problem).toBeNull();
    expect((await check('At what time?', 'For what day and time?', unlike)).problem).toBe(
      'it sounded like "at what time"',
    );
  });

  test('cannot be had with words that no dictionary has', async () => {
    const { problem } = await check('At what time?', 'At xyzzyqu time', ['no']);
    expect(problem).toBe('ERR_SERVICE_FAILED: The dictionary lacks: xyzzyqu.');
  });
});

test('an answer that never came sounds like nothing', async () => {
  const { problem } = await checkSound({
    ...{ expect: { like: 'a', unlike: ['b'] }, sound: null, path: 'turns.0.sounds' },
    config: loadConfig({ file: null, environment: {} }).services.pocketsphinx,
    ...{ clock: systemClock, log: silentLogger, signal: new AbortController().signal },
  });
  expect(problem).toBe('there was no sound');
});
