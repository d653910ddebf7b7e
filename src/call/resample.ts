/**
 * Offline resampling of short clips: a linear-phase windowed sinc, so that no sample moves in time and the voiced span
 * of a clip stays where it was. For files before a call only; live audio is no business of this file.
 */

/** Zero crossings of the sinc on each side of its middle. */
const LOBES = 16;

/** Blackman window over -1..1. */
function blackman(x: number): number {
  return 0.42 + 0.5 * Math.cos(Math.PI * x) + 0.08 * Math.cos(2 * Math.PI * x);
}

function sinc(x: number): number {
  return x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
}

/**
 * @param pcm mono, full scale +-32768
 * @param from Hz of `pcm`
 * @param to Hz of the answer
 */
export function resample(pcm: Int16Array, from: number, to: number): Int16Array {
  if (from === to) return pcm;
  const out = new Int16Array(Math.round((pcm.length * to) / from));
  // Below half of the lower rate, so that nothing folds back.
  const cutoff = Math.min(1, to / from);
  const reach = LOBES / cutoff;
  const side = Math.ceil(reach);
  /** Weights of the samples around a place between two of them; the places repeat. */
  const kernels = new Map<number, Float64Array>();
  const kernelAt = (phase: number): Float64Array => {
    let kernel = kernels.get(phase);
    if (!kernel) {
      kernel = Float64Array.from({ length: 2 * side + 1 }, (_, tap) => {
        const distance = tap - side - phase / to;
        return Math.abs(distance) > reach ? 0 : cutoff * sinc(distance * cutoff) * blackman(distance / reach);
      });
      kernels.set(phase, kernel);
    }
    return kernel;
  };
  for (let index = 0; index < out.length; index++) {
    const phase = (index * from) % to;
    const before = (index * from - phase) / to;
    const kernel = kernelAt(phase);
    const last = Math.min(2 * side, pcm.length - 1 - before + side);
    let sum = 0;
    for (let tap = Math.max(0, side - before); tap <= last; tap++) sum += pcm[before + tap - side]! * kernel[tap]!;
    out[index] = Math.max(-32_768, Math.min(32_767, Math.round(sum)));
  }
  return out;
}
