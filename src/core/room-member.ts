/**
 * One caller's session in a room: a seat of its own, and a share in the room's agent. Owns the seat, what the caller
 * shows, and whether they are muted; the agent and what the others hear are the room's.
 */
import type { ClientEvent, ClientMessage, SessionEnd } from '../agent/client-events.ts';
import type { CallJournal } from '../agent/journal/index.ts';
import type { Speaker } from '../agent/types.ts';
import type { PipeStream, PopEventData, PopRequestData, VideoStream } from '../backbone/index.ts';
import { AntipodeError } from '../errors.ts';
import type { HostedSession } from './hosted-session.ts';
import { journalPort } from './journal-port.ts';
import type { MediaBinding } from './media-binding.ts';
import type { OpenPipe, PopLink } from './pop-link.ts';
import { RecentEvents } from './recent-events.ts';
import type { Room, RoomSeatOptions } from './room.ts';
import type { ForwardedSource } from './room-forward.ts';
import { Seat } from './seat.ts';
import { whenLive } from './when-live.ts';

type Producer = ForwardedSource['producer'];

interface Video extends OpenPipe {
  readonly producer: Producer;
}

export class RoomMember implements HostedSession {
  readonly seat: Seat;
  readonly speaker: Speaker;
  /** Takes the agent's notes, in packets of this caller. */
  readonly journal: CallJournal;
  /** It goes on here after another core. */
  readonly isResumed: boolean;
  readonly #room: Room;
  readonly #options: RoomSeatOptions;
  readonly #recent: RecentEvents;
  #muted = false;
  #video: Video | null = null;
  #videos = 0;
  #bound: MediaBinding | null = null;
  #boundAt = 0;
  #isReady = false;
  #isAway = false;
  /** The caller is at another POP, and does not hear yet. */
  #isAdopted = false;
  /** The caller is heard by the others: what another core heard of them is not heard again. */
  #isLive: boolean;
  #stopWatching: (() => void) | null = null;
  /** The POP's writer has played all before this RTP timestamp (32 bits). */
  #played: number | null = null;
  #ended: Promise<void> | null = null;

  constructor(room: Room, speaker: Speaker, options: RoomSeatOptions) {
    this.#room = room;
    this.#options = options;
    this.speaker = speaker;
    const { attach, link, clock, nodeClock, decoder, totals, reorderWaitMs, log } = options;
    const { sessionId, epoch } = attach;
    this.#recent = new RecentEvents(clock);
    this.isResumed = attach.resume !== undefined;
    this.#isLive = !this.isResumed;
    const journal = room.journalFor(attach);
    this.seat = new Seat({
      sessionId,
      epoch,
      link,
      clock,
      nodeClock,
      decoder,
      totals,
      reorderWaitMs,
      openDownlink: room.voice.open,
      ...(journal && { journal }),
      log: log.child({ sessionId, epoch, room: room.name }),
      agentStarted: () => room.run.started,
      onWay: (way) => room.setWay(this, way),
      onBound: (bound) => {
        this.#bound = bound;
        this.#boundAt = room.nextBinding();
        room.changed();
      },
      onLost: (end) => void this.end(end, true),
      onFault: (error) => room.run.failed(error),
    });
    this.journal = journalPort(this.seat.journal, {
      packetBefore: (position) => room.ear.packetBefore(sessionId, position),
    });
  }

  get muted(): boolean {
    return this.#muted;
  }

  get showsVideo(): boolean {
    return this.#video !== null;
  }

  /** What the agent says is played to them. */
  get isReady(): boolean {
    return this.#isReady;
  }

  /** Its POP is out of reach. */
  get isAway(): boolean {
    return this.#isAway;
  }

  get playedTimestamp(): number | null {
    return this.#played;
  }

  /** By which the others' voices reach its POP; null while there is none. */
  get pipe(): OpenPipe | null {
    return this.#bound?.open ?? null;
  }

  /** Grows with each binding in the room. */
  get boundAt(): number {
    return this.#boundAt;
  }

  /** What is to be forwarded of them. */
  get sources(): ForwardedSource[] {
    const common = { participantId: this.speaker.participantId, pop: this.seat.link.nodeId };
    const sources: ForwardedSource[] = [];
    const bound = this.#bound;
    if (bound && this.#isLive) {
      sources.push({ ...common, kind: 'audio', worker: bound.open.worker, producer: bound.uplink });
    }
    const video = this.#video;
    if (video) sources.push({ ...common, kind: 'video', worker: video.worker, producer: video.producer });
    return sources;
  }

