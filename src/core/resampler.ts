/**
 * Changes the sample rate of a mono stream by any ratio: windowed-sinc interpolation (Kaiser, beta 8) from a table of
 * 256 phases. State is kept across calls, so a stream may be cut anywhere. Owns no codec; libopus's own rates never
 * come here.
 */

const PHASES = 256;
/** Input samples on each side of an output sample when the rate goes up. */
const HALF_TAPS = 16;
const KAISER_BETA = 8;
/** Share of the lower Nyquist frequency that passes. */
const PASS_SHARE = 0.92;

export class Resampler {
  readonly #step: number;
  readonly #half: number;
  readonly #taps: number;
  readonly #table: Float32Array;
  /** Input not consumed yet, with `#half` samples of past before `#position`. */
  #input: Float32Array;
  #length: number;
  /** Where in `#input` the next output sample lies. */
  #position: number;
  #received = 0;
  #produced = 0;
  readonly #ratio: number;

  /** @param fromRate Hz @param toRate Hz */
  constructor(fromRate: number, toRate: number) {
    this.#ratio = toRate / fromRate;
    this.#step = fromRate / toRate;
    const cutoff = PASS_SHARE * Math.min(1, this.#ratio);
    this.#half = Math.ceil(HALF_TAPS / Math.min(1, this.#ratio));
    this.#taps = this.#half * 2;
    this.#table = this.#ratio >= 1 ? UPWARD_TABLE : sincTable(this.#half, cutoff);
    this.#input = new Float32Array(4_096);
    this.#length = this.#half;
    this.#position = this.#half;
  }

  /** All output that the input so far allows; the last few samples wait for what follows them. */
  process(pcm: Int16Array): Int16Array {
    this.#received += pcm.length;
    this.#append(pcm);
    const available = this.#length - this.#half;
    const count = Math.max(0, Math.ceil((available - this.#position) / this.#step));
    const output = new Int16Array(count);
    for (let index = 0; index < count; index++) {
      output[index] = this.#sample(this.#position + index * this.#step);
    }
    this.#position += count * this.#step;
    this.#produced += count;
    this.#forget();
    return output;
  }

  /** What still waits; the stream as a whole then has the length of the input times the ratio. */
  finish(): Int16Array {
    const missing = Math.max(0, Math.round(this.#received * this.#ratio) - this.#produced);
    const tail = this.process(new Int16Array(this.#half + Math.ceil(this.#step) + 1));
    return tail.subarray(0, Math.min(missing, tail.length));
  }

  #sample(at: number): number {
    const whole = Math.floor(at);
    const scaled = (at - whole) * PHASES;
    const phase = Math.floor(scaled);
    const between = scaled - phase;
    const low = phase * this.#taps;
    const high = low + this.#taps;
    const first = whole - this.#half + 1;
    const input = this.#input;
    const table = this.#table;
    let sumLow = 0;
    let sumHigh = 0;
    for (let tap = 0; tap < this.#taps; tap++) {
      const sample = input[first + tap] as number;
      sumLow += sample * (table[low + tap] as number);
      sumHigh += sample * (table[high + tap] as number);
    }
    const value = sumLow + (sumHigh - sumLow) * between;
    return value > 32_767 ? 32_767 : value < -32_768 ? -32_768 : Math.round(value);
  }

  #append(pcm: Int16Array): void {
    const needed = this.#length + pcm.length;
    if (needed > this.#input.length) {
      const larger = new Float32Array(Math.max(needed, this.#input.length * 2));
      larger.set(this.#input.subarray(0, this.#length));
      this.#input = larger;
    }
    this.#input.set(pcm, this.#length);
    this.#length = needed;
  }

  #forget(): void {
    const used = Math.floor(this.#position) - this.#half;
    if (used <= 0) return;
    this.#input.copyWithin(0, used, this.#length);
    this.#length -= used;
    this.#position -= used;
  }
}

/** PHASES + 1 rows of 2 x half taps: row p weighs the samples around a point p / PHASES behind a sample. */
function sincTable(half: number, cutoff: number): Float32Array {
  const taps = half * 2;
  const table = new Float32Array((PHASES + 1) * taps);
  const norm = besselI0(KAISER_BETA);
  for (let phase = 0; phase <= PHASES; phase++) {
    let sum = 0;
    for (let tap = 0; tap < taps; tap++) {
      const distance = tap - half + 1 - phase / PHASES;
      const edge = distance / half;
      const window = Math.abs(edge) >= 1 ? 0 : besselI0(KAISER_BETA * Math.sqrt(1 - edge * edge)) / norm;
      const angle = Math.PI * distance * cutoff;
      const weight = window * (distance === 0 ? 1 : Math.sin(angle) / angle);
      table[phase * taps + tap] = weight;
      sum += weight;
    }
    for (let tap = 0; tap < taps; tap++) {
      const at = phase * taps + tap;
      table[at] = (table[at] as number) / sum;
    }
  }
  return table;
}

/** Modified Bessel function of the first kind, order zero, by its power series. */
function besselI0(x: number): number {
  let sum = 1;
  let term = 1;
  for (let k = 1; k < 40; k++) {
    term *= (x / (2 * k)) ** 2;
    sum += term;
  }
  return sum;
}

/** The weights of every upward ratio: the cut-off is the input's own. */
const UPWARD_TABLE = sincTable(HALF_TAPS, PASS_SHARE);
