/**
 * How well Smart Turn tells sentences that were said to their end from the same ones cut off, and what a question costs:
 * the published file as it is, and the graph that we run. Every recording is judged whole and cut once at a drawn place
 * between 35 and 75 % of its length, each with 200 ms of faint noise behind it.
 *
 * Recordings: WAV files of the folder in ANTIPODE_BENCH_RECORDINGS, else those of test/audio, which are too few to say
 * much. Debian's asterisk-core-sounds-{en,es,fr,it,ru}-wav are prompts by human speakers.
 */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as ort from 'onnxruntime-node';
import { LeanModel } from '../src/agent/turn-taking/smart-turn/lean-model.ts';
import {
  LogMel,
  SMART_TURN_FRAMES,
  SMART_TURN_MELS,
  SMART_TURN_SAMPLE_RATE,
} from '../src/agent/turn-taking/smart-turn/log-mel.ts';
import { findSmartTurnWeights } from '../src/agent/turn-taking/smart-turn/weights.ts';
import { resample } from '../src/call/resample.ts';
import { readWav } from '../src/call/wav.ts';
import { RandomStream } from '../src/placement/simulate/noise.ts';
import { type BenchOptions, percentile, result } from './result.ts';

const FOLDER = process.env.ANTIPODE_BENCH_RECORDINGS ?? 'test/audio';
const PAUSE_SAMPLES = 0.2 * SMART_TURN_SAMPLE_RATE;
const SHORTEST_SAMPLES = 0.5 * SMART_TURN_SAMPLE_RATE;
/** -40 dB: sound begins and ends there. */
const SOUND_FLOOR = 328;
const PREROLL_SAMPLES = 0.25 * SMART_TURN_SAMPLE_RATE;
const ROOM_PEAK = 8;
const WARM_UP = 20;

interface Judged {
  readonly whole: boolean;
  readonly published: number;
  readonly lean: number;
}

export async function run({ progress, signal }: BenchOptions) {
  const found = await findSmartTurnWeights();
  if ('missing' in found) throw new Error(found.missing);
  const file = await readFile(found.weightsFile);
  const published = await ort.InferenceSession.create(file, { intraOpNumThreads: 1, interOpNumThreads: 1 });
  const lean = await LeanModel.load(file);
  const logMel = new LogMel();
  const random = new RandomStream(7);
  const sounds = await recordings();
  const judged: Judged[] = [];
  const costs = { features: [] as number[], published: [] as number[], lean: [] as number[] };
  for (const [index, sound] of sounds.entries()) {
    signal.throwIfAborted();
    if (index % 25 === 0) progress(`recording ${index + 1} of ${sounds.length}`);
    const cut = Math.floor(sound.length * (0.35 + 0.4 * random.next()));
    for (const said of cut > SHORTEST_SAMPLES ? [sound, sound.subarray(0, cut)] : [sound]) {
      const heard = withPause(said, random);
      const features = await timed(costs.features, () => logMel.compute(heard));
      const input = new ort.Tensor('float32', features, [1, SMART_TURN_MELS, SMART_TURN_FRAMES]);
      judged.push({
        whole: said === sound,
        published: await timed(costs.published, async () => {
          const { logits } = await published.run({ input_features: input });
          return (logits!.data as Float32Array)[0]!;
        }),
        lean: await timed(costs.lean, () => lean.probability(features, heard.length)),
      });
    }
  }
  await Promise.all([published.release(), lean.release()]);
  const figures: Record<string, number> = { recordings: sounds.length, judged: judged.length };
  for (const model of ['published', 'lean'] as const) {
    const of = (whole: boolean) => judged.filter((each) => each.whole === whole).map((each) => each[model]);
    figures[`${model}Separation`] = separation(of(true), of(false));
    figures[`${model}WholeTakenForFinishedPercent`] = shareOver(of(true));
    figures[`${model}CutTakenForFinishedPercent`] = shareOver(of(false));
    figures[`${model}ModelMs`] = percentile(afterWarmUp(costs[model]), 50)!;
  }
  figures.featuresMs = percentile(afterWarmUp(costs.features), 50)!;
  figures.cutTakenForFinishedMorePoints =
    figures.leanCutTakenForFinishedPercent! - figures.publishedCutTakenForFinishedPercent!;
  return result(
    'turn-model',
    'How well is a finished sentence told from one that is cut off, and what does a question cost?',
    figures,
    { cutTakenForFinishedMorePoints: 0 },
    [
      'Separation: how often a whole one is judged higher than a cut one (area under the ROC curve).',
      `Recordings of ${FOLDER}. Milliseconds are the median of a question, on one thread.`,
    ],
  );
}

async function timed<T>(into: number[], work: () => T | Promise<T>): Promise<T> {
  const startedMs = performance.now();
  const done = await work();
  into.push(performance.now() - startedMs);
  return done;
}

function afterWarmUp(costs: readonly number[]): readonly number[] {
  return costs.length > 2 * WARM_UP ? costs.slice(WARM_UP) : costs;
}

async function recordings(): Promise<Int16Array[]> {
  const names = (await readdir(FOLDER)).filter((name) => name.endsWith('.wav')).sort();
  const sounds: Int16Array[] = [];
  for (const name of names) {
    const { pcm, sampleRate } = await readWav(join(FOLDER, name));
    const sound = trimmed(resample(pcm, sampleRate, SMART_TURN_SAMPLE_RATE));
    if (sound.length >= SHORTEST_SAMPLES) sounds.push(sound);
  }
  if (sounds.length === 0) throw new Error(`there is no recording of half a second or more in ${FOLDER}`);
  return sounds;
}

function trimmed(pcm: Int16Array): Int16Array {
  const isSound = (sample: number) => Math.abs(sample) > SOUND_FLOOR;
  const from = Math.max(0, pcm.findIndex(isSound) - PREROLL_SAMPLES);
  return pcm.subarray(from, pcm.findLastIndex(isSound) + 1);
}

function withPause(said: Int16Array, random: RandomStream): Int16Array {
  const heard = new Int16Array(said.length + PAUSE_SAMPLES);
  heard.set(said);
  for (let at = said.length; at < heard.length; at++) heard[at] = Math.round((random.next() - 0.5) * 2 * ROOM_PEAK);
  return heard;
}

/** Of all pairs of one of each, the share in which `higher` is; a tie counts half. */
function separation(higher: readonly number[], lower: readonly number[]): number {
  let won = 0;
  for (const high of higher) for (const low of lower) won += high > low ? 1 : high === low ? 0.5 : 0;
  return won / (higher.length * lower.length);
}

function shareOver(probabilities: readonly number[]): number {
  return (probabilities.filter((probability) => probability > 0.5).length / probabilities.length) * 100;
}
