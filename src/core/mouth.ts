/**
 * The agent's voice on RTP: utterances in the order of their opening, encoded to Opus one 20 ms frame at a time and
 * paced by the node's clock, with the POP writer's reports read back as what was heard. Owns the encoders and the
 * numbering of the stream, which goes on when the pipe below it is replaced. Knows nothing of mediasoup.
 */
import { randomInt } from 'node:crypto';
import type { Heard, Mouth, MouthEvents } from '../agent/types.ts';
import { buildRtp, PIPE_OPUS_PAYLOAD_TYPE } from '../backbone/index.ts';
import type { Clock } from '../clock.ts';
import { AntipodeError } from '../errors.ts';
import type { CoreTotals } from './core-metrics.ts';
import { EncoderSet } from './encoder-set.ts';
import { FramePacer } from './frame-pacer.ts';
import { type NodeClock, TICK_PERIOD_MS } from './node-clock.ts';
import type { OpusEncoder, OpusEncoderFactory } from './opus-codec.ts';
import type { ReflexJudge } from './reflex-judge.ts';
import { SentFrames } from './sent-frames.ts';
import { SpokenRecord } from './spoken-record.ts';
import { Utterance } from './utterance.ts';

export interface CallMouthOptions {
  clock: Clock;
  nodeClock: NodeClock;
  createEncoder: OpusEncoderFactory;
  totals: CoreTotals;
  ssrc: number;
  /** Tell the POP to drop what it has not written before this RTP timestamp (32 bits). */
  sendFlush: (beforeTimestamp: number) => void;
  /** Frames of an utterance, from its `atMs` on, leave one after the other from RTP timestamp `timestamp` (32 bits) on. */
  onStretch?: (stretch: { utterance: number; atMs: number; timestamp: number }) => void;
  /** Told of what the agent does that answers a duck at the POP. */
  judge?: Pick<ReflexJudge, 'paused' | 'resumed' | 'yields'>;
  /** A listener or an encoder threw: the call cannot go on. */
  onFault: (error: unknown) => void;
  /** PCM that may wait unsent, ms. @defaultValue 600000 */
  maxBufferedMs?: number;
  /** An utterance whose end the POP does not confirm ends this long after its last frame was sent. @defaultValue 2000 */
  confirmTimeoutMs?: number;
  /** First RTP timestamp and sequence number. Random by default (RFC 3550, section 5.1). */
  firstTimestamp?: number;
  firstSequenceNumber?: number;
}

const DEFAULT_MAX_BUFFERED_MS = 600_000;
const DEFAULT_CONFIRM_TIMEOUT_MS = 2_000;
/** A frame that leaves this much after it was due and there is late. */
const LATE_MS = 10;
/** A tick after a stall sends at most this many frames. */
const MAX_FRAMES_AT_ONCE = 3;
/** Utterances that may be open or wait. */
const MAX_QUEUED = 1_000;
/** Ended utterances that `heard` still knows. */
const MAX_REMEMBERED = 256;

