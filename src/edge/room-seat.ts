/**
 * One caller's seat in a room at its POP: its streams that the others consume, whether it is muted, whether it speaks.
 * Owns these; who is told of them is the room's, the call behind them edge-call's.
 */
import type { Producer } from 'mediasoup/types';
import type { Clock } from '../clock.ts';
import { AntipodeError } from '../errors.ts';
import { mediaFailure } from './media-failure.ts';
import type { Participant, RoomNotice } from './room-notices.ts';
import type { RoomTeller } from './room-remote.ts';
import { Speaking } from './room-speaking.ts';
import type { AudioLevel } from './uplink-tap.ts';

/** What a moderator may have done to a participant. */
export type RoomOrder = 'mute' | 'remove';

/** What the room asks of the call behind a seat. None of these may throw. */
export interface SeatedCall {
  /** Told of the others, never of itself but for what others did to it. */
  notice(notice: RoomNotice, participant: Participant): void;
  /** Its core is to know that it is muted, or not any more. */
  muted(muted: boolean): void;
  /** Its video is to go to the other POPs by its core; null: not any more. */
  shareVideo(producer: Producer | null): void;
  /** A moderator wants it out. */
  removed(): void;
  /** Its moderator wants something of a participant at another POP. */
  order(participantId: string, order: RoomOrder): void;
}

export interface RoomSeatOptions {
  sessionId: string;
  participantId: string;
  name: string;
  pop: string;
  clock: Clock;
  onChange: (seat: RoomSeat) => void;
  /** Its call has come to another core, or by another way to the same one. */
  onArrived: (seat: RoomSeat) => void;
  onLeft: (seat: RoomSeat) => void;
}

export type MediaKind = 'audio' | 'video';

const CHANGES_PER_SECOND = 2;
const BURST_CHANGES = 10;

export class RoomSeat {
  readonly sessionId: string;
  readonly participantId: string;
  readonly #options: RoomSeatOptions;
  readonly #producers = new Map<MediaKind, Producer>();
  readonly #speaking: Speaking;
  #call: SeatedCall | null = null;
  #teller: RoomTeller | null = null;
  #muted = false;
  #silencing: Promise<void> = Promise.resolve();
  /** Times that the caller may still change its mind about being heard, and since when it earns more. */
  #changes = BURST_CHANGES;
  #changesAtMs: number;
  #left = false;

  constructor(options: RoomSeatOptions) {
    this.#options = options;
    this.sessionId = options.sessionId;
    this.participantId = options.participantId;
    this.#changesAtMs = options.clock.now();
    this.#speaking = new Speaking({ clock: options.clock, onChange: () => this.#changed() });
  }

  /** The call behind it, once it is open: before that the others do not see it. */
  get call(): SeatedCall | null {
    return this.#call;
  }

  /** The core that its call is at; null before the first. */
  get teller(): RoomTeller | null {
    return this.#teller;
  }

  get muted(): boolean {
    return this.#muted;
  }

  get participant(): Participant {
    const { participantId, name, pop } = this.#options;
    const id = (kind: MediaKind) => this.producer(kind)?.id ?? null;
    return {
      ...{ participantId, name, pop, muted: this.#muted, speaking: this.#speaking.now },
      ...{ audio: id('audio'), video: id('video') },
    };
  }

  /** The stream that the others may consume. */
  producer(kind: MediaKind): Producer | null {
    const producer = this.#producers.get(kind);
    return producer === undefined || producer.closed ? null : producer;
  }

  /** Its call is open. */
  open(call: SeatedCall): void {
    if (this.#left) return;
    this.#call = call;
    this.#changed();
  }

  /** Its call is at this core now. */
  arrived(teller: RoomTeller): void {
    this.#teller = teller;
    if (!this.#left) this.#options.onArrived(this);
  }

  /** The caller sends this now. Its voice is paused when the caller is muted. */
  produces(producer: Producer): void {
    const { kind } = producer;
    this.#producers.set(kind, producer);
    producer.observer.once('close', () => {
      if (this.#producers.get(kind) !== producer) return;
      this.#producers.delete(kind);
      if (kind === 'audio') this.#speaking.silence();
      this.#changed();
    });
    this.#changed();
    // It may have been muted while the stream was made.
    // A voice that can't be made silent is none.
    if (kind === 'audio') this.#silence().catch(() => producer.close());
  }

  /** As `mute`, by the caller itself: each time everybody is told. @throws ERR_RATE_LIMITED */
  async muteItself(muted: boolean): Promise<void> {
    const nowMs = this.#options.clock.now();
    const earned = ((nowMs - this.#changesAtMs) / 1_000) * CHANGES_PER_SECOND;
    this.#changes = Math.min(BURST_CHANGES, this.#changes + earned);
    this.#changesAtMs = nowMs;
    if (this.#changes < 1) throw new AntipodeError('ERR_RATE_LIMITED', 'You mute and unmute too often.');
    this.#changes -= 1;
    await this.mute(muted);
  }

  /** Nothing of its voice goes on to anybody, from the very next packet on, or it does again. */
  async mute(muted: boolean): Promise<void> {
    if (this.#left || this.#muted === muted) return;
    this.#muted = muted;
    if (muted) this.#speaking.silence();
    this.#call?.muted(muted);
    this.#changed();
    await this.#silence();
  }

  heard(level: Readonly<AudioLevel>): void {
    if (!this.#muted) this.#speaking.heard(level);
  }

  /** Idempotent. */
  leave(): void {
    if (this.#left) return;
    this.#left = true;
    this.#speaking.silence();
    this.#producers.clear();
    this.#options.onLeft(this);
  }

  /** Makes the caller's voice as silent as it is to be, one change after the other. @throws ERR_MEDIA_WORKER_DIED */
  #silence(): Promise<void> {
    this.#silencing = this.#silencing.catch(() => {}).then(() => this.#silenceNow());
    return this.#silencing;
  }

  async #silenceNow(): Promise<void> {
    const producer = this.producer('audio');
    if (producer === null || producer.paused === this.#muted) return;
    try {
      if (this.#muted) await producer.pause();
      else await producer.resume();
    } catch (error) {
      // One that is gone is silent.
      if (!producer.closed) throw mediaFailure(error, producer, 'The voice can not be made silent.');
    }
  }

  #changed(): void {
    if (!this.#left && this.#call !== null) this.#options.onChange(this);
  }
}
