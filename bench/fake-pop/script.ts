/**
 * What a fake caller says: a loop of prerecorded Opus packets, sound and near silence, and where in it each sound begins
 * and ends. Recorded once, said by all callers of a process from places of their own. With DTX, as our page sends, what
 * is left out is what browsers leave out; without it nothing is, which costs the core most.
 */
import { join } from 'node:path';
import { Application, createEncoder } from 'libopus-wasm';
import { resample } from '../../src/call/resample.ts';
import { readWav } from '../../src/call/wav.ts';

/** One part of the loop. */
export type ScriptPart =
  /** A recording of test/audio, by its name without `.wav`. */
  | { readonly say: string }
  /** A burst of noise, as a knock is: full at once, and gone as fast. */
  | { readonly noiseMs: number }
  /** A sound of the voice that is no word: a vowel, cut out of a recording, as an "uh" or a cough is. */
  | { readonly vowelMs: number }
  | { readonly silenceMs: number };

export type SoundKind = 'speech' | 'noise' | 'vowel';

/** A sound of the loop. Frames are those of the packets that carry it, encoder delay included. */
export interface ScriptSound {
  readonly kind: SoundKind;
  /** Of the first and the last sample above the threshold, samples (48 kHz) of the loop. */
  readonly firstSample: number;
  readonly lastSample: number;
  readonly firstFrame: number;
  readonly lastFrame: number;
}

export interface RecordedScript {
  /** 20 ms each. */
  readonly packets: readonly Buffer[];
  /** Places in it that a caller with DTX does not send. */
  readonly unsent: ReadonlySet<number>;
  readonly sounds: readonly ScriptSound[];
}

const RATE = 48_000;
const FRAME_SAMPLES = 960;
/** What the encoder holds back (libopus, voice at 48 kHz: 6.5 ms). */
const LOOKAHEAD_SAMPLES = 312;
/** Room noise, peak of full scale 32768: -72 dB. */
const NOISE_FLOOR = 8;
/** A sample counts as sound from here: -40 dB. */
const SOUND_FLOOR = 328;
const NOISE_PEAK = 9_000;
/** Vowels of test/audio/stop.wav: the loudest stretch of the length is cut out. */
const VOWEL_RECORDING = 'stop';
const RAMP_MS = 10;
/** A frame of libopus without content, at most. */
const EMPTY_BYTES = 2;

/** @throws when a recording is not there */
export async function recordScript(parts: readonly ScriptPart[], dtx = false): Promise<RecordedScript> {
  const random = noise(1);
  const pieces = await Promise.all(parts.map((part) => pcmOf(part, random)));
  const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
  const frames = Math.ceil(length / FRAME_SAMPLES);
  const pcm = new Int16Array(frames * FRAME_SAMPLES);
  const sounds: ScriptSound[] = [];
  let at = 0;
  for (const [index, piece] of pieces.entries()) {
    pcm.set(piece, at);
    const part = parts[index]!;
    if (!('silenceMs' in part)) sounds.push(soundOf(kindOf(part), piece, at));
    at += piece.length;
  }
  for (let index = 0; index < pcm.length; index++) pcm[index]! += Math.round(random() * NOISE_FLOOR);
  const packets = await encodeLoop(pcm, dtx);
  return { packets, unsent: new Set(dtx ? leftOut(packets) : []), sounds };
}

async function pcmOf(part: ScriptPart, random: () => number): Promise<Int16Array> {
  if ('silenceMs' in part) return new Int16Array(Math.round((part.silenceMs * RATE) / 1_000));
  if ('noiseMs' in part) {
    const length = (part.noiseMs * RATE) / 1_000;
    return ramped(Int16Array.from({ length }, () => Math.round(random() * NOISE_PEAK)));
  }
  if ('vowelMs' in part) return ramped(loudest(await recording(VOWEL_RECORDING), (part.vowelMs * RATE) / 1_000));
  return recording(part.say);
}

async function recording(name: string): Promise<Int16Array> {
  const { pcm, sampleRate } = await readWav(join(import.meta.dirname, `../../test/audio/${name}.wav`));
  return resample(pcm, sampleRate, RATE);
}

function loudest(pcm: Int16Array, length: number): Int16Array {
  let energy = 0;
  let [most, end] = [0, length];
  for (let index = 0; index < pcm.length; index++) {
    energy += pcm[index]! ** 2 - (index >= length ? pcm[index - length]! ** 2 : 0);
    if (index < length || energy <= most) continue;
    most = energy;
    end = index + 1;
  }
  return pcm.slice(end - length, end);
}

function ramped(pcm: Int16Array): Int16Array {
  const ramp = (RAMP_MS * RATE) / 1_000;
  return pcm.map((sample, index) => Math.round(sample * Math.min(1, (index + 1) / ramp, (pcm.length - index) / ramp)));
}

function kindOf(part: ScriptPart): SoundKind {
  if ('noiseMs' in part) return 'noise';
  return 'vowelMs' in part ? 'vowel' : 'speech';
}

function soundOf(kind: ScriptSound['kind'], piece: Int16Array, at: number): ScriptSound {
  const first = piece.findIndex((sample) => Math.abs(sample) >= SOUND_FLOOR);
  const last = piece.findLastIndex((sample) => Math.abs(sample) >= SOUND_FLOOR);
  if (first < 0) throw new Error('a recording of the script is silent');
  const frameOf = (sample: number) => Math.floor((sample + LOOKAHEAD_SAMPLES) / FRAME_SAMPLES);
  return {
    kind,
    firstSample: at + first,
    lastSample: at + last,
    firstFrame: frameOf(at + first),
    lastFrame: frameOf(at + last),
  };
}

/** Browsers send the first empty frame of a pause and none of those after it. */
function leftOut(packets: readonly Buffer[]): number[] {
  const isEmpty = (packet: Buffer | undefined) => packet !== undefined && packet.length <= EMPTY_BYTES;
  return [...packets.keys()].filter((place) => isEmpty(packets[place]) && isEmpty(packets.at(place - 1)));
}

/** The second of two rounds, so that the loop closes without a seam. */
async function encodeLoop(pcm: Int16Array, dtx: boolean): Promise<Buffer[]> {
  const encoder = await createEncoder({
    channels: 1,
    sampleRate: RATE,
    frameSize: FRAME_SAMPLES,
    application: Application.Voip,
    bitrate: 32_000,
    complexity: 5,
    dtx,
  });
  try {
    const packets: Buffer[] = [];
    const frames = pcm.length / FRAME_SAMPLES;
    for (let frame = 0; frame < 2 * frames; frame++) {
      const from = (frame % frames) * FRAME_SAMPLES;
      packets.push(Buffer.from(encoder.encode(pcm.slice(from, from + FRAME_SAMPLES))));
    }
    return packets.slice(frames);
  } finally {
    encoder.free();
  }
}

/** -1 to 1, the same for each run (mulberry32). */
function noise(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x8000_0000 - 1;
  };
}