export class CallMouth implements Mouth {
  readonly #options: CallMouthOptions;
  readonly #clock: Clock;
  readonly #totals: CoreTotals;
  readonly #pacer: FramePacer;
  readonly #encoders: EncoderSet;
  readonly #spoken: SpokenRecord;
  readonly #sent = new SentFrames();
  readonly #utterances = new Map<number, Utterance>();
  /** Not drained yet, in order; the first is the one that speaks. */
  #queue: Utterance[] = [];
  readonly #listeners: { [E in keyof MouthEvents]: Set<(...args: MouthEvents[E]) => void> } = {
    started: new Set(),
    progressed: new Set(),
    ended: new Set(),
  };
  #send: ((packet: Buffer) => void) | null = null;
  #opened = 0;
  #bufferedMs = 0;
  #sequenceNumber: number;
  /** The utterance that speaks has begun and waits for more PCM. */
  #starved = false;
  #paused = false;
  #held = false;
  #endTicks: (() => void) | null = null;
  #frame = new Int16Array(0);
  #closed = false;

  constructor(options: CallMouthOptions) {
    this.#options = options;
    this.#clock = options.clock;
    this.#totals = options.totals;
    this.#pacer = new FramePacer(options.firstTimestamp ?? randomInt(0x1_0000_0000));
    this.#sequenceNumber = options.firstSequenceNumber ?? randomInt(0x1_0000);
    this.#encoders = new EncoderSet(options.createEncoder, {
      onReady: () => this.#pump(this.#clock.now()),
      onFault: options.onFault,
    });
    this.#spoken = new SpokenRecord({
      clock: options.clock,
      confirmTimeoutMs: options.confirmTimeoutMs ?? DEFAULT_CONFIRM_TIMEOUT_MS,
      firstTimestamp: this.#pacer.timestamp,
      onProgressed: (heard) => this.#emit('progressed', heard),
      onEnded: (heard, confirmed) => {
        if (!confirmed) this.#totals.mouthUnconfirmed += 1;
        this.#emit('ended', { ...heard, flushed: false });
      },
    });
  }

  /** The way to the POP is there: packets go to `send`, which copies them or lets nobody else write to them. */
  attach(send: (packet: Buffer) => void): void {
    if (this.#closed) return;
    this.#send = send;
    this.#pump(this.#clock.now());
  }

  /** The way to the POP is gone: what was not sent waits, and goes on from there. */
  detach(): void {
    this.#send = null;
    this.#stopTicks();
  }

  /** Another POP has the caller: what is not known to have been played goes out again, before anything new. */
  rewind(): void {
    this.#totals.mouthFramesAgain += this.#sent.rewind(this.#spoken.playedTimestamp);
  }

  /** Sends nothing, whatever the agent does, until `goOn`. Idempotent. */
  hold(): void {
    this.#held = true;
    this.#stopTicks();
  }

  /** What was not sent follows. */
  goOn(): void {
    this.#held = false;
    this.#pump(this.#clock.now());
  }

  open(): number {
    if (this.#queue.length >= MAX_QUEUED) throw misuse(`More than ${MAX_QUEUED} utterances wait to be spoken.`);
    this.#opened += 1;
    const utterance = new Utterance(this.#opened);
    this.#utterances.set(utterance.number, utterance);
    this.#forgetOldest();
    if (!this.#closed) this.#queue.push(utterance);
    return utterance.number;
  }

  write(number: number, pcm: Int16Array, sampleRate: number): void {
    const utterance = this.#known(number);
    if (this.#closed || utterance.flushed || pcm.length === 0) return;
    if (utterance.finished) throw misuse(`Utterance ${number} was finished before this write.`);
    if (!Number.isInteger(sampleRate) || sampleRate < 8_000 || sampleRate > 48_000) {
      throw misuse(`Sample rate ${sampleRate} is not between 8000 and 48000 Hz.`);
    }
    const limitMs = this.#options.maxBufferedMs ?? DEFAULT_MAX_BUFFERED_MS;
    if (this.#bufferedMs + (pcm.length * 1_000) / sampleRate > limitMs) {
      throw misuse(`More than ${limitMs} ms of speech wait to be sent.`);
    }
    const fresh = utterance === this.#queue[0] && !utterance.hasFrame;
    const before = utterance.bufferedMs;
    utterance.write(pcm, sampleRate);
    this.#bufferedMs += utterance.bufferedMs - before;
    if (utterance.sampleRate !== null) this.#encoders.prepare(utterance.sampleRate);
    if (utterance === this.#queue[0]) this.#pump(this.#clock.now(), fresh);
  }

  finish(number: number): void {
    const utterance = this.#known(number);
    if (this.#closed || utterance.flushed || utterance.finished) return;
    const now = this.#clock.now();
    const before = utterance.bufferedMs;
    // Long after its last frame, what the encoder still holds of it would be a click by itself.
    utterance.finish({ tail: !(this.#starved && utterance === this.#queue[0] && this.#pacer.startsSpurt(now)) });
    this.#bufferedMs += utterance.bufferedMs - before;
    if (utterance === this.#queue[0]) this.#pump(now);
  }

  yields(on: boolean): void {
    this.#options.judge?.yields(on);
  }

  pause(): void {
    this.#paused = true;
    this.#stopTicks();
    this.#options.judge?.paused();
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#options.judge?.resumed();
    this.#pump(this.#clock.now());
  }

  flush(): Heard[] {
    this.#paused = false;
    const boundary = this.#pacer.timestamp;
    const stopped = [...this.#spoken.sounding, ...this.#queue.filter((utterance) => utterance.sentFrames === 0)];
    if (stopped.length === 0 && !this.#spoken.mayStillPlay(boundary)) {
      this.#options.judge?.resumed();
      return [];
    }
    this.#spoken.stopped(stopped, boundary);
    this.#sent.forget();
    this.#queue = [];
    this.#bufferedMs = 0;
    this.#starved = false;
    this.#stopTicks();
    const heard = stopped.map((utterance) => {
      if (!utterance.drained && utterance.sentFrames > 0) this.#encoders.forgetPast(utterance.sampleRate);
      utterance.flush();
      utterance.ended = true;
      return utterance.heard;
    });
    this.#totals.mouthFlushes += 1;
    this.#options.sendFlush(boundary % 0x1_0000_0000);
    for (const one of heard) this.#emit('ended', { ...one, flushed: true });
    return heard;
  }

  heard(number: number): Heard {
    return this.#known(number).heard;
  }

  get bufferedMs(): number {
    return this.#bufferedMs;
  }

  on<E extends keyof MouthEvents>(event: E, listener: (...args: MouthEvents[E]) => void): () => void {
    this.#listeners[event].add(listener);
    return () => this.#listeners[event].delete(listener);
  }

  /** The POP's writer has played all before this RTP timestamp (32 bits). */
  played(timestamp: number): void {
    if (this.#closed) return;
    // No POP has played what it was not sent.
    const sent = this.#sent.timestamp ?? this.#pacer.timestamp;
    if (!this.#spoken.played(timestamp, sent)) this.#totals.mouthBadReports += 1;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#send = null;
    this.#stopTicks();
    this.#spoken.close();
    this.#queue = [];
    this.#bufferedMs = 0;
    for (const utterance of this.#utterances.values()) if (!utterance.ended) utterance.flush();
    this.#encoders.close();
    for (const listeners of Object.values(this.#listeners)) listeners.clear();
  }

  /**
   * Send what may leave now and see to it that the rest does later.
   * @param fresh the first frame was made this instant, so it may lead
   */
  #pump(now: number, fresh = false): void {
    if (this.#sent.waits) {
      this.#sendAgain(now);
      this.#scheduleTicks(now);
      return;
    }
    let mayLead = fresh;
    for (let frames = 0; frames < MAX_FRAMES_AT_ONCE; frames++) {
      const utterance = this.#next();
      if (!utterance || !this.#send || this.#paused || this.#held) break;
      const encoder = this.#encoders.get(utterance.sampleRate);
      if (!encoder) break;
      if (!(mayLead ? this.#pacer.mayLead(now) : this.#pacer.isDue(now))) break;
      mayLead = false;
      this.#sendFrame(utterance, encoder, now);
    }
    const head = this.#queue[0];
    this.#starved = head !== undefined && head.sentFrames > 0 && !head.hasFrame && !head.finished;
    this.#scheduleTicks(now);
  }

  /** A frame that left before leaves again; the running spurt goes on after the last of them. */
  #sendAgain(now: number): void {
    if (!this.#send || this.#paused || this.#held || now < this.#sent.dueMs) return;
    this.#send(this.#sent.take(now)!);
    if (!this.#sent.waits) this.#pacer.goOnAt(this.#sent.dueMs);
  }

  /** The utterance whose frame is next, or null when there is none; steps over those that have said all. */
  #next(): Utterance | null {
    for (;;) {
      const first = this.#queue[0];
      if (!first || first.ended) return null;
      if (first.hasFrame) return first;
      if (!first.drained) return null;
      this.#queue.shift();
      this.#spoken.drained(first);
    }
  }

  #sendFrame(utterance: Utterance, encoder: OpusEncoder, now: number): void {
    const first = utterance.sentFrames === 0;
    const marker = this.#pacer.startsSpurt(now);
    if (marker && this.#starved) this.#totals.mouthUnderruns += 1;
    else if (!first && this.#endTicks && now - this.#pacer.dueMs > LATE_MS) this.#totals.mouthLateFrames += 1;
    if (this.#frame.length !== encoder.frameSamples) this.#frame = new Int16Array(encoder.frameSamples);
    // A spurt has a schedule of its own: ticks of the former one would come at any time beside it.
    if (marker) this.#stopTicks();
    const before = utterance.bufferedMs;
    utterance.readFrame(this.#frame);
    this.#bufferedMs = Math.max(0, this.#bufferedMs + utterance.bufferedMs - before);
    const timestamp = this.#pacer.take(now);
    utterance.sent(timestamp);
    if (first) this.#spoken.began(utterance);
    if (first || marker) {
      const atMs = (utterance.sentFrames - 1) * TICK_PERIOD_MS;
      this.#options.onStretch?.({ utterance: utterance.number, atMs, timestamp: timestamp % 0x1_0000_0000 });
    }
    this.#totals.mouthFrames += 1;
    const packet = buildRtp({
      payloadType: PIPE_OPUS_PAYLOAD_TYPE,
      marker,
      sequenceNumber: this.#sequenceNumber,
      timestamp: timestamp % 0x1_0000_0000,
      ssrc: this.#options.ssrc,
      payload: encoder.encode(this.#frame),
    });
    this.#sent.add(timestamp, packet);
    this.#send?.(packet);
    this.#sequenceNumber = (this.#sequenceNumber + 1) >>> 0;
    if (first) this.#emit('started', { utterance: utterance.number, atMs: now });
  }

  /** Ticks run while a frame waits for its time, in the phase in which it is due. */
  #scheduleTicks(now: number): void {
    const again = this.#sent.waits;
    const waits = this.#send !== null && !this.#paused && !this.#held && (again || this.#next() !== null);
    if (!waits) {
      this.#stopTicks();
      return;
    }
    const dueMs = again ? this.#sent.dueMs : this.#pacer.dueMs;
    this.#endTicks ??= this.#options.nodeClock.subscribe(this.#tick, Math.max(now, dueMs));
  }

  readonly #tick = (scheduledAtMs: number): void => {
    // A timer may fire a little early: a frame that is due at this tick would wait for the next one.
    const now = Math.max(this.#clock.now(), scheduledAtMs);
    try {
      this.#pump(now);
    } catch (error) {
      this.#options.onFault(error);
    }
  };

  #stopTicks(): void {
    this.#endTicks?.();
    this.#endTicks = null;
  }

  #emit<E extends keyof MouthEvents>(event: E, ...args: MouthEvents[E]): void {
    for (const listener of [...this.#listeners[event]]) {
      try {
        listener(...args);
      } catch (error) {
        this.#options.onFault(error);
      }
    }
  }

  #known(number: number): Utterance {
    const utterance = this.#utterances.get(number);
    if (!utterance) throw misuse(`There is no utterance ${number}.`);
    return utterance;
  }

  #forgetOldest(): void {
    if (this.#utterances.size <= MAX_REMEMBERED) return;
    for (const [number, utterance] of this.#utterances) {
      if (!utterance.ended) return;
      this.#utterances.delete(number);
      if (this.#utterances.size <= MAX_REMEMBERED) return;
    }
  }
}

function misuse(message: string): AntipodeError {
  return new AntipodeError('ERR_AGENT_FAILED', message);
}
