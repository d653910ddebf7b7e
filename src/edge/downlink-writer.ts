/**
 * The agent's voice on its way to the caller: one stream with a fixed SSRC, sequence numbers without a hole and
 * timestamps that never go back, whichever core speaks. Fences off older epochs, puts what was reordered in order where
 * a short wait allows, drops what is late or flushed, holds the agent when it is told to, and owns the truth of what was
 * played. Owns no mediasoup object: packets come in by `bind(...).push` and leave by `write`.
 */
import { buildRtp, PIPE_OPUS_PAYLOAD_TYPE, parseRtp, type RtpView, seqDelta, tsDelta } from '../backbone/index.ts';
import type { Clock, Timer } from '../clock.ts';
import { AntipodeError } from '../errors.ts';
import { DownlinkTimeline } from './downlink-timeline.ts';
import { HeldVoice } from './held-voice.ts';
import { type Played, PlayedPosition } from './played-position.ts';

/** What became of a packet from a core; one that is held is counted when it leaves. */
export type DownlinkResult = 'written' | 'stale_epoch' | 'late' | 'duplicate' | 'flushed' | 'malformed' | 'overflow';

export interface DownlinkWriterOptions {
  /** SSRC towards the caller, the same for the whole session. */
  ssrc: number;
  clock: Clock;
  /** Takes each finished packet; must not throw. The packet's memory is its own. */
  write: (packet: Buffer) => void;
  /** The mouth's position when playing starts, every 100 ms of it and when it stops. */
  onPlayed: (played: Played) => void;
  /** Called for each packet with what became of it. */
  onResult?: (result: DownlinkResult) => void;
  /**
   * How long a packet waits for one before it that is missing.
   * @defaultValue 10, half a frame: a wait never makes a frame late by the bench's measure
   */
  reorderWaitMs?: number;
  /** 16 bits. @defaultValue 0 */
  firstSequenceNumber?: number;
  /** 32 bits. @defaultValue 0 */
  firstTimestamp?: number;
}

/** Where the packets of one binding go in. One that a later binding replaced counts them as stale. */
export interface DownlinkInput {
  readonly epoch: number;
  /** One RTP packet of the mouth. The buffer belongs to the writer from now on. */
  push(packet: Buffer): void;
}

interface Held {
  view: RtpView;
  untilMs: number;
}

export type DownlinkWriterStats = Record<DownlinkResult, number> & { spurts: number; epoch: number };

const DEFAULT_REORDER_WAIT_MS = 10;
/** More than this waiting means that the missing one is lost. */
const MAX_HELD_PACKETS = 5;
/** A sequence number farther away than this is another numbering. */
const MAX_SEQUENCE_JUMP = 3_000;
/** How many numbers back a duplicate is told from a late packet. */
const HISTORY_PACKETS = 32;
/**
 * 20 ms of silence in Opus (CELT, full band, mono). In place of what is held, so that the caller's decoder fades to
 * silence as between any two frames; a stream that only ended would be drawn out by its concealment first.
 */
const SILENT_FRAME = Buffer.from([0xf8, 0xff, 0xfe]);

