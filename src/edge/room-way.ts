/**
 * What the core of a room is told of one caller's seat beside its session: that it is muted, its video, and what its
 * moderator wants of participants at other POPs. Said again to each core, and over each pipe, that the call comes to.
 * Owns the caller's video on the pipe.
 */
import type { Producer } from 'mediasoup/types';
import type { MediaPipe, SentVideo } from '../backbone/index.ts';
import { asAntipodeError } from '../errors.ts';
import type { Logger } from '../telemetry/index.ts';
import type { CoreLink } from './core-link.ts';
import type { RoomTeller } from './room-remote.ts';
import type { RoomOrder } from './room-seat.ts';

/** Where the session is now. */
export interface RoomWayEnd {
  link: Pick<CoreLink, 'request' | 'send'> & RoomTeller;
  epoch: number;
  pipe: Pick<MediaPipe, 'pipeId' | 'sendVideo'>;
}

export interface RoomWayOptions {
  sessionId: string;
  log: Logger;
  /** The room is to believe this core. */
  onArrived: (teller: RoomTeller) => void;
}

export class RoomWay {
  readonly #sessionId: string;
  readonly #log: Logger;
  #end: RoomWayEnd | null = null;
  #muted = false;
  #video: Producer | null = null;
  #sent: SentVideo | null = null;
  /** Videos go one after the other. */
  #work: Promise<void> = Promise.resolve();
  #closed = false;

  readonly #onArrived: (teller: RoomTeller) => void;

  constructor({ sessionId, log, onArrived }: RoomWayOptions) {
    this.#sessionId = sessionId;
    this.#log = log;
    this.#onArrived = onArrived;
  }

  /** The session is at a core over this pipe from now on. */
  arrived(end: RoomWayEnd): void {
    this.#end = end;
    if (this.#muted) this.#tellMuted();
    if (this.#video) this.#publish();
    this.#onArrived(end.link);
  }

  muted(muted: boolean): void {
    if (this.#muted === muted) return;
    this.#muted = muted;
    this.#tellMuted();
  }

  /** Null: no more. */
  video(producer: Producer | null): void {
    if (this.#video === producer) return;
    this.#video = producer;
    this.#publish();
  }

  order(participantId: string, order: RoomOrder): void {
    const end = this.#end;
    end?.link.send('room.order', { sessionId: this.#sessionId, epoch: end.epoch, participantId, order });
  }

  /** Settles when what was asked of the core so far is answered. */
  get settled(): Promise<void> {
    return this.#work;
  }

  /** Idempotent. */
  close(): void {
    this.#closed = true;
    this.#sent?.close();
    this.#sent = null;
  }

  #tellMuted(): void {
    const end = this.#end;
    end?.link.send('session.muted', { sessionId: this.#sessionId, epoch: end.epoch, muted: this.#muted });
  }

  #publish(): void {
    this.#work = this.#work
      .then(() => this.#publishNow())
      .catch((error: unknown) => {
        if (this.#closed) return;
        const { code, message } = asAntipodeError(error);
        this.#log.warn({ code, reason: message }, "a caller's video does not reach the other POPs");
      });
  }

  async #publishNow(): Promise<void> {
    const [end, video] = [this.#end, this.#video];
    if (this.#closed || end === null) return;
    const of = { sessionId: this.#sessionId, epoch: end.epoch, kind: 'video' } as const;
    const former = this.#sent;
    this.#sent = null;
    former?.close();
    if (video === null || video.closed) {
      if (former) await end.link.request('room.unpublish', of);
      return;
    }
    const sent = await end.pipe.sendVideo(video);
    try {
      await end.link.request('room.publish', { ...of, pipeId: end.pipe.pipeId, stream: sent.stream });
    } catch (error) {
      sent.close();
      throw error;
    }
    if (this.#closed) sent.close();
    else this.#sent = sent;
  }
}
