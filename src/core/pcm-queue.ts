/** Mono PCM in the order of its writing, taken out in pieces of any length. Owns a copy of what was written. */
export class PcmQueue {
  #chunks: Int16Array[] = [];
  /** Chunks before this one are used up. */
  #first = 0;
  /** Samples of the first chunk that are used up. */
  #offset = 0;
  #samples = 0;

  /** Samples that wait. */
  get samples(): number {
    return this.#samples;
  }

  /** Takes the array over: the caller writes to it no more. */
  pushOwned(pcm: Int16Array): void {
    if (pcm.length === 0) return;
    this.#chunks.push(pcm);
    this.#samples += pcm.length;
  }

  /** Fills `target` from its beginning; answers with how many samples there were. */
  read(target: Int16Array): number {
    let filled = 0;
    while (filled < target.length && this.#samples > 0) {
      const chunk = this.#chunks[this.#first] as Int16Array;
      const count = Math.min(chunk.length - this.#offset, target.length - filled);
      target.set(chunk.subarray(this.#offset, this.#offset + count), filled);
      filled += count;
      this.#offset += count;
      this.#samples -= count;
      if (this.#offset === chunk.length) this.#dropFirst();
    }
    return filled;
  }

  clear(): void {
    this.#chunks = [];
    this.#first = 0;
    this.#offset = 0;
    this.#samples = 0;
  }

  #dropFirst(): void {
    this.#offset = 0;
    this.#first += 1;
    if (this.#first < 64 && this.#first < this.#chunks.length) return;
    this.#chunks.splice(0, this.#first);
    this.#first = 0;
  }
}
