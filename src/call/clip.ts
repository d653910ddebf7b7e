/**
 * A clip that a caller says: a WAV file at the rate of the microphone, cut into 10 ms frames, with the place of its
 * first and last voiced sample, because a file's leading and trailing silence is not speech.
 */
import { AntipodeError } from '../errors.ts';
import { resample } from './resample.ts';
import { readWav } from './wav.ts';

/** Hz of everything that a caller says. */
export const MICROPHONE_RATE = 48_000;
/** Samples of one microphone frame: 10 ms. */
export const MICROPHONE_FRAME_SAMPLES = 480;
/** Milliseconds of one microphone frame. */
export const MICROPHONE_FRAME_MS = 10;

/** A window is voiced when its loudness is within this many times of the loudest window's (about 34 dB). */
const RELATIVE_FLOOR = 0.02;
/** Never call anything quieter voiced: RMS of full scale 32768, about -54 dBFS. */
const ABSOLUTE_FLOOR = 64;

export interface VoicedSpan {
  /** Index of the first voiced sample. */
  first: number;
  /** Index of the last voiced sample. */
  last: number;
}

function windowRms(pcm: Int16Array, from: number, to: number): number {
  let energy = 0;
  for (let index = from; index < to; index++) energy += pcm[index]! * pcm[index]!;
  return Math.sqrt(energy / Math.max(1, to - from));
}

/** Where speech begins and ends in `pcm`, judged in 10 ms windows by energy; null when there is none. */
export function voicedSpan(pcm: Int16Array, sampleRate: number): VoicedSpan | null {
  const size = Math.round(sampleRate / 100);
  const levels: number[] = [];
  for (let at = 0; at < pcm.length; at += size) levels.push(windowRms(pcm, at, Math.min(at + size, pcm.length)));
  const floor = Math.max(ABSOLUTE_FLOOR, RELATIVE_FLOOR * levels.reduce((most, level) => Math.max(most, level), 0));
  const firstWindow = levels.findIndex((level) => level >= floor);
  if (firstWindow < 0) return null;
  let first = firstWindow * size;
  while (Math.abs(pcm[first]!) < floor) first++;
  let last = Math.min(pcm.length, (levels.findLastIndex((level) => level >= floor) + 1) * size) - 1;
  while (Math.abs(pcm[last]!) < floor) last--;
  return { first, last };
}

export interface Clip {
  path: string;
  /** 10 ms each, 480 samples at 48 kHz; the last one is filled up with silence. Shared by all calls: never written. */
  frames: readonly Int16Array[];
  /** In samples of the whole clip at 48 kHz. */
  voiced: VoicedSpan;
}

/** @throws AntipodeError ERR_REQUEST_MALFORMED when `pcm` holds no speech */
export function makeClip(path: string, pcm: Int16Array, sampleRate: number): Clip {
  const samples = resample(pcm, sampleRate, MICROPHONE_RATE);
  const voiced = voicedSpan(samples, MICROPHONE_RATE);
  if (!voiced) throw new AntipodeError('ERR_REQUEST_MALFORMED', `${path}: holds nothing but silence`, { path });
  const frames: Int16Array[] = [];
  for (let at = 0; at < samples.length; at += MICROPHONE_FRAME_SAMPLES) {
    const frame = new Int16Array(MICROPHONE_FRAME_SAMPLES);
    frame.set(samples.subarray(at, at + MICROPHONE_FRAME_SAMPLES));
    frames.push(frame);
  }
  return { path, frames, voiced };
}

/** The clip from the frame of its first voiced sample on. */
export function withoutLead(clip: Clip): Clip {
  const skipped = Math.floor(clip.voiced.first / MICROPHONE_FRAME_SAMPLES);
  const samples = skipped * MICROPHONE_FRAME_SAMPLES;
  const voiced = { first: clip.voiced.first - samples, last: clip.voiced.last - samples };
  return { path: clip.path, frames: clip.frames.slice(skipped), voiced };
}

/** Read and prepare a WAV file. @throws AntipodeError ERR_REQUEST_MALFORMED that names the file and its trouble */
export async function loadClip(path: string): Promise<Clip> {
  const { pcm, sampleRate } = await readWav(path);
  return makeClip(path, pcm, sampleRate);
}
