/**
 * The caller's voice on its way to the core: numbers each packet, keeps it in the ring, reads its loudness and hands it
 * on to whatever is attached. What arrives while nothing is attached waits in the ring and goes first. Owns no mediasoup
 * object: packets come in by `push` and leave by the function given to `attach`.
 */
import {
  AUDIO_LEVEL_EXTENSION_ID,
  buildRtp,
  OPUS_CLOCK_RATE,
  PIPE_OPUS_PAYLOAD_TYPE,
  parseRtp,
  type RtpView,
  tsDelta,
} from '../backbone/index.ts';
import type { Clock, Timer } from '../clock.ts';
import { PacketRing, type RingPacket } from './packet-ring.ts';
import { UplinkNumbering } from './uplink-numbering.ts';

/** Loudness of a caller's packet, RFC 6464. */
export interface AudioLevel {
  /** 0 (full scale) to -127 dBov (silence). */
  dbov: number;
  /** The sender's own voice activity bit. */
  voice: boolean;
  /** Monotonic milliseconds. */
  atMs: number;
  /** Length of the caller's packets, by the distance between them; 20 before that is known. */
  durationMs: number;
}

/** What became of a packet from the caller; one that waits in the ring is counted when it leaves. */
export type UplinkResult = 'forwarded' | 'duplicate' | 'late' | 'malformed' | 'flood' | 'overwritten';

export interface UplinkTapOptions {
  /** SSRC of the stream to the core, the same for the whole session. */
  ssrc: number;
  /** Reach of the ring (config edge.uplinkRingSeconds). */
  ringSeconds: number;
  clock: Clock;
  /** Called for each packet with what became of it. */
  onResult?: (result: UplinkResult) => void;
  /** Called for each packet that carries a level. The object is used again for the next packet. */
  onLevel?: (level: Readonly<AudioLevel>) => void;
  /** Called for each packet that carries none. */
  onNoLevel?: () => void;
  /** @defaultValue 1 */
  firstPacketNumber?: number;
  /** 32 bits. @defaultValue 0 */
  firstTimestamp?: number;
  /**
   * Packets per second that one caller may send for long; twice as many in a burst. The rest is dropped.
   * @defaultValue 400, Opus in its shortest frames
   */
  maxPacketsPerSecond?: number;
}

export interface UplinkTapStats {
  received: number;
  forwarded: number;
  duplicate: number;
  late: number;
  malformed: number;
  flood: number;
  /** Left the ring before a core was there to take it. */
  overwritten: number;
  /** Packets that no one sent us: holes in the numbers so far. */
  missing: number;
  /** Restarts of the caller's numbering, the first included. */
  segments: number;
  lastPacket: number;
}

/** Backlog leaves in portions, so that a receiving socket's buffer is not overrun: 250 times real time. */
const BACKLOG_PORTION_PACKETS = 25;
const BACKLOG_INTERVAL_MS = 2;
/** All calls of a lost core replay at once, over one socket: ten times real time each. */
const REPLAY_PORTION_PACKETS = 5;
const REPLAY_INTERVAL_MS = 10;
const DEFAULT_PACKET_MS = 20;
/** RFC 7587 lets a packet be 120 ms long; more between two packets is a pause of the sender (DTX). */
const MAX_PACKET_MS = 120;

