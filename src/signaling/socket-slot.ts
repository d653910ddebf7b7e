/**
 * Which socket speaks for a live session, if any: takes the newer over the older, keeps what the agent tells while
 * nobody listens, replays it, and runs the window within which a caller must come back. Owns no media and no tokens.
 */
import type { ClientEvent, SessionEnd } from '../agent/client-events.ts';
import type { Clock, Timer } from '../clock.ts';
import { EventBacklog } from './event-backlog.ts';
import type { SignalingEventData, SignalingEventName } from './protocol.ts';
import type { SessionSocket } from './session-socket.ts';

export interface SocketSlotOptions {
  clock: Clock;
  /** How long the slot may be empty, ms. */
  resumeWindowMs: number;
  /** The caller lost or regained its way to us; called on changes only. */
  onConnection(state: 'connected' | 'disconnected'): void;
  /** Nobody came back within the window. */
  onLost(): void;
}

export class SocketSlot {
  readonly #options: SocketSlotOptions;
  readonly #backlog = new EventBacklog();
  #socket: SessionSocket | null = null;
  #windowTimer: Timer | null = null;
  /** What onConnection was told last. */
  #connected = true;
  #closed = false;

  constructor(options: SocketSlotOptions) {
    this.#options = options;
  }

  /** What the agent tells: sent when somebody listens, and kept until the client has it. */
  tell(event: ClientEvent): void {
    const entry = this.#backlog.add(event);
    this.#socket?.sendEntry(entry.seq, entry.text);
  }

  /** Told to who listens now; of no use to who comes later. False when nobody does. */
  tellNow<E extends Exclude<SignalingEventName, 'agent' | 'session-ended'>>(
    event: E,
    data: SignalingEventData<E>,
  ): boolean {
    this.#socket?.sendEvent(event, data);
    return this.#socket !== null;
  }

  /** The client has every event up to and with `seq`. */
  confirmed(socket: SessionSocket, seq: number): void {
    if (this.#socket === socket) this.#backlog.confirm(seq);
  }

  /** Makes room for a socket that is about to come, or fails to: whoever is there is superseded, the window waits. */
  vacate(): void {
    const superseded = this.#socket;
    this.#socket = null;
    this.#stopWindow();
    superseded?.supersede();
  }

  /** Puts a socket in that has had its answer, and sends it what the client may have missed. */
  fill(socket: SessionSocket): void {
    this.#stopWindow();
    this.#socket = socket;
    if (!this.#connected) {
      this.#connected = true;
      this.#options.onConnection('connected');
    }
    for (const entry of [...this.#backlog.entries]) {
      if (this.#socket !== socket) return;
      socket.sendEntry(entry.seq, entry.text);
    }
    const dropped = this.#backlog.takeDropped();
    if (dropped === 0) return;
    const text = `${dropped} events were dropped while the connection was away.`;
    this.tell({ type: 'notice', level: 'warning', code: 'events-dropped', text });
  }

  /** A socket is gone; nothing happens unless it was the one. */
  gone(socket: SessionSocket): void {
    if (this.#socket !== socket) return;
    this.#socket = null;
    this.stillEmpty();
  }

  /** Nobody took the place: the window runs, and the edge learns that the caller is away. */
  stillEmpty(): void {
    if (this.#closed || this.#socket) return;
    const { clock, resumeWindowMs, onLost } = this.#options;
    this.#windowTimer ??= clock.setTimeout(onLost, resumeWindowMs);
    if (!this.#connected) return;
    this.#connected = false;
    this.#options.onConnection('disconnected');
  }

  /** Says the end to who listens and stops. Idempotent. */
  close(end: SessionEnd, shuttingDown: boolean): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#stopWindow();
    this.#socket?.finish(end, shuttingDown);
    this.#socket = null;
  }

  #stopWindow(): void {
    this.#windowTimer?.cancel();
    this.#windowTimer = null;
  }
}
