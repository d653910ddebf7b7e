/**
 * The discrete Fourier transform of a fixed length whose prime factors are 2 and 5, in place of a general library:
 * Stockham's self-sorting form in passes of radix 5, 4 and 2, with all factors computed once. Owns its scratch buffers,
 * so one instance serves one caller at a time.
 */

/** A pass takes `n = radix * m` points at stride `s`; cos and sin hold `radix - 1` factors for each of `m` positions. */
interface Pass {
  readonly radix: 2 | 4 | 5;
  readonly m: number;
  readonly s: number;
  readonly cos: Float64Array;
  readonly sin: Float64Array;
}

const C1 = Math.cos((2 * Math.PI) / 5);
const C2 = Math.cos((4 * Math.PI) / 5);
const S1 = Math.sin((2 * Math.PI) / 5);
const S2 = Math.sin((4 * Math.PI) / 5);

export class Fourier {
  readonly length: number;
  /** Real and imaginary part: the input before `transform`, the output after it; both of `length`. */
  re: Float64Array;
  im: Float64Array;
  #otherRe: Float64Array;
  #otherIm: Float64Array;
  readonly #passes: readonly Pass[];

  /** @throws RangeError when `length` has a prime factor other than 2 and 5 */
  constructor(length: number) {
    this.length = length;
    this.re = new Float64Array(length);
    this.im = new Float64Array(length);
    this.#otherRe = new Float64Array(length);
    this.#otherIm = new Float64Array(length);
    this.#passes = planPasses(length);
  }

