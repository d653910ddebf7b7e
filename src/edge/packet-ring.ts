/**
 * The last seconds of one stream's packets, by packet number, in memory that is taken once: a byte ring for the packets
 * and slots for where they lie. Bounded by time, packets and bytes, whatever a caller sends. Owns no numbering and
 * forwards nothing.
 */

/** A packet in the ring. `packet` is a view: copy it to keep it past the next `put`. */
export interface RingPacket {
  readonly number: number;
  /** Monotonic milliseconds at which it was put. */
  readonly arrivedAtMs: number;
  readonly packet: Buffer;
}

export interface PacketRingOptions {
  /** How far back the ring reaches. */
  seconds: number;
  /**
   * Packets per second of room.
   * @defaultValue 100, Opus in frames of 10 ms
   */
  packetsPerSecond?: number;
  /**
   * Bytes per second of room, headers included; a stream that takes more is kept for less time.
   * @defaultValue 8000, Opus at 50 kbit/s with its headers
   */
  bytesPerSecond?: number;
}

const DEFAULTS = { packetsPerSecond: 100, bytesPerSecond: 8_000 } as const satisfies Partial<PacketRingOptions>;
const EMPTY = -1;

export class PacketRing {
  readonly #maxAgeMs: number;
  readonly #byteCount: number;
  readonly #slotCount: number;
  readonly #numbers: Float64Array;
  readonly #arrivedAtMs: Float64Array;
  /** Position of each packet in the endless run of bytes of which the ring holds the last `#byteCount`. */
  readonly #positions: Float64Array;
  readonly #lengths: Uint32Array;
  /** Taken at the first packet: a call that never speaks costs nothing. */
  #bytes: Buffer | null = null;
  #written = 0;
  #newest = EMPTY;

  constructor(options: PacketRingOptions) {
    this.#maxAgeMs = options.seconds * 1_000;
    this.#slotCount = Math.ceil(options.seconds * (options.packetsPerSecond ?? DEFAULTS.packetsPerSecond));
    this.#byteCount = Math.ceil(options.seconds * (options.bytesPerSecond ?? DEFAULTS.bytesPerSecond));
    this.#numbers = new Float64Array(this.#slotCount).fill(EMPTY);
    this.#arrivedAtMs = new Float64Array(this.#slotCount);
    this.#positions = new Float64Array(this.#slotCount);
    this.#lengths = new Uint32Array(this.#slotCount);
  }

  /** Highest number that was put, or -1. */
  get newest(): number {
    return this.#newest;
  }

  /** Lowest number that the slots can still hold; what lies between may have been lost or be too old. */
  get floor(): number {
    return Math.max(0, this.#newest - this.#slotCount + 1);
  }

  /**
   * Copies a packet in.
   * @param number non-negative integer; one below `floor` or longer than the ring is not kept
   * @returns whether it was kept
   */
  put(number: number, arrivedAtMs: number, packet: Buffer): boolean {
    const length = packet.length;
    if (length > this.#byteCount || number < this.floor) return false;
    this.#bytes ??= Buffer.allocUnsafeSlow(this.#byteCount);
    let offset = this.#written % this.#byteCount;
    if (offset + length > this.#byteCount) {
      this.#written += this.#byteCount - offset;
      offset = 0;
    }
    packet.copy(this.#bytes, offset);
    const slot = number % this.#slotCount;
    this.#numbers[slot] = number;
    this.#arrivedAtMs[slot] = arrivedAtMs;
    this.#positions[slot] = this.#written;
    this.#lengths[slot] = length;
    this.#written += length;
    if (number > this.#newest) this.#newest = number;
    return true;
  }

  /** Whether a packet of this number was put and its slot is still its own. */
  has(number: number): boolean {
    return number >= 0 && this.#numbers[number % this.#slotCount] === number;
  }

  /** The packet, or null when it never came, was overwritten or is older than the ring reaches back from `nowMs`. */
  get(number: number, nowMs: number): RingPacket | null {
    if (!this.#bytes || !this.has(number)) return null;
    const slot = number % this.#slotCount;
    const position = this.#positions[slot] as number;
    const arrivedAtMs = this.#arrivedAtMs[slot] as number;
    if (position < this.#written - this.#byteCount || nowMs - arrivedAtMs > this.#maxAgeMs) return null;
    const offset = position % this.#byteCount;
    return { number, arrivedAtMs, packet: this.#bytes.subarray(offset, offset + (this.#lengths[slot] as number)) };
  }
}
