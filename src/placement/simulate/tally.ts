/** What comes of a day under one rule, counted as it goes: latencies by country, seats by region, money, refusals. */
import type { RefusalCode } from '../plan-types.ts';

const BIN_MS = 2;
/** Up to six seconds; what is slower is counted there. */
const BINS = 3_000;

export interface Quantiles {
  /** ms; null of nobody. */
  readonly p50: number | null;
  readonly p95: number | null;
  readonly mean: number | null;
}

export class Tally {
  readonly countries: number;
  readonly sites: number;
  /** Country c's bin b at c * BINS + b. */
  readonly #bins: Uint32Array;
  readonly #sums: Float64Array;
  readonly placedOf: Uint32Array;
  readonly refusedOf: Uint32Array;
  /** Calls of country c on core site s at c * sites + s. */
  readonly flows: Uint32Array;
  readonly refusals = new Map<RefusalCode, number>();
  /** Most sessions at a time by core site. */
  readonly peaks: Int32Array;
  /** Sessions by core site at each sample. */
  readonly samples: number[][] = [];
  cents = 0;
  /** Minutes whose price is known, and all. */
  pricedMinutes = 0;
  minutes = 0;
  /** Of a lost region: calls that ran elsewhere on, and calls that ended. */
  moved = 0;
  ended = 0;

  constructor(countries: number, sites: number) {
    this.countries = countries;
    this.sites = sites;
    this.#bins = new Uint32Array(countries * BINS);
    this.#sums = new Float64Array(countries);
    this.placedOf = new Uint32Array(countries);
    this.refusedOf = new Uint32Array(countries);
    this.flows = new Uint32Array(countries * sites);
    this.peaks = new Int32Array(sites);
  }

  get placed(): number {
    return this.placedOf.reduce((sum, count) => sum + count, 0);
  }

  get refused(): number {
    return this.refusedOf.reduce((sum, count) => sum + count, 0);
  }

  place(country: number, site: number, ms: number, minutes: number, cents: number | null): void {
    const bin = Math.min(BINS - 1, Math.floor(ms / BIN_MS));
    this.#bins[country * BINS + bin]!++;
    this.#sums[country]! += ms;
    this.placedOf[country]!++;
    this.flows[country * this.sites + site]!++;
    this.minutes += minutes;
    if (cents === null) return;
    this.pricedMinutes += minutes;
    this.cents += cents * minutes;
  }

  refuse(country: number, code: RefusalCode): void {
    this.refusedOf[country]!++;
    this.refusals.set(code, (this.refusals.get(code) ?? 0) + 1);
  }

  peak(site: number, sessions: number): void {
    if (sessions > this.peaks[site]!) this.peaks[site] = sessions;
  }

  /** Of one country, or of all. */
  quantiles(country: number | null): Quantiles {
    const bins = new Float64Array(BINS);
    let count = 0;
    let sum = 0;
    for (let each = country ?? 0; each < (country === null ? this.countries : country + 1); each++) {
      for (let bin = 0; bin < BINS; bin++) bins[bin]! += this.#bins[each * BINS + bin]!;
      count += this.placedOf[each]!;
      sum += this.#sums[each]!;
    }
    if (count === 0) return { p50: null, p95: null, mean: null };
    return { p50: quantile(bins, count, 0.5), p95: quantile(bins, count, 0.95), mean: sum / count };
  }

  /** For another end of the same day: what has been counted stays, peaks begin anew. */
  copy(): Tally {
    const copy = new Tally(this.countries, this.sites);
    copy.#bins.set(this.#bins);
    copy.#sums.set(this.#sums);
    copy.placedOf.set(this.placedOf);
    copy.refusedOf.set(this.refusedOf);
    copy.flows.set(this.flows);
    for (const [code, count] of this.refusals) copy.refusals.set(code, count);
    copy.samples.push(...this.samples);
    copy.cents = this.cents;
    copy.pricedMinutes = this.pricedMinutes;
    copy.minutes = this.minutes;
    return copy;
  }
}

/** Middle of the bin in which the share of all is reached, ms. */
function quantile(bins: Float64Array, count: number, share: number): number {
  let seen = 0;
  for (const [bin, inBin] of bins.entries()) {
    seen += inBin;
    if (seen >= share * count) return (bin + 0.5) * BIN_MS;
  }
  return BINS * BIN_MS;
}
