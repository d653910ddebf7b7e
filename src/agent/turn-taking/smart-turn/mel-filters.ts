/**
 * The triangular mel filters of Whisper's front end: Slaney's scale (linear below 1 kHz, logarithmic above) with
 * Slaney's area normalization (Auditory Toolbox, 1998; the `mel_scale="slaney", norm="slaney"` of common toolkits).
 * Owns the table; knows nothing of frames.
 */

/** One filter: weights over the bins `firstBin`, `firstBin + 1`, ... of a power spectrum; zero elsewhere. */
export interface MelFilter {
  readonly firstBin: number;
  readonly weights: Float64Array;
}

export interface MelFilterOptions {
  /** Bins of the spectrum, from 0 Hz to half the sample rate, both included. */
  bins: number;
  filters: number;
  sampleRate: number;
}

const LINEAR_HZ_PER_MEL = 200 / 3;
const LOG_FROM_HZ = 1_000;
const LOG_FROM_MEL = LOG_FROM_HZ / LINEAR_HZ_PER_MEL;
/** Natural logarithm of the frequency's growth per mel above 1 kHz. */
const LOG_STEP = Math.log(6.4) / 27;

function toMel(hz: number): number {
  return hz < LOG_FROM_HZ ? hz / LINEAR_HZ_PER_MEL : LOG_FROM_MEL + Math.log(hz / LOG_FROM_HZ) / LOG_STEP;
}

function toHz(mel: number): number {
  return mel < LOG_FROM_MEL ? mel * LINEAR_HZ_PER_MEL : LOG_FROM_HZ * Math.exp((mel - LOG_FROM_MEL) * LOG_STEP);
}

/** The filters from low to high; together they reach from 0 Hz to half the sample rate. */
export function melFilters({ bins, filters, sampleRate }: MelFilterOptions): MelFilter[] {
  const highestHz = sampleRate / 2;
  const binHz = highestHz / (bins - 1);
  const edge = (index: number) => toHz((toMel(highestHz) * index) / (filters + 1));
  return Array.from({ length: filters }, (_, index) => {
    const [low, center, high] = [edge(index), edge(index + 1), edge(index + 2)];
    const firstBin = Math.ceil(low / binHz);
    const lastBin = Math.min(bins - 1, Math.floor(high / binHz));
    const weights = new Float64Array(Math.max(0, lastBin - firstBin + 1));
    for (let offset = 0; offset < weights.length; offset++) {
      const hz = (firstBin + offset) * binHz;
      const height = Math.max(0, Math.min((hz - low) / (center - low), (high - hz) / (high - center)));
      weights[offset] = (height * 2) / (high - low);
    }
    return { firstBin, weights };
  });
}
