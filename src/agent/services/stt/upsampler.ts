/**
 * 16 kHz to 24 kHz for services that take nothing else: three outputs for two inputs, each a windowed sinc over sixteen
 * inputs. State is kept across calls; `flush` ends a stream and begins another one.
 */
const HALF_TAPS = 8;
const TAPS = 2 * HALF_TAPS;
/** Outputs lie at these thirds between inputs, in turns. */
const THIRDS = [0, 2, 1] as const;
const KERNELS: readonly Float32Array[] = THIRDS.map(kernel);

export class Upsampler {
  /** Inputs that later outputs need: `HALF_TAPS - 1` of the past before the place of the next output. */
  #input: Int16Array = new Int16Array(HALF_TAPS - 1);
  #phase = 0;
  #owed = 0;

  /** @param pcm 16 kHz @returns 24 kHz, as much as is certain */
  process(pcm: Int16Array): Int16Array {
    const input = new Int16Array(this.#input.length + pcm.length);
    input.set(this.#input);
    input.set(pcm, this.#input.length);
    this.#owed += pcm.length * 1.5;
    const output = new Int16Array(Math.ceil((input.length * 3) / 2));
    let made = 0;
    let first = 0;
    while (first + TAPS <= input.length) {
      const weights = KERNELS[this.#phase]!;
      let sum = 0;
      for (let tap = 0; tap < TAPS; tap++) sum += input[first + tap]! * weights[tap]!;
      output[made++] = Math.max(-32_768, Math.min(32_767, Math.round(sum)));
      // 0 -> 2/3 -> 4/3 -> 2: one input on, except after the first of three.
      if (this.#phase !== 0) first++;
      this.#phase = (this.#phase + 1) % 3;
    }
    this.#input = input.slice(first);
    this.#owed -= made;
    return output.subarray(0, made);
  }

  /** The rest of the stream. */
  flush(): Int16Array {
    const owed = Math.round(this.#owed);
    const rest = this.process(new Int16Array(TAPS)).slice(0, Math.max(0, owed));
    this.#input = new Int16Array(HALF_TAPS - 1);
    this.#phase = 0;
    this.#owed = 0;
    return rest;
  }
}

/** Weights of the inputs around a place `thirds` / 3 behind input `HALF_TAPS - 1`. */
function kernel(thirds: number): Float32Array {
  const weights = Float32Array.from({ length: TAPS }, (_, tap) => {
    const distance = tap - (HALF_TAPS - 1) - thirds / 3;
    const reach = distance / HALF_TAPS;
    if (Math.abs(reach) >= 1) return 0;
    // Blackman.
    const window = 0.42 + 0.5 * Math.cos(Math.PI * reach) + 0.08 * Math.cos(2 * Math.PI * reach);
    return window * (distance === 0 ? 1 : Math.sin(Math.PI * distance) / (Math.PI * distance));
  });
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return weights.map((weight) => weight / sum);
}
