/**
 * A caller without a WebRTC stack, for load: sends prerecorded Opus over SRTP on one UDP socket at exact 20 ms, and
 * accounts for what comes back. It enters by a POP's plain door (RTP and RTCP on one port, SRTP, the peer latched by
 * its first packet), behind which tap, pipe, core and writer are those of every call.
 *
 * A trip is measured on the audio itself, because an echo agent decodes and encodes anew and nothing of a packet
 * survives it: the chirp at sample s of the sent stream left at t(s) = sending of its packet + place within it, and is
 * heard at sample r, t(r) = arrival of its packet + place within it; trip = t(r) - t(s). A path that only forwards
 * packets so has its network time alone: the frame's own 20 ms and the recording's codec delay are in neither. Codec
 * delays and queues on the way are. Clock, decoder and search add less than 0.1 ms; the event loop of this process adds
 * what `sendLateMs` shows.
 */
import { createSocket, type Socket } from 'node:dgram';
import { createDecoder, type OpusDecoderHandle } from 'libopus-wasm';
import { RtpHeader, type SrtpSession } from 'werift-rtp';
import { type ArrivalReport, Arrivals } from './arrivals.ts';
import { PROBE_FRAME_SAMPLES, PROBE_RATE } from './chirp.ts';
import { ChirpDetector } from './chirp-detector.ts';
import type { OwnLag } from './own-lag.ts';
import { CHIRP_PERIOD_FRAMES, type ProbeSignal } from './probe-signal.ts';
import { type SrtpKey, srtpSession } from './srtp-key.ts';

const FRAME_MS = 20;
const FRAME_TIMESTAMPS = 960;
const TIMESTAMPS_PER_SAMPLE = 48_000 / PROBE_RATE;
/** Arrival times are kept for so many frames: those that a chirp and its search may reach over, and some. */
const KEPT_FRAMES = 64;
/** A process that stalls for longer leaves frames out instead of sending them in a burst. */
const MAX_BURST_FRAMES = 5;

export interface LightCallerOptions {
  /** Where the door listens. */
  remote: { ip: string; port: number };
  localKey: SrtpKey;
  remoteKey: SrtpKey;
  /** Of the stream that we send. */
  ssrc: number;
  /** Of Opus, both ways. */
  payloadType: number;
  signal: ProbeSignal;
  /** Decode what comes back and measure trips; else only its headers are read, which costs next to nothing. */
  measureTrips: boolean;
  /** Told of every packet that left, by its place in the ring of `signal`. */
  onSent?: (place: number, atMs: number) => void;
  /** Shared by all callers of this process. */
  lag?: OwnLag;
  /** Monotonic milliseconds. */
  now?: () => number;
}

/** A frame of the agent as it arrived. */
export interface ReceivedFrame {
  sequenceNumber: number;
  timestamp: number;
  atMs: number;
}

export interface LightCallerReport extends ArrivalReport {
  sent: number;
  /** Left out because this process stalled. */
  unsent: number;
  /** Most that a frame was sent later than due, ms: this process's own share of every figure. */
  sendLateMs: number;
  /** One for each chirp that came back, ms. */
  tripsMs: number[];
  /** Packets that were no SRTP of the door's key (only seen when trips are measured). */
  undecipherable: number;
}

export class LightCaller {
  readonly #options: LightCallerOptions;
  readonly #now: () => number;
  readonly #srtp: SrtpSession;
  readonly #socket: Socket;
  #arrivals = new Arrivals();
  readonly #detector: ChirpDetector;
  #tripsMs: number[] = [];
  readonly #sentAtMs = new Float64Array(KEPT_FRAMES);
  readonly #arrivedAtMs = new Float64Array(KEPT_FRAMES);
  readonly #arrivedFrame = new Float64Array(KEPT_FRAMES).fill(-1);
  #decoder: OpusDecoderHandle | null = null;
  #timer: NodeJS.Timeout | null = null;
  #startedAtMs = 0;
  #next = 0;
  #sent = 0;
  /** Sent, and left out, before measureFromNow(). */
  #sentBefore = 0;
  #skipped = 0;
  #sendLateMs = 0;
  #undecipherable = 0;
  #firstTimestamp: number | null = null;
  #onFrame: ((frame: ReceivedFrame) => void) | null = null;

  constructor(options: LightCallerOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
    this.#srtp = srtpSession(options.localKey, options.remoteKey);
    this.#socket = createSocket(options.remote.ip.includes(':') ? 'udp6' : 'udp4');
    this.#detector = new ChirpDetector((position) => this.#found(position));
  }

  /** Tell of every frame of the agent that arrives in order. */
  onFrame(listener: (frame: ReceivedFrame) => void): void {
    this.#onFrame = listener;
  }