export class UplinkTap {
  readonly #options: UplinkTapOptions;
  readonly #clock: Clock;
  readonly #ring: PacketRing;
  readonly #numbering: UplinkNumbering;
  readonly #firstNumber: number;
  readonly #level: AudioLevel = { dbov: -127, voice: false, atMs: 0, durationMs: DEFAULT_PACKET_MS };
  readonly #packetsPerMs: number;
  readonly #burstPackets: number;
  #hasLevel = false;
  #lastNumber = -1;
  #lastTimestamp = 0;
  #lastStepMs = DEFAULT_PACKET_MS;
  #allowance: number;
  #allowanceAtMs: number;
  #send: ((packet: Buffer) => void) | null = null;
  /** Lowest number that was neither forwarded nor passed over. */
  #cursor: number;
  /** Up to this number it goes out again for another core. */
  #replayTo = 0;
  #backlogTimer: Timer | null = null;
  #catchingUp: PromiseWithResolvers<void> | null = null;
  #closed = false;
  #received = 0;
  #kept = 0;
  readonly #results: Record<UplinkResult, number> = {
    forwarded: 0,
    duplicate: 0,
    late: 0,
    malformed: 0,
    flood: 0,
    overwritten: 0,
  };

  constructor(options: UplinkTapOptions) {
    const perSecond = options.maxPacketsPerSecond ?? 400;
    this.#options = options;
    this.#clock = options.clock;
    this.#ring = new PacketRing({ seconds: options.ringSeconds });
    this.#firstNumber = options.firstPacketNumber ?? 1;
    this.#numbering = new UplinkNumbering(this.#firstNumber, options.firstTimestamp ?? 0);
    this.#cursor = this.#firstNumber;
    this.#packetsPerMs = perSecond / 1_000;
    this.#burstPackets = perSecond * 2;
    this.#allowance = this.#burstPackets;
    this.#allowanceAtMs = options.clock.now();
  }

  /** Loudness of the last packet that told it, or null. */
  get level(): Readonly<AudioLevel> | null {
    return this.#hasLevel ? this.#level : null;
  }

  /** Highest packet number so far; `firstPacketNumber - 1` before the first packet. */
  get lastPacket(): number {
    return Math.max(this.#ring.newest, this.#firstNumber - 1);
  }

  /** One RTP packet of the caller. The buffer is read, not kept. */
  push(packet: Buffer): void {
    if (this.#closed) return;
    this.#received += 1;
    const refused = this.#take(packet, this.#clock.now());
    if (refused) this.#count(refused);
  }

  /**
   * From now on packets leave by `send`, which must not throw; those that wait in the ring go first, in order. The
   * buffer given to `send` is valid during the call only.
   */
  attach(send: (packet: Buffer) => void): void {
    if (this.#closed) return;
    this.#backlogTimer?.cancel();
    this.#backlogTimer = null;
    this.#send = send;
    this.#sendBacklog();
  }

  /**
   * The next `attach` begins with packet `from`, or the oldest that the ring holds: what was forwarded goes out again.
   * @param how `alone`: few other calls do so at the same time, so it may hurry
   */
  rewind(from: number, { alone = false }: { alone?: boolean } = {}): void {
    this.#cursor = Math.min(this.#cursor, Math.max(from, this.#firstNumber, this.#ring.floor));
    this.#replayTo = alone ? 0 : this.#ring.newest;
  }

  /** Packets wait in the ring again. Idempotent. */
  detach(): void {
    this.#send = null;
    this.#backlogTimer?.cancel();
    this.#backlogTimer = null;
    this.#endBacklog();
  }

  /** Resolves when nothing waits any more and packets leave as they come, or by a `detach`. */
  get caughtUp(): Promise<void> {
    if (!this.#backlogTimer) return Promise.resolve();
    this.#catchingUp ??= Promise.withResolvers<void>();
    return this.#catchingUp.promise;
  }

  /**
   * What the ring holds from packet `fromPacket` on, in order, holes left out: for a take-over that hears again what
   * was not answered. Packets that arrive meanwhile are included.
   */
  *replay(fromPacket: number): Generator<RingPacket, void, void> {
    for (let number = Math.max(fromPacket, this.#ring.floor); number <= this.#ring.newest; number++) {
      const held = this.#ring.get(Math.max(number, this.#ring.floor), this.#clock.now());
      if (held) yield held;
    }
  }

  stats(): UplinkTapStats {
    const passed = this.lastPacket - this.#firstNumber + 1;
    return {
      received: this.#received,
      ...this.#results,
      missing: passed - this.#kept,
      segments: this.#numbering.segments,
      lastPacket: this.lastPacket,
    };
  }

  close(): void {
    this.#closed = true;
    this.detach();
  }

  /** Keeps and forwards the packet, or says why not. */
  #take(packet: Buffer, nowMs: number): UplinkResult | null {
    if (!this.#admit(nowMs)) return 'flood';
    const view = parseRtp(packet);
    if (!view || view.payloadLength === 0) return 'malformed';
    if (!this.#numbering.accept(view.ssrc, view.wireSequenceNumber, view.timestamp, nowMs)) return 'late';
    const number = this.#numbering.number;
    if (this.#ring.has(number)) return 'duplicate';
    const level = levelOf(view);
    const ours = buildRtp({
      payloadType: PIPE_OPUS_PAYLOAD_TYPE,
      audioLevel: level,
      marker: view.marker,
      sequenceNumber: number,
      timestamp: this.#numbering.timestamp,
      ssrc: this.#options.ssrc,
      payload: view.payload,
    });
    if (!this.#ring.put(number, nowMs, ours)) return 'late';
    this.#kept += 1;
    this.#measure(number, this.#numbering.timestamp);
    this.#readLevel(level, nowMs);
    if (!this.#send) return null;
    if (number < this.#cursor) this.#forward(ours);
    else if (!this.#backlogTimer) {
      this.#cursor = number + 1;
      this.#forward(ours);
    }
    return null;
  }

  #sendBacklog(): void {
    this.#backlogTimer = null;
    const nowMs = this.#clock.now();
    const replays = this.#cursor <= this.#replayTo;
    let left = replays ? REPLAY_PORTION_PACKETS : BACKLOG_PORTION_PACKETS;
    while (this.#cursor <= this.#ring.newest && left > 0) {
      const number = this.#cursor++;
      const held = this.#ring.get(number, nowMs);
      if (held) {
        left -= 1;
        this.#forward(held.packet);
      } else if (number < this.#ring.floor || this.#ring.has(number)) this.#count('overwritten');
    }
    if (this.#cursor > this.#ring.newest || !this.#send) {
      this.#endBacklog();
      return;
    }
    const waitMs = replays ? REPLAY_INTERVAL_MS : BACKLOG_INTERVAL_MS;
    this.#backlogTimer = this.#clock.setTimeout(() => this.#sendBacklog(), waitMs);
  }

  #endBacklog(): void {
    this.#catchingUp?.resolve();
    this.#catchingUp = null;
  }

  #forward(packet: Buffer): void {
    this.#count('forwarded');
    this.#send?.(packet);
  }

  #admit(nowMs: number): boolean {
    const earned = (nowMs - this.#allowanceAtMs) * this.#packetsPerMs;
    this.#allowance = Math.min(this.#burstPackets, this.#allowance + earned);
    this.#allowanceAtMs = nowMs;
    if (this.#allowance < 1) return false;
    this.#allowance -= 1;
    return true;
  }

  /** How long the caller's packets are: one longer step may be a pause of the sender, two are not. */
  #measure(number: number, timestamp: number): void {
    const stepMs = tsDelta(timestamp, this.#lastTimestamp) / (OPUS_CLOCK_RATE / 1_000);
    if (number === this.#lastNumber + 1 && stepMs > 0 && stepMs <= MAX_PACKET_MS) {
      this.#level.durationMs = Math.min(stepMs, this.#lastStepMs);
      this.#lastStepMs = stepMs;
    }
    this.#lastNumber = number;
    this.#lastTimestamp = timestamp;
  }

  #readLevel(byte: number | undefined, nowMs: number): void {
    if (byte === undefined) {
      this.#options.onNoLevel?.();
      return;
    }
    this.#hasLevel = true;
    this.#level.dbov = -(byte & 0x7f);
    this.#level.voice = (byte & 0x80) !== 0;
    this.#level.atMs = nowMs;
    this.#options.onLevel?.(this.#level);
  }

  #count(result: UplinkResult): void {
    this.#results[result] += 1;
    this.#options.onResult?.(result);
  }
}

/** The byte of RFC 6464, where the packet carries one. */
function levelOf(view: RtpView): number | undefined {
  const value = view.extension(AUDIO_LEVEL_EXTENSION_ID);
  return value === null || value.length === 0 ? undefined : value.readUInt8(0);
}