  async bind(open: OpenPipe, uplink: PipeStream): Promise<PipeStream> {
    const downlink = await this.seat.bind(open, uplink);
    if (!this.#isAdopted) this.#setAway(false);
    // It follows the answer.
    setImmediate(() => this.#room.bound(this));
    return downlink;
  }

  ready(): void {
    this.seat.ready();
    this.#isReady = true;
    this.#isAdopted = false;
    this.#setAway(false);
    this.#room.run.start();
    this.#room.playedChanged();
    if (this.#isLive || this.#stopWatching) return;
    this.#stopWatching = whenLive(this.seat.ear, this.#options.clock, () => {
      this.#isLive = true;
      this.#room.changed();
    });
  }

  startResumed(): void {
    if (this.isResumed) this.#room.run.start();
  }

  popAway(): void {
    if (this.#ended) return;
    this.seat.away(this.#options.popGraceMs);
    this.#setAway(true);
  }

  async adopt({ link, epoch }: { link: PopLink; epoch: number }, open: OpenPipe, uplink: PipeStream) {
    this.#endVideo();
    this.#isAdopted = true;
    this.#isReady = false;
    this.#played = null;
    this.seat.moveTo(link, epoch, this.#options.popGraceMs);
    this.#setAway(true);
    this.#room.adopted();
    const downlink = await this.bind(open, uplink);
    for (const event of this.#recent.take()) this.seat.tell('session.event', { event });
    return downlink;
  }

  /** The agent tells the clients. */
  event(event: ClientEvent): void {
    this.#recent.add(event, this.seat.link.connected);
    this.seat.tell('session.event', { event });
  }

  message(message: ClientMessage): void {
    this.#room.run.message(message, () => this.seat.messageGiven(), this.speaker);
  }

  played(timestamp: number): void {
    this.#played = timestamp;
    this.#room.playedChanged();
  }

  ducked({ duck, timestamp }: PopEventData<'reflex.ducked'>): void {
    if (this.#ended) return;
    if (timestamp !== null) this.played(timestamp);
    this.seat.judge.ducked(duck);
  }

  journaled(to: number): void {
    this.seat.journaled(to);
  }

  mute(muted: boolean): void {
    if (this.#muted === muted || this.#ended) return;
    this.#muted = muted;
    this.#room.muted(this);
  }

  order(participantId: string, order: PopEventData<'room.order'>['order']): void {
    if (!this.#ended) this.#room.order(participantId, order);
  }

  async publish({ worker, pipe }: OpenPipe, stream: VideoStream): Promise<void> {
    this.#assertRunning();
    this.#videos += 1;
    const turn = this.#videos;
    this.#endVideo();
    const producer = await pipe.receiveVideo(stream);
    if (this.#ended || turn !== this.#videos) {
      producer.close();
      this.#assertRunning();
      throw new AntipodeError('ERR_SUPERSEDED', 'Other video was published meanwhile, or none is wanted any more.');
    }
    const video: Video = { worker, pipe, producer };
    this.#video = video;
    producer.observer.once('close', () => {
      if (this.#video !== video) return;
      this.#video = null;
      this.#room.changed();
    });
    this.#room.changed();
  }

  unpublish(): void {
    this.#videos += 1;
    this.#endVideo();
    this.#room.changed();
  }

  end(end: SessionEnd, tell: boolean): Promise<void> {
    if (this.#ended) return this.#ended;
    // Everything below may call back into the session: it must count as ended by then.
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#ended = promise;
    this.#options.log.info(
      { sessionId: this.seat.sessionId, room: this.#room.name, code: end.code, reason: end.reason },
      'session ended',
    );
    this.seat.sayGoodbye(end, tell);
    this.#stopWatching?.();
    this.#endVideo();
    const closed = this.#room.left(this, end);
    this.seat.close();
    this.#options.onEnded(this, end);
    closed.then(resolve);
    return promise;
  }

  #setAway(isAway: boolean): void {
    if (this.#isAway === isAway) return;
    this.#isAway = isAway;
    this.#room.away(this);
  }

  #endVideo(): void {
    const video = this.#video;
    this.#video = null;
    video?.producer.close();
  }

  #assertRunning(): void {
    if (this.#ended) throw new AntipodeError('ERR_SESSION_ENDED', `Session ${this.seat.sessionId} has ended.`);
  }
}

/** What an attach says of a seat. */
export type SeatedAttach = PopRequestData<'session.attach'> & { seat: Speaker };
