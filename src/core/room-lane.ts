/**
 * One participant's sound on its way to the one ear of a room's agent: what is to be heard and waits, what was nothing
 * and is forgotten, and which of the caller's sound lies behind a position of the room's stream. Whose turn it is is
 * room-ear.ts.
 */
import { EAR_FRAME_SAMPLES, type EarFrame, type Speaker } from '../agent/types.ts';
import { LoudVoice } from './loud-voice.ts';
import { PacketTrail } from './packet-trail.ts';

/** Sound from before speech was noticed: soft beginnings, frames (300 ms). */
const PREROLL_FRAMES = 15;
/** Of a silence within what waits so much is kept: a turn ends by it. */
const KEPT_SILENCE_MS = 500;

export class RoomLane {
  readonly speaker: Speaker;
  /** The caller muted themselves, or was muted: what comes is not heard. */
  muted = false;
  /** Nothing comes: the caller's POP is out of reach. */
  resting = false;
  /** The caller has left; what they said is still to be heard. */
  gone = false;
  readonly #voice = new LoudVoice();
  /** Positions of the caller's own stream clock behind positions of the room's. */
  readonly #trail = new PacketTrail();
  /** In order; what is left out of it is told by the frames' positions. */
  #kept: EarFrame[] = [];
  #first = 0;
  /** When what waits began; null when nothing does. */
  #waitsSinceMs: number | null = null;
  /** End of what was left out after the last kept frame. */
  #leftOutTo = 0;

  constructor(speaker: Speaker) {
    this.speaker = speaker;
  }

  /** Frames that wait. */
  get kept(): number {
    return this.#kept.length - this.#first;
  }

  /** When the speech began that waits, `Clock.now`; null when none does. */
  get waitsSinceMs(): number | null {
    return this.#waitsSinceMs;
  }

  /** Since the caller was last loud enough. */
  get silentMs(): number {
    return this.#voice.silentMs;
  }

  /** The frame as it is to be heard: of a muted caller, silence. */
  hear(frame: EarFrame): EarFrame {
    const heard: EarFrame = this.muted
      ? { ...frame, pcm: new Int16Array(EAR_FRAME_SAMPLES), origin: 'silence' }
      : frame;
    if (heard.origin === 'silence' || heard.origin === 'concealed') this.#voice.pushSilence();
    else this.#voice.push(heard.pcm);
    return heard;
  }

  /** Keeps a frame that was heard and cannot be given on now. @param roomPosition the room's stream stands there */
  keep(frame: EarFrame, roomPosition: number): void {
    const waits = this.#waitsSinceMs !== null;
    if (waits && this.#voice.silentMs > KEPT_SILENCE_MS) {
      this.#leftOutTo = frame.position + EAR_FRAME_SAMPLES;
      return;
    }
    this.#kept.push(frame);
    if (waits) return;
    if (this.#voice.speaking) this.#waitsSinceMs = frame.receivedAtMs;
    else while (this.kept > PREROLL_FRAMES) this.forget(roomPosition);
  }

  /** The next frame that waits, which is the agent's now; null when none does. */
  take(): EarFrame | null {
    const frame = this.#shift();
    if (this.kept === 0) this.#waitsSinceMs = null;
    return frame;
  }

  /** The oldest frame that waits is nothing that anybody needs to hear. */
  forget(roomPosition: number): void {
    const frame = this.#shift();
    if (frame !== null) this.passed(frame, roomPosition);
  }

  /** The agent has heard `frame`, whose end is `roomPosition` in the room's stream, or needs not hear it. */
  passed(frame: EarFrame, roomPosition: number): void {
    const end =
      this.kept === 0 ? Math.max(this.#leftOutTo, frame.position + EAR_FRAME_SAMPLES) : this.#nextStart(frame);
    this.#trail.add(end, roomPosition);
  }

  /** Position of the caller's own stream clock (samples) up to which all was dealt with before the room's `position`. */
  positionBefore(position: number): number | null {
    return this.#trail.before(position);
  }

  /** What was left out before the frame that waits next lies behind it. */
  #nextStart(frame: EarFrame): number {
    return this.#kept[this.#first]?.position ?? frame.position + EAR_FRAME_SAMPLES;
  }

  #shift(): EarFrame | null {
    const frame = this.#kept[this.#first];
    if (frame === undefined) return null;
    this.#first += 1;
    if (this.#first === this.#kept.length) {
      this.#kept = [];
      this.#first = 0;
    } else if (this.#first >= 256) {
      this.#kept = this.#kept.slice(this.#first);
      this.#first = 0;
    }
    return frame;
  }
}
