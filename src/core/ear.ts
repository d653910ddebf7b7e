/**
 * The caller's voice as an agent hears it: RTP in, 20 ms frames of 16 kHz PCM out, in order and without holes. What is
 * lost comes from the next packet's FEC or is concealed; what was never sent (DTX, a muted track, a dead network) is
 * silence, made in real time because turn-taking needs time to go on. No playout delay: an agent's ear needs order,
 * not rhythm. Owns the reordering and the decoder; `StreamClock` decides how long a gap is.
 */
import { EAR_FRAME_SAMPLES, EAR_SAMPLE_RATE, type Ear, type EarFrame, type EarFrameOrigin } from '../agent/types.ts';
import { parseRtp, type RtpView } from '../backbone/index.ts';
import type { Clock } from '../clock.ts';
import type { CoreTotals } from './core-metrics.ts';
import { FrameCutter } from './frame-cutter.ts';
import type { NodeClock } from './node-clock.ts';
import { CONCEALMENT_STEP_SAMPLES, type OpusDecoder } from './opus-codec.ts';
import { opusFrameSamples, opusPacketHasFec, opusPacketIsEmpty, opusPacketSamples } from './opus-packet.ts';
import { PacketTrail } from './packet-trail.ts';
import { ReorderBuffer } from './reorder-buffer.ts';
import { StreamClock } from './stream-clock.ts';

export interface CallEarOptions {
  clock: Clock;
  nodeClock: NodeClock;
  /** Closed with the ear. */
  decoder: OpusDecoder;
  totals: CoreTotals;
  /** How long a missing packet is waited for when later ones are there, ms. */
  reorderWaitMs: number;
  /** A listener threw: the call cannot go on. */
  onFault: (error: unknown) => void;
}

/** RTP timestamp units (48 kHz) in a sample at 16 kHz. */
const TIMESTAMP_PER_SAMPLE = 3;
/** Concealment fades to nothing by then, samples (60 ms): beyond it silence is the honest answer. */
const MAX_CONCEALED_SAMPLES = 960;
/** The stream is waited for this long before silence takes its place, ms. */
const SILENCE_AFTER_MS = 100;
/** The same after a packet that says that nothing follows (DTX): its own length. If more does follow, it passes too. */
const SILENCE_AFTER_EMPTY_MS = 20;
/** Packets longer than the wait are waited for this much beyond their own length, ms. */
const SILENCE_MARGIN_MS = 60;
const FRAME_MS = (EAR_FRAME_SAMPLES * 1_000) / EAR_SAMPLE_RATE;
/** Frames of silence that one tick makes up for after a stall; the rest is left to the next timestamp gap. */
const MAX_SILENCE_AT_ONCE = 5;
/** Frames that wait for those who hear: a minute. */
const MAX_WAITING_FRAMES = 3_000;

export class CallEar implements Ear {
  readonly sampleRate = EAR_SAMPLE_RATE;
  readonly #clock: Clock;
  readonly #decoder: OpusDecoder;
  readonly #totals: CoreTotals;
  readonly #onFault: (error: unknown) => void;
  readonly #reorder: ReorderBuffer<RtpView>;
  readonly #stream: StreamClock;
  readonly #cutter: FrameCutter;
  #trail = new PacketTrail();
  /** Replaced when it changes, so that a listener may leave while frames are handed out. */
  #listeners: ((frame: EarFrame) => void)[] = [];
  readonly #endTicks: () => void;
  #ssrc: number | null = null;
  /** Length of the last packet, samples. */
  #lastSamples = EAR_FRAME_SAMPLES;
  /** Packets in order that could not be decoded since the last one that could. */
  #damaged = 0;
  /** Samples concealed since the last packet that was decoded. */
  #concealed = 0;
  /** Silence begins then, unless a packet comes before. */
  #silenceAtMs: number;
  /** Frames that nobody hears yet; null while they are handed out. */
  #waiting: [pcm: Int16Array, position: number, receivedAtMs: number, origin: EarFrameOrigin][] | null = null;
  /** Since when nothing that does not come is taken for silence; null: it is. */
  #restsSinceMs: number | null = null;
  #closed = false;

