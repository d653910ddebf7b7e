/** Both sides of a spoken call on one time line, 16 kHz mono, to be listened to and looked into afterwards. */

/** Hz of a tape. */
export const TAPE_RATE = 16_000;
/** A side that comes later than this after what it said before has been silent between. */
const HOLE_SAMPLES = TAPE_RATE / 10;
const CHUNK_SAMPLES = 10 * TAPE_RATE;

class Side {
  #samples = new Int16Array(CHUNK_SAMPLES);
  #length = 0;

  /** @param at sample of the time line at which it came */
  write(pcm: Int16Array, at: number): void {
    if (at - this.#length > HOLE_SAMPLES) this.#length = at;
    const end = this.#length + pcm.length;
    if (end > this.#samples.length) {
      const grown = new Int16Array(Math.ceil((end * 1.5) / CHUNK_SAMPLES) * CHUNK_SAMPLES);
      grown.set(this.#samples);
      this.#samples = grown;
    }
    this.#samples.set(pcm, this.#length);
    this.#length = end;
  }

  get samples(): Int16Array {
    return this.#samples.subarray(0, this.#length);
  }
}

export class Tape {
  readonly #sides = { caller: new Side(), agent: new Side() };

  /**
   * @param pcm mono
   * @param sampleRate Hz; a multiple of 16 kHz is averaged down, others are taken by the nearest sample
   * @param atMs since the call began
   */
  write(side: 'caller' | 'agent', pcm: Int16Array, sampleRate: number, atMs: number): void {
    this.#sides[side].write(atTapeRate(pcm, sampleRate), Math.round((Math.max(0, atMs) * TAPE_RATE) / 1_000));
  }

  /** The agent's side between two moments of the call. */
  agent(fromMs: number, toMs: number): Int16Array {
    const at = (ms: number) => Math.max(0, Math.round((ms * TAPE_RATE) / 1_000));
    return this.#sides.agent.samples.slice(at(fromMs), at(toMs));
  }

  /** Both sides together. */
  get mix(): Int16Array {
    const [one, other] = [this.#sides.caller.samples, this.#sides.agent.samples];
    return Int16Array.from({ length: Math.max(one.length, other.length) }, (_, index) =>
      Math.max(-32_768, Math.min(32_767, (one[index] ?? 0) + (other[index] ?? 0))),
    );
  }
}

function atTapeRate(pcm: Int16Array, sampleRate: number): Int16Array {
  if (sampleRate === TAPE_RATE) return pcm;
  const step = sampleRate / TAPE_RATE;
  const length = Math.round(pcm.length / step);
  if (!Number.isInteger(step)) return Int16Array.from({ length }, (_, index) => pcm[Math.floor(index * step)] ?? 0);
  return Int16Array.from({ length }, (_, index) => {
    let sum = 0;
    for (let at = index * step; at < (index + 1) * step; at++) sum += pcm[at]!;
    return Math.round(sum / step);
  });
}
