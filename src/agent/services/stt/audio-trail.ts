/**
 * The audio of a stream that is not words yet: what a new connection must be sent again, and where on the present
 * connection's own time line each sample lies, which differs from the stream's by silence and by repetition.
 */
interface Stretch {
  readonly bytes: Buffer;
  /** Samples of the stream before it. */
  readonly position: number;
  /** Samples of the connection before it; null until it is sent there. */
  sentAt: number | null;
}

const BYTES_A_SAMPLE = 2;

export class AudioTrail {
  readonly #maxSamples: number;
  #stretches: Stretch[] = [];
  #samples = 0;
  #position = 0;
  /** Stream minus connection, samples, of the last stretch that was let go. */
  #lastShift = 0;

  /** @param maxSamples the oldest are let go above it */
  constructor(maxSamples: number) {
    this.#maxSamples = maxSamples;
  }

  /** Samples of the stream so far. */
  get position(): number {
    return this.#position;
  }

  /** Samples kept. */
  get length(): number {
    return this.#samples;
  }

  /** Keep a copy of `pcm`, as 16 bit little-endian. */
  append(pcm: Int16Array): Stretch {
    const bytes = Buffer.from(Buffer.from(pcm.buffer, pcm.byteOffset, pcm.byteLength));
    const stretch: Stretch = { bytes, position: this.#position, sentAt: null };
    this.#stretches.push(stretch);
    this.#samples += pcm.length;
    this.#position += pcm.length;
    while (this.#samples > this.#maxSamples && this.#stretches.length > 1) this.#letGo(this.#stretches.shift()!);
    return stretch;
  }

  /** Everything kept, oldest first, to be sent on a new connection. */
  forNewConnection(): readonly Stretch[] {
    for (const stretch of this.#stretches) stretch.sentAt = null;
    this.#lastShift = this.#stretches[0]?.position ?? this.#position;
    return this.#stretches;
  }

  /** Sound up to this sample of the connection needs no repetition. */
  settle(connectionSamples: number): void {
    for (;;) {
      const first = this.#stretches[0];
      if (first === undefined || first.sentAt === null || first.sentAt >= connectionSamples) return;
      const count = first.bytes.length / BYTES_A_SAMPLE;
      const done = Math.min(count, Math.floor(connectionSamples - first.sentAt));
      if (done === 0) return;
      this.#stretches.shift();
      this.#letGo(first);
      if (done === count) continue;
      const rest = {
        bytes: first.bytes.subarray(done * BYTES_A_SAMPLE),
        position: first.position + done,
        sentAt: first.sentAt + done,
      };
      this.#stretches.unshift(rest);
      this.#samples += count - done;
    }
  }

  /** Forget all; the stream's time goes on. */
  clear(): void {
    for (const stretch of this.#stretches) this.#letGo(stretch);
    this.#stretches = [];
  }

  /** Where in the stream a sample of the connection lies. */
  toStream(connectionSamples: number): number {
    for (let index = this.#stretches.length - 1; index >= 0; index--) {
      const { sentAt, position } = this.#stretches[index]!;
      if (sentAt !== null && sentAt <= connectionSamples) return connectionSamples - sentAt + position;
    }
    return Math.max(0, connectionSamples + this.#lastShift);
  }

  #letGo(stretch: Stretch): void {
    this.#samples -= stretch.bytes.length / BYTES_A_SAMPLE;
    if (stretch.sentAt !== null) this.#lastShift = stretch.position - stretch.sentAt;
  }
}
