/**
 * A caller at a POP's plain door who says a recorded script in real time, telling in each packet how loud it is, and
 * writes down when the agent's voice comes and when it does not. Owns its socket and its log; what the log means is the
 * benchmark's.
 */
import { createSocket, type Socket } from 'node:dgram';
import { RtpHeader, type SrtpSession } from 'werift-rtp';
import { AUDIO_LEVEL_EXTENSION_ID, parseRtp } from '../../src/backbone/index.ts';
import type { HeardSpurt, SaidSound } from '../fake-pop/messages.ts';
import type { RecordedScript } from '../fake-pop/script.ts';
import { type SrtpKey, srtpSession } from '../light-caller/srtp-key.ts';

const FRAME_MS = 20;
const FRAME_TIMESTAMPS = 960;
const ONE_BYTE_PROFILE = 0xbede;
const VOICE_BIT = 0x80;
const GCM_TAG_BYTES = 16;
/** The POP's silence has three bytes; no frame of a voice is that short. */
const SILENT_PAYLOAD_BYTES = 3;
/** What comes after a hole of this length is another spurt: shorter than any pause for a sound, longer than our stalls. */
const SPURT_GAP_MS = 120;
const STALL_MS = 30;

export interface LevelledCallerOptions {
  remote: { ip: string; port: number };
  localKey: SrtpKey;
  remoteKey: SrtpKey;
  ssrc: number;
  payloadType: number;
  script: RecordedScript;
  /** Of each packet of the script, dBov. */
  levels: readonly number[];
  /** Where in the script it begins. */
  firstFrame: number;
}

/** Times are performance.now(). */
export interface LevelledCallLog {
  sounds: SaidSound[];
  /** Stretches of the agent's voice, the POP's silence left out. */
  spurts: HeardSpurt[];
  /** Frames of silence that the POP put in the voice's place. */
  silentFrames: number;
  /** Sequence numbers that never came. */
  lost: number;
  /** Most that a packet was sent after its time. */
  sendLateMs: number;
  /** When packets left more than `STALL_MS` late: this process's own doing. */
  stallsAtMs: number[];
}

export class LevelledCaller {
  readonly #options: LevelledCallerOptions;
  readonly #srtp: SrtpSession;
  readonly #socket: Socket = createSocket('udp4');
  #timer: NodeJS.Timeout | null = null;
  #startedAtMs = 0;
  #next = 0;
  #lastSequenceNumber: number | null = null;
  #spurt: HeardSpurt | null = null;
  #log: LevelledCallLog = emptyLog();

  constructor(options: LevelledCallerOptions) {
    this.#options = options;
    this.#srtp = srtpSession(options.localKey, options.remoteKey);
  }

  /** Begins to speak; the door answers once the first packet is there. */
  async start(): Promise<void> {
    const { ip, port } = this.#options.remote;
    this.#socket.on('message', (packet) => this.#receive(packet, performance.now()));
    await new Promise<void>((resolve, reject) => {
      this.#socket.once('error', reject);
      this.#socket.connect(port, ip, () => {
        this.#socket.off('error', reject);
        resolve();
      });
    });
    // A door that is already closed answers with ICMP; the log then shows that nothing came.
    this.#socket.on('error', () => {});
    this.#startedAtMs = performance.now();
    this.#tick();
  }

  /** Forget what was written down up to now. */
  measureFromNow(): void {
    this.#log = emptyLog();
    this.#spurt = null;
  }

  get log(): LevelledCallLog {
    return this.#log;
  }

  /** Idempotent. */
  async stop(): Promise<void> {
    if (this.#timer === null) return;
    clearTimeout(this.#timer);
    this.#timer = null;
    await new Promise<void>((resolve) => this.#socket.close(() => resolve()));
  }

  #tick(): void {
    while (this.#dueMs <= performance.now()) this.#send();
    this.#timer = setTimeout(() => this.#tick(), Math.max(0, this.#dueMs - performance.now()));
  }

  get #dueMs(): number {
    return this.#startedAtMs + this.#next * FRAME_MS;
  }

  #send(): void {
    const { script, levels, firstFrame, ssrc, payloadType } = this.#options;
    const frame = this.#next++;
    const place = (firstFrame + frame) % script.packets.length;
    const header = new RtpHeader({
      payloadType,
      sequenceNumber: frame & 0xffff,
      timestamp: (frame * FRAME_TIMESTAMPS) >>> 0,
      ssrc,
      marker: frame === 0,
      extension: true,
      extensionProfile: ONE_BYTE_PROFILE,
      extensions: [{ id: AUDIO_LEVEL_EXTENSION_ID, payload: Buffer.from([VOICE_BIT | -levels[place]!]) }],
    });
    const nowMs = performance.now();
    const lateMs = nowMs - (this.#startedAtMs + frame * FRAME_MS);
    this.#log.sendLateMs = Math.max(this.#log.sendLateMs, lateMs);
    if (lateMs > STALL_MS) this.#log.stallsAtMs.push(nowMs);
    this.#socket.send(this.#srtp.encrypt(script.packets[place]!, header));
    for (const [index, { kind, firstFrame: first, lastFrame: last }] of script.sounds.entries()) {
      if (first === place) this.#log.sounds.push({ index, kind, edge: 'first', atMs: nowMs });
      if (last === place) this.#log.sounds.push({ index, kind, edge: 'last', atMs: nowMs });
    }
  }

  /** Only the header is read, which SRTP leaves in the clear, and the length. */
  #receive(packet: Buffer, atMs: number): void {
    // RFC 5761: packet types 192 to 223 are RTCP.
    if (packet.length < 12 || (packet[1]! >= 192 && packet[1]! <= 223)) return;
    const view = parseRtp(packet);
    if (view === null) return;
    if (this.#lastSequenceNumber !== null) {
      const step = (view.wireSequenceNumber - this.#lastSequenceNumber) & 0xffff;
      if (step > 1 && step < 0x8000) this.#log.lost += step - 1;
    }
    this.#lastSequenceNumber = view.wireSequenceNumber;
    if (view.payloadLength - GCM_TAG_BYTES <= SILENT_PAYLOAD_BYTES) {
      this.#log.silentFrames += 1;
      return;
    }
    if (this.#spurt === null || atMs - this.#spurt.lastAtMs > SPURT_GAP_MS) {
      this.#spurt = { firstAtMs: atMs, lastAtMs: atMs, firstNumber: view.wireSequenceNumber, frames: 1 };
      this.#log.spurts.push(this.#spurt);
    } else {
      this.#spurt.lastAtMs = atMs;
      this.#spurt.frames += 1;
    }
  }
}

function emptyLog(): LevelledCallLog {
  return { sounds: [], spurts: [], silentFrames: 0, lost: 0, sendLateMs: 0, stallsAtMs: [] };
}
