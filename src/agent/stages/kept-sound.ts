/**
 * The last seconds of a caller's sound, in blocks that are used again: frames that were kept by themselves would outlive
 * the young generation of the heap, fifty a second and call, and be collected as old. Owns the blocks, not how long
 * anything is kept.
 */

/** Half a second at 16 kHz. */
const BLOCK_SAMPLES = 8_000;
/** What was kept is given as it came: 20 ms at a time. */
const PIECE_SAMPLES = 320;

interface Block {
  /** Stream position (samples) of its first sample. */
  start: number;
  filled: number;
  readonly pcm: Int16Array;
}

export class KeptSound {
  readonly #blocks: Block[] = [];
  #spare: Block | null = null;
  #end = 0;

  /** Position of the oldest sample that is kept; of the next one when none is. */
  get start(): number {
    return this.#blocks[0]?.start ?? this.#end;
  }

  /** Position after the newest sample. */
  get end(): number {
    return this.#end;
  }

  /** @param position of the first sample; a hole before it is nothing that was heard */
  write(pcm: Int16Array, position: number): void {
    if (position !== this.#end) this.clear();
    this.#end = position;
    for (let from = 0; from < pcm.length; ) {
      const block = this.#lastWithRoom();
      const count = Math.min(pcm.length - from, BLOCK_SAMPLES - block.filled);
      block.pcm.set(pcm.subarray(from, from + count), block.filled);
      block.filled += count;
      from += count;
      this.#end += count;
    }
  }

  /** Forget whole blocks from before `position`. */
  dropBefore(position: number): void {
    for (let first = this.#blocks[0]; first !== undefined; first = this.#blocks[0]) {
      if (first.start + first.filled > position || first.filled < BLOCK_SAMPLES) return;
      this.#spare = this.#blocks.shift()!;
    }
  }

  /** Pieces from `position` on, in order; each is read at once or copied: it will be written over. */
  *since(position: number): Iterable<Int16Array> {
    for (const { start, filled, pcm } of this.#blocks) {
      const first = Math.max(0, position - start);
      for (let from = first; from < filled; from += PIECE_SAMPLES) {
        yield pcm.subarray(from, Math.min(filled, from + PIECE_SAMPLES));
      }
    }
  }

  clear(): void {
    this.#spare ??= this.#blocks[0] ?? null;
    this.#blocks.length = 0;
  }

  #lastWithRoom(): Block {
    const last = this.#blocks.at(-1);
    if (last !== undefined && last.filled < BLOCK_SAMPLES) return last;
    const block = this.#spare ?? { start: 0, filled: 0, pcm: new Int16Array(BLOCK_SAMPLES) };
    this.#spare = null;
    block.start = this.#end;
    block.filled = 0;
    this.#blocks.push(block);
    return block;
  }
}