  constructor(options: CallEarOptions) {
    this.#clock = options.clock;
    this.#decoder = options.decoder;
    this.#totals = options.totals;
    this.#onFault = options.onFault;
    const now = options.clock.now();
    this.#stream = new StreamClock(now);
    this.#silenceAtMs = now + SILENCE_AFTER_MS;
    this.#cutter = new FrameCutter((pcm, origin, receivedAtMs) => this.#hear(pcm, origin, receivedAtMs));
    this.#reorder = new ReorderBuffer<RtpView>({
      clock: options.clock,
      waitMs: options.reorderWaitMs,
      sink: {
        packet: (view, arrivedAtMs, lostBefore) => this.#take(view, arrivedAtMs, lostBefore),
        restarted: () => this.#forgetStream(),
      },
    });
    this.#endTicks = options.nodeClock.subscribe(() => this.#tick());
  }

  /** Samples heard since the call began, those of an unfinished frame included. */
  get position(): number {
    return this.#stream.position;
  }

  /** Number of the newest packet all of whose sound lies before `position` (samples); null when none is known to. */
  packetBefore(position: number): number | null {
    return this.#trail.before(position);
  }

  onFrame(listener: (frame: EarFrame) => void): () => void {
    const entry = (frame: EarFrame) => listener(frame);
    this.#listeners = [...this.#listeners, entry];
    return () => {
      this.#listeners = this.#listeners.filter((other) => other !== entry);
    };
  }

  /** @param packet RTP; the ear keeps it for as long as it waits for an earlier one */
  receive(packet: Buffer): void {
    if (this.#closed) return;
    this.#totals.earPackets += 1;
    const view = parseRtp(packet);
    if (!view || view.payloadLength === 0) {
      this.#totals.earMalformed += 1;
      return;
    }
    if (view.ssrc !== this.#ssrc) {
      if (this.#ssrc !== null) this.restart();
      this.#ssrc = view.ssrc;
    }
    const counts = this.#reorder.counts;
    const { late, duplicate, reordered } = counts;
    this.#reorder.push(view.sequenceNumber, view);
    this.#totals.earLate += counts.late - late;
    this.#totals.earDuplicate += counts.duplicate - duplicate;
    this.#totals.earReordered += counts.reordered - reordered;
  }

  /** Nobody hears what comes from now on, until `goOn`. Idempotent. */
  hold(): void {
    this.#waiting ??= [];
  }

  /** What came meanwhile is heard now. */
  goOn(): void {
    const waiting = this.#waiting ?? [];
    this.#waiting = null;
    for (const frame of waiting) this.#handOut(...frame);
  }

  /** What comes next is another stream: its numbers and timestamps have no relation to the ones before. */
  restart(): void {
    this.#reorder.restart();
  }

  /** As `restart`, and the packets are numbered by another POP. */
  renumbered(): void {
    this.restart();
    this.#trail = new PacketTrail();
  }

  /** The way from the caller is cut: for the agent, time stands still until something comes. Idempotent. */
  rest(): void {
    this.#restsSinceMs ??= this.#clock.now();
  }

  /** Idempotent. */
  wake(): void {
    if (this.#restsSinceMs === null) return;
    const nowMs = this.#clock.now();
    this.#stream.rested(nowMs - this.#restsSinceMs);
    this.#restsSinceMs = null;
    this.#silenceAtMs = nowMs + SILENCE_AFTER_MS;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#endTicks();
    this.#reorder.close();
    this.#decoder.close();
    this.#waiting = null;
    this.#listeners = [];
  }

  /** The next packet in order. */
  #take(view: RtpView, arrivedAtMs: number, lostBefore: number): void {
    this.#totals.earLost += lostBefore;
    const payload = view.payload;
    const samples = opusPacketSamples(payload) / TIMESTAMP_PER_SAMPLE;
    if (samples === 0) {
      this.#totals.earMalformed += 1;
      this.#damaged += lostBefore + 1;
      return;
    }
    const lost = lostBefore + this.#damaged;
    const gap = this.#stream.gapBefore(view.timestamp);
    if (gap === null) this.#totals.earTimestampJumps += 1;
    else if (gap > 0) this.#bridge(gap, lost, payload, arrivedAtMs);
    const pcm = this.#decoder.decode(payload);
    if (!pcm) {
      this.#totals.earMalformed += 1;
      this.#damaged = 1;
      return;
    }
    this.#damaged = 0;
    this.#concealed = 0;
    this.#lastSamples = samples;
    const waitMs = opusPacketIsEmpty(payload)
      ? SILENCE_AFTER_EMPTY_MS
      : Math.max(SILENCE_AFTER_MS, samples / 16 + SILENCE_MARGIN_MS);
    this.#silenceAtMs = this.#clock.now() + waitMs;
    this.#stream.decoded(view.timestamp, pcm.length);
    const { packetNumber } = view;
    if (packetNumber !== null) this.#trail.add(packetNumber, this.#stream.position);
    this.#cutter.add(pcm, 'received', arrivedAtMs);
  }

  /**
   * Fill what lies between the last packet and this one.
   * @param gap samples that the timestamps leave out
   * @param lost packets known to be missing; none means that the caller sent nothing (DTX)
   */
  #bridge(gap: number, lost: number, payload: Uint8Array, atMs: number): void {
    const now = this.#clock.now();
    let missing = this.#stream.toFill(gap);
    const copied = opusFrameSamples(payload) / TIMESTAMP_PER_SAMPLE;
    const fec = lost > 0 && copied <= gap && opusPacketHasFec(payload) ? copied : 0;
    missing = Math.max(0, missing - fec);
    const concealable = Math.min(missing, lost * this.#lastSamples - fec, MAX_CONCEALED_SAMPLES - this.#concealed);
    const concealed = inSteps(concealable);
    if (concealed > 0) {
      this.#concealed += concealed;
      this.#made(this.#decoder.conceal(concealed), 'concealed', atMs);
    }
    const silence = this.#stream.silenceFor(missing - concealed, lost === 0, now, fec);
    if (silence > 0) this.#made(new Int16Array(silence), 'silence', atMs);
    const recovered = fec > 0 ? this.#decoder.decodeFec(payload, fec) : null;
    if (recovered) this.#made(recovered, 'fec', atMs);
  }

  #made(pcm: Int16Array, origin: EarFrameOrigin, atMs: number): void {
    this.#stream.made(pcm.length);
    this.#cutter.add(pcm, origin, atMs);
  }

  /** Silence in real time while nothing comes. */
  #tick(): void {
    if (this.#restsSinceMs !== null) return;
    const now = this.#clock.now();
    // What waits behind a hole is let go soon, and the hole is filled then.
    if (now < this.#silenceAtMs || this.#reorder.waiting > 0) return;
    for (let frames = 0; frames < MAX_SILENCE_AT_ONCE && now >= this.#silenceAtMs && !this.#closed; frames++) {
      this.#silenceAtMs += FRAME_MS;
      if (!this.#stream.mayFillInRealTime(now)) continue;
      this.#stream.filledInRealTime(EAR_FRAME_SAMPLES);
      this.#cutter.add(new Int16Array(EAR_FRAME_SAMPLES), 'silence', now);
    }
    if (now >= this.#silenceAtMs) this.#silenceAtMs = now + FRAME_MS;
  }

  #forgetStream(): void {
    this.#totals.earRestarts += 1;
    this.#damaged = 0;
    this.#stream.forgetTimestamps();
  }

  #hear(pcm: Int16Array, origin: EarFrameOrigin, receivedAtMs: number): void {
    this.#totals.earFrames += 1;
    if (origin === 'silence') this.#totals.earSilenceFrames += 1;
    else if (origin === 'concealed') this.#totals.earConcealedFrames += 1;
    else if (origin === 'fec') this.#totals.earFecFrames += 1;
    const position = this.#cutter.position;
    if (this.#waiting === null) this.#handOut(pcm, position, receivedAtMs, origin);
    else if (this.#waiting.length < MAX_WAITING_FRAMES) this.#waiting.push([pcm, position, receivedAtMs, origin]);
  }

  #handOut(pcm: Int16Array, position: number, receivedAtMs: number, origin: EarFrameOrigin): void {
    const listeners = this.#listeners;
    for (let index = 0; index < listeners.length; index++) {
      const listener = listeners[index] as (frame: EarFrame) => void;
      try {
        listener({ pcm: index === 0 ? pcm : pcm.slice(), position, receivedAtMs, origin });
      } catch (error) {
        this.#onFault(error);
      }
    }
  }
}

function inSteps(samples: number): number {
  return Math.max(0, Math.floor(samples / CONCEALMENT_STEP_SAMPLES)) * CONCEALMENT_STEP_SAMPLES;
}
