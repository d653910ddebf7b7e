/**
 * Chance that can be repeated: a stream of numbers from a seed, and normal draws by name, so that the same call sees
 * the same weather whichever rule places it. Owns no meaning of what is drawn.
 */

/** The standard normal distribution's 95th percentile. */
export const Z95 = 1.6448536269514722;

const TABLE_BITS = 16;
const TABLE_SIZE = 1 << TABLE_BITS;

/** Mulberry32: 32 bits of state, 0..1; gist.github.com/tommyettinger/46a874533244883189143505d203312c */
export class RandomStream {
  #state: number;

  constructor(seed: number) {
    this.#state = mix(seed | 0);
  }

  /** 0 to 1, without 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  }

  /** A whole number from 0 to `count` - 1. */
  below(count: number): number {
    return Math.floor(this.next() * count);
  }

  /** Standard normal, by Box and Muller. */
  normal(): number {
    // 1 - next() is never 0.
    return Math.sqrt(-2 * Math.log(1 - this.next())) * Math.cos(2 * Math.PI * this.next());
  }
}

/**
 * Normal draws by name: the same three numbers give the same draw, in any order and as often as one asks. Looked up by
 * hash in a table of 65,536 normal numbers, half of them the others' negatives, since a million calls ask 50 million
 * times.
 */
export class NormalField {
  readonly #seed: number;
  readonly #table = new Float64Array(TABLE_SIZE);

  constructor(seed: number) {
    this.#seed = mix(seed | 0);
    const random = new RandomStream(seed ^ 0x5bd1e995);
    for (let index = 0; index < TABLE_SIZE; index += 2) {
      const draw = random.normal();
      this.#table[index] = draw;
      this.#table[index + 1] = -draw;
    }
  }

  at(a: number, b: number, c = 0): number {
    return this.#table[
      mix(mix(mix(this.#seed ^ a) ^ Math.imul(b, 0x9e3779b1)) ^ Math.imul(c, 0x85ebca6b)) >>> TABLE_BITS
    ]!;
  }

  /** 0 to 1: who is in a share. */
  share(a: number, b: number, c = 0): number {
    const hash = mix(mix(mix(~this.#seed ^ a) ^ Math.imul(b, 0x9e3779b1)) ^ Math.imul(c, 0x85ebca6b));
    return (hash >>> 0) / 4_294_967_296;
  }
}

/** MurmurHash3's finalizer: each bit of the input changes half of the output's. */
function mix(value: number): number {
  let mixed = value ^ (value >>> 16);
  mixed = Math.imul(mixed, 0x85ebca6b);
  mixed ^= mixed >>> 13;
  mixed = Math.imul(mixed, 0xc2b2ae35);
  return mixed ^ (mixed >>> 16);
}