  /** Begin to send; the door answers once the first packet is there. */
  async start(): Promise<void> {
    if (this.#options.measureTrips) this.#decoder = await createDecoder({ channels: 1, sampleRate: PROBE_RATE });
    const { ip, port } = this.#options.remote;
    this.#socket.on('message', (packet) => this.#receive(packet));
    await new Promise<void>((resolve, reject) => {
      this.#socket.once('error', reject);
      this.#socket.connect(port, ip, () => {
        this.#socket.off('error', reject);
        resolve();
      });
    });
    // A door that is already closed answers with ICMP; the report then shows that nothing came.
    this.#socket.on('error', () => {});
    this.#startedAtMs = this.#now();
    this.#tick();
  }

  /** Forget what was measured up to now: the start of a call, and of this process, is none of the steady state. */
  measureFromNow(): void {
    this.#arrivals = new Arrivals();
    this.#tripsMs = [];
    this.#skipped += this.#next - this.#sent - this.#skipped;
    this.#sentBefore = this.#sent;
    this.#sendLateMs = 0;
    this.#undecipherable = 0;
  }

  /** End the call and say what was measured. Idempotent. */
  async stop(): Promise<LightCallerReport> {
    if (this.#timer) {
      clearTimeout(this.#timer);
      this.#timer = null;
      await new Promise<void>((resolve) => this.#socket.close(() => resolve()));
      this.#decoder?.free();
      this.#decoder = null;
    }
    return {
      ...this.#arrivals.report(),
      sent: this.#sent - this.#sentBefore,
      unsent: this.#next - this.#sent - this.#skipped,
      sendLateMs: this.#sendLateMs,
      tripsMs: this.#tripsMs,
      undecipherable: this.#undecipherable,
    };
  }

  #tick(): void {
    const nowMs = this.#now();
    this.#options.lag?.note(nowMs - (this.#startedAtMs + this.#next * FRAME_MS), nowMs);
    const behind = Math.floor((this.#now() - this.#startedAtMs) / FRAME_MS) - this.#next;
    if (behind > MAX_BURST_FRAMES) this.#next += behind;
    while (this.#startedAtMs + this.#next * FRAME_MS <= this.#now()) this.#send();
    const dueMs = this.#startedAtMs + this.#next * FRAME_MS;
    this.#timer = setTimeout(() => this.#tick(), Math.max(0, dueMs - this.#now()));
  }

  #send(): void {
    const { packets } = this.#options.signal;
    const header = new RtpHeader({
      payloadType: this.#options.payloadType,
      sequenceNumber: this.#next & 0xffff,
      timestamp: (this.#next * FRAME_TIMESTAMPS) >>> 0,
      ssrc: this.#options.ssrc,
      marker: this.#next === 0,
    });
    const packet = this.#srtp.encrypt(packets[this.#next % packets.length]!, header);
    const nowMs = this.#now();
    this.#sentAtMs[this.#next % KEPT_FRAMES] = nowMs;
    this.#sendLateMs = Math.max(this.#sendLateMs, nowMs - (this.#startedAtMs + this.#next * FRAME_MS));
    this.#socket.send(packet);
    this.#options.onSent?.(this.#next % packets.length, nowMs);
    this.#next++;
    this.#sent++;
  }

  #receive(packet: Buffer): void {
    const atMs = this.#now();
    // RTCP shares the port (RFC 5761: packet types 192 to 223), and too short is nothing.
    if (packet.length < 12 || (packet[1]! >= 192 && packet[1]! <= 223)) return;
    const sequenceNumber = packet.readUInt16BE(2);
    const timestamp = packet.readUInt32BE(4);
    const missing = this.#arrivals.take(
      sequenceNumber,
      timestamp,
      atMs,
      packet[1]! >= 128,
      this.#options.lag?.recent(atMs),
    );
    if (missing < 0) return;
    this.#onFrame?.({ sequenceNumber, timestamp, atMs });
    if (this.#decoder) this.#measure(this.#decoder, packet, timestamp, missing, atMs);
  }

  #measure(decoder: OpusDecoderHandle, packet: Buffer, timestamp: number, missing: number, atMs: number): void {
    let payload: Buffer;
    try {
      const clear = this.#srtp.decrypt(packet);
      payload = clear.subarray(RtpHeader.deSerialize(clear).payloadOffset);
    } catch {
      this.#undecipherable++;
      return;
    }
    for (let lost = 0; lost < Math.min(missing, 5); lost++) decoder.decodePacketLoss(PROBE_FRAME_SAMPLES);
    this.#firstTimestamp ??= timestamp;
    const position = ((timestamp - this.#firstTimestamp) >>> 0) / TIMESTAMPS_PER_SAMPLE;
    const frame = Math.floor(position / PROBE_FRAME_SAMPLES);
    this.#arrivedFrame[frame % KEPT_FRAMES] = frame;
    this.#arrivedAtMs[frame % KEPT_FRAMES] = atMs;
    this.#detector.push(decoder.decode(payload), position);
  }

  /** A chirp begins at `position` of the received stream. */
  #found(position: number): void {
    const frame = Math.floor(position / PROBE_FRAME_SAMPLES);
    if (this.#arrivedFrame[frame % KEPT_FRAMES] !== frame) return;
    const heardAtMs = this.#arrivedAtMs[frame % KEPT_FRAMES]! + samplesToMs(position - frame * PROBE_FRAME_SAMPLES);
    const { chirpAt } = this.#options.signal;
    const frameOfChirp = Math.floor(chirpAt / PROBE_FRAME_SAMPLES);
    const within = samplesToMs(chirpAt - frameOfChirp * PROBE_FRAME_SAMPLES);
    const lastPeriod = Math.floor((this.#next - 1 - frameOfChirp) / CHIRP_PERIOD_FRAMES);
    for (let period = lastPeriod; period >= 0; period--) {
      const sentFrame = period * CHIRP_PERIOD_FRAMES + frameOfChirp;
      if (this.#next - sentFrame > KEPT_FRAMES) return;
      const tripMs = heardAtMs - (this.#sentAtMs[sentFrame % KEPT_FRAMES]! + within);
      if (tripMs < 0) continue;
      this.#tripsMs.push(tripMs);
      return;
    }
  }
}

function samplesToMs(samples: number): number {
  return (samples * 1_000) / PROBE_RATE;
}
