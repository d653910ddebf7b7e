/** What an answer sounds like: pocketsphinx has to tell the expected sentence from others by the sound alone. */
import { PocketSphinx } from '../agent/services/stt/pocketsphinx.ts';
import type { Clock } from '../clock.ts';
import type { Config } from '../config/index.ts';
import { AntipodeError } from '../errors.ts';
import type { Logger } from '../telemetry/index.ts';
import type { Check } from './checks.ts';
import type { TurnExpectation } from './schema.ts';

export interface CheckSoundOptions {
  readonly expect: NonNullable<TurnExpectation['sounds']>;
  /** 16 kHz mono; null: there was no answer. */
  readonly sound: Int16Array | null;
  readonly config: Config['services']['pocketsphinx'];
  readonly path: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** Samples of silence that the recognizer gets after the sound: 0.5 s. */
const TAIL_SAMPLES = 8_000;

export async function checkSound(options: CheckSoundOptions): Promise<Check> {
  const { expect, path, sound } = options;
  const sentences = [expect.like, ...expect.unlike].map(spoken);
  const expected = `the sound of "${expect.like}"`;
  if (sound === null) return { path, expected, problem: 'there was no sound' };
  try {
    const heard = await recognize(options, sound, sentences);
    if (heard === sentences[0]) return { path, expected, problem: null };
    return { path, expected, problem: heard === '' ? 'it was none of these sentences' : `it sounded like "${heard}"` };
  } catch (error) {
    options.signal.throwIfAborted();
    const words = error instanceof AntipodeError ? `${error.code}: ${error.message}` : String(error);
    return { path, expected, problem: words };
  }
}

async function recognize(
  { config, clock, log, signal }: CheckSoundOptions,
  sound: Int16Array,
  sentences: readonly string[],
): Promise<string> {
  const jsgf = `#JSGF V1.0;\ngrammar answers;\npublic <answer> = ${sentences.join(' | ')};\n`;
  const recognizer = new PocketSphinx({ ...config, grammar: { jsgf }, clock, log });
  try {
    const utterance = recognizer.listen({ signal });
    utterance.write(sound);
    utterance.write(new Int16Array(TAIL_SAMPLES));
    return (await utterance.finish()).text;
  } finally {
    await recognizer.close();
  }
}

/** The words as a dictionary has them. */
function spoken(sentence: string): string {
  return (sentence.toLowerCase().match(/[a-z']+/g) ?? []).join(' ');
}
