/**
 * Puts packets back into the order of their sequence numbers. In-order packets pass at once; a hole holds back what
 * came after it for a bounded time and is then declared lost. Owns numbers and deadlines; knows nothing of what a
 * packet holds.
 */
import { seqDelta } from '../backbone/index.ts';
import type { Clock, Timer } from '../clock.ts';

/** What comes out, synchronously from `push` or from the deadline of a hole. */
export interface ReorderSink<T> {
  /**
   * The next packet in order.
   * @param arrivedAtMs when it was pushed
   * @param lostBefore packets missing between the one before and this one
   */
  packet(item: T, arrivedAtMs: number, lostBefore: number): void;
  /** The numbering began anew: what comes next has no relation to what came before. */
  restarted(): void;
}

export interface ReorderBufferOptions<T> {
  clock: Clock;
  /** How long a hole waits after the first later packet came. */
  waitMs: number;
  sink: ReorderSink<T>;
}

/** Counts since the start. */
export interface ReorderCounts {
  /** Declared lost. */
  lost: number;
  /** Came after they were declared lost: dropped. */
  late: number;
  /** Came twice: dropped. */
  duplicate: number;
  /** Came in time to fill a hole. */
  reordered: number;
  restarts: number;
}

/** A jump of more than this many numbers, either way, is a new start and not a hole (RFC 3550, MAX_DROPOUT). */
const MAX_JUMP = 3_000;
/** As many late packets in a row are a sender that began anew a little behind. */
const MAX_LATE_RUN = 25;
/** Slots, a power of two: no hole may hold back more than this many numbers. */
const SLOTS = 512;
const SLOT_MASK = SLOTS - 1;

export class ReorderBuffer<T> {
  readonly #clock: Clock;
  readonly #waitMs: number;
  readonly #sink: ReorderSink<T>;
  readonly #items = new Array<T | undefined>(SLOTS).fill(undefined);
  readonly #arrivals = new Float64Array(SLOTS);
  /** Extended number last handed out from each slot, to tell a duplicate from a late packet. */
  readonly #delivered = new Float64Array(SLOTS).fill(-1);
  readonly counts: ReorderCounts = { lost: 0, late: 0, duplicate: 0, reordered: 0, restarts: 0 };
  /** Extended number that comes next; -1 before the first packet. */
  #expected = -1;
  /** One past the highest extended number that waits. */
  #end = -1;
  #waiting = 0;
  #lateRun = 0;
  #lostBefore = 0;
  #timer: Timer | null = null;
  #closed = false;

  constructor(options: ReorderBufferOptions<T>) {
    this.#clock = options.clock;
    this.#waitMs = options.waitMs;
    this.#sink = options.sink;
  }

  /** Packets held back now. */
  get waiting(): number {
    return this.#waiting;
  }

  /** @param sequenceNumber 16 bits */
  push(sequenceNumber: number, item: T): void {
    if (this.#closed) return;
    const now = this.#clock.now();
    if (this.#expected < 0) this.#begin(sequenceNumber);
    let ahead = seqDelta(sequenceNumber, this.#expected & 0xffff);
    if (ahead > MAX_JUMP || ahead < -MAX_JUMP || (ahead < 0 && this.#lateRun >= MAX_LATE_RUN)) {
      this.restart();
      this.#begin(sequenceNumber);
      ahead = 0;
    }
    const number = this.#expected + ahead;
    if (ahead < 0) {
      const duplicate = this.#delivered[number & SLOT_MASK] === number;
      if (duplicate) {
        this.counts.duplicate += 1;
      } else {
        this.counts.late += 1;
      }
      this.#lateRun += 1;
      return;
    }
    this.#lateRun = 0;
    if (ahead === 0) {
      if (number + 1 < this.#end) this.counts.reordered += 1;
      this.#deliver(item, now);
      if (this.#waiting > 0) this.#drain(now);
      return;
    }
    if (ahead >= SLOTS) this.#giveUpBefore(number - SLOTS + 1);
    const slot = number & SLOT_MASK;
    if (this.#items[slot] !== undefined) {
      this.counts.duplicate += 1;
      return;
    }
    if (number + 1 < this.#end) this.counts.reordered += 1;
    this.#items[slot] = item;
    this.#arrivals[slot] = now;
    this.#waiting += 1;
    this.#end = Math.max(this.#end, number + 1);
    this.#drain(now);
  }

  /** Forget the numbering; what waits comes out first, its holes as lost. */
  restart(): void {
    if (this.#expected < 0) return;
    this.#giveUpBefore(this.#end);
    this.#stopTimer();
    this.#expected = -1;
    this.#lostBefore = 0;
    this.counts.restarts += 1;
    this.#sink.restarted();
  }

  close(): void {
    this.#closed = true;
    this.#stopTimer();
    this.#items.fill(undefined);
    this.#waiting = 0;
  }

  #begin(sequenceNumber: number): void {
    // One turn of the circle up, so that packets from before the first one have a number too.
    this.#expected = sequenceNumber + 0x1_0000;
    this.#end = this.#expected;
    this.#lateRun = 0;
    this.#delivered.fill(-1);
  }

  #deliver(item: T, arrivedAtMs: number): void {
    const lost = this.#lostBefore;
    this.#lostBefore = 0;
    this.#delivered[this.#expected & SLOT_MASK] = this.#expected;
    this.#expected += 1;
    if (this.#end < this.#expected) this.#end = this.#expected;
    this.#sink.packet(item, arrivedAtMs, lost);
  }

  #deliverWaiting(slot: number): void {
    const item = this.#items[slot] as T;
    this.#items[slot] = undefined;
    this.#waiting -= 1;
    this.#deliver(item, this.#arrivals[slot] as number);
  }

  #skip(): void {
    this.#expected += 1;
    this.#lostBefore += 1;
    this.counts.lost += 1;
  }

  /** Hand out all that may go, and set the deadline for the rest. */
  #drain(now: number): void {
    while (this.#waiting > 0 && !this.#closed) {
      const slot = this.#expected & SLOT_MASK;
      if (this.#items[slot] !== undefined) {
        this.#deliverWaiting(slot);
        continue;
      }
      const deadline = this.#earliestArrival() + this.#waitMs;
      if (now < deadline) {
        this.#arm(deadline - now);
        return;
      }
      this.#skip();
    }
    this.#stopTimer();
  }

  /** Everything before `number` comes out or is lost, without waiting. */
  #giveUpBefore(number: number): void {
    while (this.#expected < number && !this.#closed) {
      const slot = this.#expected & SLOT_MASK;
      if (this.#items[slot] !== undefined) this.#deliverWaiting(slot);
      else this.#skip();
    }
  }

  /** When the first of the packets that wait came: the hole before them has waited since. */
  #earliestArrival(): number {
    let earliest = Number.POSITIVE_INFINITY;
    for (let number = this.#expected; number < this.#end; number++) {
      const slot = number & SLOT_MASK;
      if (this.#items[slot] !== undefined) earliest = Math.min(earliest, this.#arrivals[slot] as number);
    }
    return earliest;
  }

  #arm(delayMs: number): void {
    this.#stopTimer();
    this.#timer = this.#clock.setTimeout(() => {
      this.#timer = null;
      this.#drain(this.#clock.now());
    }, delayMs);
  }

  #stopTimer(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }
}