export class DownlinkWriter {
  readonly #options: DownlinkWriterOptions;
  readonly #clock: Clock;
  readonly #reorderWaitMs: number;
  readonly #timeline: DownlinkTimeline;
  readonly #position: PlayedPosition;
  readonly #held: Held[] = [];
  readonly #voice: HeldVoice;
  readonly #results: Record<DownlinkResult, number> = {
    written: 0,
    stale_epoch: 0,
    late: 0,
    duplicate: 0,
    flushed: 0,
    malformed: 0,
    overflow: 0,
  };
  #spurts = 0;
  #input: DownlinkInput | null = null;
  #epoch = 0;
  #nextOut: number;
  /** The mouth's sequence number that was dealt with last, or null before the first of an epoch. */
  #lastSeq: number | null = null;
  /** Bit n set: number `#lastSeq - n` came. */
  #history = 0;
  /** Frames before this mouth timestamp are not to be played any more. */
  #flushBefore: number | null = null;
  #timer: Timer | null = null;
  #closed = false;

  constructor(options: DownlinkWriterOptions) {
    this.#options = options;
    this.#clock = options.clock;
    this.#reorderWaitMs = options.reorderWaitMs ?? DEFAULT_REORDER_WAIT_MS;
    this.#nextOut = options.firstSequenceNumber ?? 0;
    this.#timeline = new DownlinkTimeline(options.firstTimestamp ?? 0);
    this.#position = new PlayedPosition(options.clock, options.onPlayed);
    this.#voice = new HeldVoice({
      clock: options.clock,
      play: (view, joined) => {
        if (!joined) this.#timeline.renumber();
        this.#write(view);
      },
      // The agent was later than its own clock says up to now.
      onEmpty: () => this.#timeline.renumber(),
    });
  }

  /** Epoch of the present binding, 0 before the first. */
  get epoch(): number {
    return this.#epoch;
  }

  /** What the caller was played of the present epoch, null when nothing was. */
  get played(): Played | null {
    return this.#position.current;
  }

  /** When the last frame of the agent's voice was written, whatever its epoch; null before the first. */
  get lastWrittenAtMs(): number | null {
    return this.#position.lastWrittenAtMs;
  }

  /** The agent is heard, or was less than 60 ms ago. */
  get audible(): boolean {
    return this.#position.playing;
  }

  /** How much of the agent's voice waits here, ms: what was held and has not been played since. */
  get heldMs(): number {
    return this.#voice.lengthMs;
  }

  /** Keeps what comes from now on and plays silence in its place, until `release`, a newer epoch or `close`. Idempotent. */
  hold(): void {
    if (this.#closed || this.#voice.holding) return;
    // What comes now is ahead of what was played last by what still waits.
    if (this.#voice.active) this.#timeline.renumber();
    this.#voice.hold();
  }

  /** Goes on with the first frame that was held; the agent is as much later from then on, until it pauses. Idempotent. */
  release(): void {
    this.#voice.release();
  }

  /**
   * Opens the writer to the core that holds `epoch`, and closes it to whoever had it before. The same epoch again is
   * the same mouth by another way (a new pipe): its numbering goes on.
   * @throws ERR_BACKBONE_EPOCH when `epoch` is older than the one bound
   */
  bind(epoch: number): DownlinkInput {
    if (epoch < this.#epoch) {
      throw new AntipodeError('ERR_BACKBONE_EPOCH', `Epoch ${epoch} is over: ${this.#epoch} holds the session.`);
    }
    if (epoch > this.#epoch) {
      this.#dropHeld('stale_epoch');
      this.#dropHold('stale_epoch');
      this.#voice.close();
      this.#epoch = epoch;
      this.#lastSeq = null;
      this.#flushBefore = null;
      this.#timeline.renumber();
      this.#position.startEpoch(epoch);
    }
    const input: DownlinkInput = { epoch, push: (packet) => this.#push(input, packet) };
    this.#input = input;
    return input;
  }

  /** Drops frames whose mouth timestamp is before `beforeTimestamp`: those that wait here and those still on their way. */
  flush(beforeTimestamp: number): void {
    if (this.#flushBefore === null || tsDelta(beforeTimestamp, this.#flushBefore) > 0) {
      this.#flushBefore = beforeTimestamp;
    }
    this.#dropHold('flushed', (view) => this.#isFlushed(view));
    this.#release();
    this.#position.stop();
  }

  stats(): DownlinkWriterStats {
    return { ...this.#results, spurts: this.#spurts, epoch: this.#epoch };
  }

  /** Writes and reports nothing more. Idempotent. */
  close(): void {
    this.#closed = true;
    this.#input = null;
    this.#held.length = 0;
    this.#voice.close();
    this.#timer?.cancel();
    this.#timer = null;
    this.#position.close();
  }

  #push(input: DownlinkInput, packet: Buffer): void {
    if (this.#closed) return;
    const refused = this.#take(input, packet);
    if (refused) this.#count(refused);
  }

  /** Settles or holds the packet, or says why not. */
  #take(input: DownlinkInput, packet: Buffer): DownlinkResult | null {
    if (input !== this.#input) return 'stale_epoch';
    const view = parseRtp(packet);
    if (!view || view.payloadLength === 0) return 'malformed';
    const ahead = this.#lastSeq === null ? 1 : seqDelta(view.sequenceNumber, this.#lastSeq);
    if (Math.abs(ahead) > MAX_SEQUENCE_JUMP) {
      this.#dropHeld('late');
      this.#lastSeq = null;
      this.#timeline.renumber();
    } else if (ahead <= 0) return this.#came(-ahead) ? 'duplicate' : 'late';
    else if (ahead > 1) return this.#hold(view);
    this.#settle(view);
    if (this.#held.length > 0) this.#release();
    return null;
  }

  /** Keeps a packet for which another one must come first, in order of their numbers. */
  #hold(view: RtpView): DownlinkResult | null {
    let at = this.#held.length;
    while (at > 0) {
      const ahead = seqDelta(view.sequenceNumber, (this.#held[at - 1] as Held).view.sequenceNumber);
      if (ahead === 0) return 'duplicate';
      if (ahead > 0) break;
      at -= 1;
    }
    this.#held.splice(at, 0, { view, untilMs: this.#clock.now() + this.#reorderWaitMs });
    this.#release();
    return null;
  }

  /** Settles what waited and needs not wait any more, in order; sets the timer for the rest. */
  #release(): void {
    const nowMs = this.#clock.now();
    while (this.#held.length > 0) {
      const first = this.#held[0] as Held;
      const isNext = this.#lastSeq === null || seqDelta(first.view.sequenceNumber, this.#lastSeq) === 1;
      const waited = this.#held.some((held) => held.untilMs <= nowMs);
      if (!isNext && !waited && this.#held.length < MAX_HELD_PACKETS && !this.#isFlushed(first.view)) break;
      this.#held.shift();
      this.#settle(first.view);
    }
    this.#timer?.cancel();
    this.#timer = null;
    if (this.#held.length === 0) return;
    const untilMs = Math.min(...this.#held.map((held) => held.untilMs));
    this.#timer = this.#clock.setTimeout(() => this.#release(), untilMs - nowMs);
  }

  /** Writes or holds the packet, or drops it when it was flushed: either way its number is dealt with. */
  #settle(view: RtpView): void {
    const step = this.#lastSeq === null ? HISTORY_PACKETS : seqDelta(view.sequenceNumber, this.#lastSeq);
    this.#history = step >= HISTORY_PACKETS ? 1 : (this.#history << step) | 1;
    this.#lastSeq = view.sequenceNumber;
    if (this.#isFlushed(view)) this.#count('flushed');
    else if (!this.#voice.active) this.#write(view);
    else if (!this.#voice.push(view)) this.#count('overflow');
    else if (this.#voice.holding) this.#place(view.timestamp, SILENT_FRAME, this.#clock.now());
  }

  #write(view: RtpView): void {
    const nowMs = this.#clock.now();
    this.#flushBefore = null;
    this.#count('written');
    this.#place(view.timestamp, view.payload, nowMs);
    this.#position.wrote(view.timestamp, nowMs);
  }

  /** The stream's next packet, where the frame with the mouth's `timestamp` belongs. */
  #place(timestamp: number, payload: Uint8Array, nowMs: number): void {
    this.#timeline.place(timestamp, nowMs);
    if (this.#timeline.opensSpurt) this.#spurts += 1;
    const packet = buildRtp({
      payloadType: PIPE_OPUS_PAYLOAD_TYPE,
      marker: this.#timeline.opensSpurt,
      sequenceNumber: this.#nextOut,
      timestamp: this.#timeline.timestamp,
      ssrc: this.#options.ssrc,
      payload,
      numbered: false,
    });
    this.#nextOut = (this.#nextOut + 1) & 0xffff;
    this.#options.write(packet);
  }

  #isFlushed(view: RtpView): boolean {
    return this.#flushBefore !== null && tsDelta(view.timestamp, this.#flushBefore) < 0;
  }

  #came(back: number): boolean {
    return back < HISTORY_PACKETS && ((this.#history >>> back) & 1) === 1;
  }

  #dropHeld(result: DownlinkResult): void {
    for (let left = this.#held.length; left > 0; left--) this.#count(result);
    this.#held.length = 0;
    this.#timer?.cancel();
    this.#timer = null;
  }

  #dropHold(result: DownlinkResult, gone?: (view: RtpView) => boolean): void {
    for (let left = this.#voice.drop(gone); left > 0; left--) this.#count(result);
  }

  #count(result: DownlinkResult): void {
    this.#results[result] += 1;
    this.#options.onResult?.(result);
  }
}
