/**
 * The mark that a light caller puts into what it says: a short linear sweep. It has one sharp correlation peak whatever
 * codec it went through.
 */

/** Hz at which the received audio is decoded and searched: the sweep fits below half of it, and search costs its square. */
export const PROBE_RATE = 8_000;
/** Samples of a 20 ms frame at PROBE_RATE. */
export const PROBE_FRAME_SAMPLES = 160;

export const CHIRP_MS = 20;
const CHIRP_FROM_HZ = 500;
const CHIRP_TO_HZ = 3_500;
const AMPLITUDE = 9_000;

/** The chirp at `rate`: a linear sweep under a raised cosine. */
export function chirp(rate: number): Float32Array {
  const length = Math.round((CHIRP_MS * rate) / 1_000);
  const seconds = CHIRP_MS / 1_000;
  return Float32Array.from({ length }, (_, index) => {
    const t = index / rate;
    const phase = 2 * Math.PI * (CHIRP_FROM_HZ * t + ((CHIRP_TO_HZ - CHIRP_FROM_HZ) * t * t) / (2 * seconds));
    return AMPLITUDE * Math.sin(phase) * (0.5 - 0.5 * Math.cos((2 * Math.PI * index) / (length - 1)));
  });
}
