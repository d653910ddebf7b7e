/**
 * Which of the caller's packets lie behind a position of the stream clock: the last ones that were decoded, in memory
 * that is taken once. Pure bookkeeping; owns no audio.
 */

/** 40 s of packets of 20 ms: more than a POP keeps. */
const LENGTH = 2_048;

export class PacketTrail {
  readonly #numbers = new Float64Array(LENGTH);
  readonly #ends = new Float64Array(LENGTH);
  #count = 0;

  /** Packet `number` was decoded, and the stream clock stands at `end` (samples) after it. Both grow. */
  add(number: number, end: number): void {
    const slot = this.#count % LENGTH;
    this.#numbers[slot] = number;
    this.#ends[slot] = end;
    this.#count += 1;
  }

  /** The newest packet all of whose sound lies before `position` (samples), or null when none is known to. */
  before(position: number): number | null {
    const oldest = Math.max(0, this.#count - LENGTH);
    let low = oldest;
    let high = this.#count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#ends[middle % LENGTH] as number) <= position) low = middle + 1;
      else high = middle;
    }
    return low === oldest ? null : (this.#numbers[(low - 1) % LENGTH] as number);
  }
}
