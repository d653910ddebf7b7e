/**
 * Hears numbers in sound, 20 ms at a time: each piece is one number, silence or none of both, and a run of pieces of one
 * number is a word. What is told of a word is how much of it was there, so that half a word is known as one.
 */
import { TONES } from './number-sound.ts';

export const PIECE_MS = 20;
/** Of a piece that counts as sound; full scale 32768. */
const LOUD_RMS = 700;
/** A tone must be so much stronger than the next one of its digit. */
const CLEAR = 2;
/** Pieces of silence in the middle of a word that do not end it: a frame that came late, and less than a pause. */
const MOST_SILENT = 4;

export interface HeardNumber {
  /** Null: sound that is no number. */
  readonly number: number | null;
  /** Samples of the stream: of the first piece's first, and behind the last piece's last. */
  readonly start: number;
  readonly end: number;
  /** Of pieces that were this number. */
  readonly ms: number;
}

interface OpenWord {
  number: number | null;
  start: number;
  end: number;
  pieces: number;
  silent: number;
}

export class NumberEar {
  readonly #heard: (word: HeardNumber) => void;
  readonly #samples: number;
  readonly #coefficients: readonly Float64Array[];
  readonly #piece: Int16Array;
  #filled = 0;
  #position = 0;
  #open: OpenWord | null = null;

  constructor(sampleRate: number, heard: (word: HeardNumber) => void) {
    this.#heard = heard;
    this.#samples = (sampleRate * PIECE_MS) / 1_000;
    this.#piece = new Int16Array(this.#samples);
    this.#coefficients = TONES.map(({ first, step }) =>
      Float64Array.from(
        { length: 10 },
        (_, digit) => 2 * Math.cos((2 * Math.PI * (first + step * digit)) / sampleRate),
      ),
    );
  }

  /** Samples heard. */
  get position(): number {
    return this.#position + this.#filled;
  }

  /** The word that has begun and is not known to be over. */
  get open(): HeardNumber | null {
    return this.#open === null ? null : told(this.#open);
  }

  append(pcm: Int16Array): void {
    for (let at = 0; at < pcm.length; ) {
      const taken = Math.min(pcm.length - at, this.#samples - this.#filled);
      this.#piece.set(pcm.subarray(at, at + taken), this.#filled);
      this.#filled += taken;
      at += taken;
      if (this.#filled === this.#samples) this.#take();
    }
  }

  /** Nothing was heard for so many samples. */
  skip(samples: number): void {
    this.#filled = 0;
    this.#position += samples;
    this.#end();
  }

  #take(): void {
    const start = this.#position;
    this.#filled = 0;
    this.#position += this.#samples;
    const sound = this.#hear();
    const open = this.#open;
    if (sound === 'silence') {
      if (open !== null && open.silent++ === MOST_SILENT) this.#end();
      return;
    }
    if (open !== null && sound === open.number) {
      open.pieces += 1;
      open.end = this.#position;
      open.silent = 0;
      return;
    }
    // The edge of a word may sound like none; it is no word by itself, and is told as what it is.
    this.#end();
    this.#open = { number: sound, start, end: this.#position, pieces: 1, silent: 0 };
  }

  #end(): void {
    const open = this.#open;
    this.#open = null;
    if (open !== null) this.#heard(told(open));
  }

  #hear(): number | null | 'silence' {
    const piece = this.#piece;
    let energy = 0;
    for (let index = 0; index < piece.length; index++) energy += piece[index]! * piece[index]!;
    if (energy < LOUD_RMS * LOUD_RMS * piece.length) return 'silence';
    let number = 0;
    for (const coefficients of this.#coefficients) {
      let [best, second, digit] = [0, 0, 0];
      for (let candidate = 0; candidate < 10; candidate++) {
        const power = goertzel(piece, coefficients[candidate]!);
        if (power > best) {
          second = best;
          best = power;
          digit = candidate;
        } else if (power > second) second = power;
      }
      // Of three tones none is far below the others.
      if (best < CLEAR * second || best < 0.05 * energy * piece.length) return null;
      number = number * 10 + digit;
    }
    return number;
  }
}

function told({ number, start, end, pieces }: OpenWord): HeardNumber {
  return { number, start, end, ms: pieces * PIECE_MS };
}

/** Squared magnitude at one frequency. */
function goertzel(piece: Int16Array, coefficient: number): number {
  let before = 0;
  let beforeThat = 0;
  for (let index = 0; index < piece.length; index++) {
    const now = piece[index]! + coefficient * before - beforeThat;
    beforeThat = before;
    before = now;
  }
  return before * before + beforeThat * beforeThat - coefficient * before * beforeThat;
}