  /** X[k] = sum over n of x[n] exp(-2 pi i k n / length), not scaled. Swaps the buffers: read `re` and `im` anew. */
  transform(): void {
    for (const pass of this.#passes) {
      if (pass.radix === 5) radix5(pass, this.re, this.im, this.#otherRe, this.#otherIm);
      else if (pass.radix === 4) radix4(pass, this.re, this.im, this.#otherRe, this.#otherIm);
      else radix2(pass, this.re, this.im, this.#otherRe, this.#otherIm);
      const { re, im } = this;
      this.re = this.#otherRe;
      this.im = this.#otherIm;
      this.#otherRe = re;
      this.#otherIm = im;
    }
  }
}

function planPasses(length: number): Pass[] {
  const passes: Pass[] = [];
  let n = length;
  let s = 1;
  while (n > 1) {
    const radix = n % 5 === 0 ? 5 : n % 4 === 0 ? 4 : n % 2 === 0 ? 2 : null;
    if (radix === null) throw new RangeError(`No transform of length ${length}: only 2 and 5 may divide it.`);
    const m = n / radix;
    const cos = new Float64Array(m * (radix - 1));
    const sin = new Float64Array(m * (radix - 1));
    for (let p = 0; p < m; p++) {
      for (let j = 1; j < radix; j++) {
        const angle = (-2 * Math.PI * p * j) / n;
        cos[p * (radix - 1) + j - 1] = Math.cos(angle);
        sin[p * (radix - 1) + j - 1] = Math.sin(angle);
      }
    }
    passes.push({ radix, m, s, cos, sin });
    n = m;
    s *= radix;
  }
  return passes;
}

function radix2(pass: Pass, xr: Float64Array, xi: Float64Array, yr: Float64Array, yi: Float64Array): void {
  const { m, s, cos, sin } = pass;
  for (let p = 0; p < m; p++) {
    const wr = cos[p]!;
    const wi = sin[p]!;
    for (let q = 0; q < s; q++) {
      const from = q + s * p;
      const to = q + s * 2 * p;
      const dr = xr[from]! - xr[from + s * m]!;
      const di = xi[from]! - xi[from + s * m]!;
      yr[to] = xr[from]! + xr[from + s * m]!;
      yi[to] = xi[from]! + xi[from + s * m]!;
      yr[to + s] = dr * wr - di * wi;
      yi[to + s] = dr * wi + di * wr;
    }
  }
}

function radix4(pass: Pass, xr: Float64Array, xi: Float64Array, yr: Float64Array, yi: Float64Array): void {
  const { m, s, cos, sin } = pass;
  const step = s * m;
  for (let p = 0; p < m; p++) {
    const w1r = cos[3 * p]!;
    const w2r = cos[3 * p + 1]!;
    const w3r = cos[3 * p + 2]!;
    const w1i = sin[3 * p]!;
    const w2i = sin[3 * p + 1]!;
    const w3i = sin[3 * p + 2]!;
    for (let q = 0; q < s; q++) {
      const from = q + s * p;
      const to = q + s * 4 * p;
      const sumR = xr[from]! + xr[from + 2 * step]!;
      const sumI = xi[from]! + xi[from + 2 * step]!;
      const difR = xr[from]! - xr[from + 2 * step]!;
      const difI = xi[from]! - xi[from + 2 * step]!;
      const oddR = xr[from + step]! + xr[from + 3 * step]!;
      const oddI = xi[from + step]! + xi[from + 3 * step]!;
      // -i times the difference of the odd ones
      const rotR = xi[from + step]! - xi[from + 3 * step]!;
      const rotI = xr[from + 3 * step]! - xr[from + step]!;
      yr[to] = sumR + oddR;
      yi[to] = sumI + oddI;
      const b1r = difR + rotR;
      const b1i = difI + rotI;
      const b2r = sumR - oddR;
      const b2i = sumI - oddI;
      const b3r = difR - rotR;
      const b3i = difI - rotI;
      yr[to + s] = b1r * w1r - b1i * w1i;
      yi[to + s] = b1r * w1i + b1i * w1r;
      yr[to + 2 * s] = b2r * w2r - b2i * w2i;
      yi[to + 2 * s] = b2r * w2i + b2i * w2r;
      yr[to + 3 * s] = b3r * w3r - b3i * w3i;
      yi[to + 3 * s] = b3r * w3i + b3i * w3r;
    }
  }
}

function radix5(pass: Pass, xr: Float64Array, xi: Float64Array, yr: Float64Array, yi: Float64Array): void {
  const { m, s, cos, sin } = pass;
  const step = s * m;
  for (let p = 0; p < m; p++) {
    const w1r = cos[4 * p]!;
    const w2r = cos[4 * p + 1]!;
    const w3r = cos[4 * p + 2]!;
    const w4r = cos[4 * p + 3]!;
    const w1i = sin[4 * p]!;
    const w2i = sin[4 * p + 1]!;
    const w3i = sin[4 * p + 2]!;
    const w4i = sin[4 * p + 3]!;
    for (let q = 0; q < s; q++) {
      const from = q + s * p;
      const to = q + s * 5 * p;
      const r0 = xr[from]!;
      const i0 = xi[from]!;
      const aR = xr[from + step]! + xr[from + 4 * step]!;
      const aI = xi[from + step]! + xi[from + 4 * step]!;
      const bR = xr[from + step]! - xr[from + 4 * step]!;
      const bI = xi[from + step]! - xi[from + 4 * step]!;
      const cR = xr[from + 2 * step]! + xr[from + 3 * step]!;
      const cI = xi[from + 2 * step]! + xi[from + 3 * step]!;
      const dR = xr[from + 2 * step]! - xr[from + 3 * step]!;
      const dI = xi[from + 2 * step]! - xi[from + 3 * step]!;
      yr[to] = r0 + aR + cR;
      yi[to] = i0 + aI + cI;
      const e1R = r0 + C1 * aR + C2 * cR;
      const e1I = i0 + C1 * aI + C2 * cI;
      const e2R = r0 + C2 * aR + C1 * cR;
      const e2I = i0 + C2 * aI + C1 * cI;
      const o1R = S1 * bI + S2 * dI;
      const o1I = -(S1 * bR + S2 * dR);
      const o2R = S2 * bI - S1 * dI;
      const o2I = -(S2 * bR - S1 * dR);
      const y1r = e1R + o1R;
      const y1i = e1I + o1I;
      const y2r = e2R + o2R;
      const y2i = e2I + o2I;
      const y3r = e2R - o2R;
      const y3i = e2I - o2I;
      const y4r = e1R - o1R;
      const y4i = e1I - o1I;
      yr[to + s] = y1r * w1r - y1i * w1i;
      yi[to + s] = y1r * w1i + y1i * w1r;
      yr[to + 2 * s] = y2r * w2r - y2i * w2i;
      yi[to + 2 * s] = y2r * w2i + y2i * w2r;
      yr[to + 3 * s] = y3r * w3r - y3i * w3i;
      yi[to + 3 * s] = y3r * w3i + y3i * w3r;
      yr[to + 4 * s] = y4r * w4r - y4i * w4i;
      yi[to + 4 * s] = y4r * w4i + y4i * w4r;
    }
  }
}
