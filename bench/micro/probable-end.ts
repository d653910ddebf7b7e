/**
 * How soon a turn is found probably over, and how often too soon, by how little silence and from where a voice counts as
 * fading: synthetic voices through the real Silero and the speech detector, with noise. Stream positions only: a busy
 * machine changes nothing. `node bench/micro/probable-end.ts`; needs the program flite.
 */

import { Flite } from '../../src/agent/services/tts/flite.ts';
import {
  SileroModel,
  VAD_CONTEXT_SAMPLES,
  VAD_INPUT_SAMPLES,
  VAD_STATE_SIZE,
  VAD_WINDOW_SAMPLES,
} from '../../src/agent/vad/silero.ts';
import { SpeechDetector } from '../../src/agent/vad/speech-detector.ts';
import { readWav } from '../../src/call/wav.ts';
import { systemClock } from '../../src/clock.ts';

const FILES = ['what-time', 'book-table', 'count', 'stop', 'goodbye'];
const VOICES = ['slt', 'rms', 'awb', 'kal16'];
const SENTENCES = [
  'I would like to book a table for two people tomorrow evening',
  'what time is it',
  'can you tell me, please, when the next train to London leaves',
  'no, wait, I meant the other one',
  'my number is five five five, two one three, eight nine six four',
  'well, I was thinking about that, and maybe it is better to come on Thursday',
  'the address is forty eight, Park Street, apartment six',
  'yes, that sounds great, thank you very much',
  "is there anything left for Friday night at eight o'clock",
  'I want to change my order, the pizza should be without cheese',
  'hello, my name is Robert, and I am calling about the invoice',
  'stop it, please, and start again from the top',
];
/** Windows begin at other places of the same sound. */
const SHIFTS = [0, 64, 128, 192, 256, 320, 384, 448];
/** Peak of the noise, full scale 1: -70 and -40 dB. */
const NOISES = [0.0003, 0.01];
/** Full scale 32,768: -40 dB. */
const SOUND_FLOOR = 328;
const LEAD_SAMPLES = 8_000;
const TAIL_SAMPLES = 16_000;
/** Where a voice fades; a threshold at which none fades is how silence is counted for a certain end. */
const FADES = [0, 0.5, 0.7, 0.9];
const SILENCES_MS = [64, 96, 128];

interface Turn {
  /** Of the last sample that is sound. */
  readonly endsAt: number;
  /** Of each window, and where it ends. */
  readonly windows: readonly { readonly probability: number; readonly position: number }[];
}

async function recordings(): Promise<Int16Array[]> {
  const all: Int16Array[] = [];
  for (const name of FILES) all.push((await readWav(`${import.meta.dirname}/../../test/audio/${name}.wav`)).pcm);
  for (const voice of VOICES) {
    const flite = new Flite({ command: 'flite', voice, clock: systemClock });
    for (const sentence of SENTENCES) {
      for await (const { pcm } of flite.synthesize(sentence, { signal: new AbortController().signal })) all.push(pcm);
    }
  }
  return all;
}

async function turnsOf(pcm: Int16Array, noise: number, model: SileroModel): Promise<Turn[]> {
  const sound = new Float32Array(LEAD_SAMPLES + pcm.length + TAIL_SAMPLES);
  let seed = 1;
  for (let index = 0; index < sound.length; index++) {
    seed = (seed * 1_103_515_245 + 12_345) & 0x7fffffff;
    sound[index] = noise * ((seed / 0x7fffffff) * 2 - 1) + (pcm[index - LEAD_SAMPLES] ?? 0) / 32_768;
  }
  const endsAt = LEAD_SAMPLES + pcm.findLastIndex((sample) => Math.abs(sample) >= SOUND_FLOOR);
  const streams = SHIFTS.map((shift) => ({
    shift,
    input: new Float32Array(VAD_INPUT_SAMPLES),
    state: new Float32Array(VAD_STATE_SIZE),
    probability: 0,
    windows: [] as { probability: number; position: number }[],
  }));
  for (let at = 0; at + 2 * VAD_WINDOW_SAMPLES <= sound.length; at += VAD_WINDOW_SAMPLES) {
    for (const { input, shift } of streams) {
      input.copyWithin(0, VAD_INPUT_SAMPLES - VAD_CONTEXT_SAMPLES);
      input.set(sound.subarray(at + shift, at + shift + VAD_WINDOW_SAMPLES), VAD_CONTEXT_SAMPLES);
    }
    await model.run(streams);
    for (const { windows, shift, probability } of streams) {
      windows.push({ probability, position: at + shift + VAD_WINDOW_SAMPLES });
    }
  }
  return streams.map(({ windows }) => ({ endsAt, windows }));
}

/** Ends that were taken back, and the milliseconds from the last sound to the one that stood. */
function judged({ windows, endsAt }: Turn, fadeThreshold: number, silenceMs: number) {
  const detector = new SpeechDetector({ fadeThreshold });
  let wrong = 0;
  let foundAt: number | null = null;
  for (const { probability, position } of windows) {
    const { quietMs } = detector.push(probability, position);
    if (quietMs === 0 && foundAt !== null) {
      wrong++;
      foundAt = null;
    } else if (quietMs >= silenceMs && quietMs < Number.POSITIVE_INFINITY) foundAt ??= position;
  }
  return { wrong, foundMs: foundAt === null ? null : (foundAt - endsAt) / 16 };
}

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

const model = await SileroModel.load({ maxBatch: SHIFTS.length });
const voices = await recordings();
for (const noise of NOISES) {
  const turns: Turn[] = [];
  for (const pcm of voices) turns.push(...(await turnsOf(pcm, noise, model)));
  process.stdout.write(`noise ${noise}, ${turns.length} turns\n`);
  for (const fade of FADES) {
    for (const silenceMs of SILENCES_MS) {
      const all = turns.map((turn) => judged(turn, fade, silenceMs));
      const wrong = mean(all.map((each) => each.wrong)).toFixed(2);
      const found = mean(all.flatMap(({ foundMs }) => foundMs ?? [])).toFixed(0);
      process.stdout.write(`  fades below ${fade}, ${silenceMs} ms: ${wrong} wrong a turn, found after ${found} ms\n`);
    }
  }
}
await model.close();
