/**
 * One caller's place at a core: the link to the POP and the epoch that hold it, the streams on a pipe that may be
 * replaced under it, the caller's ear, the judge of its POP's reflex and its POP's copy of the journal. What is heard
 * here goes to an agent's run, and what the agent says comes by `onWay`; the seat knows neither.
 */
import type { SessionEnd } from '../agent/client-events.ts';
import type { JournalState } from '../agent/journal/index.ts';
import type { CoreEventData, CoreEventName, PipeStream } from '../backbone/index.ts';
import type { Clock, Timer } from '../clock.ts';
import { AntipodeError } from '../errors.ts';
import type { Logger } from '../telemetry/index.ts';
import type { CoreTotals } from './core-metrics.ts';
import type { Downlink, OpenDownlink } from './downlink.ts';
import { CallEar } from './ear.ts';
import { JournalWriter } from './journal-writer.ts';
import { MediaBinding } from './media-binding.ts';
import type { NodeClock } from './node-clock.ts';
import type { OpusDecoder } from './opus-codec.ts';
import type { OpenPipe, PopLink } from './pop-link.ts';
import { ReflexJudge } from './reflex-judge.ts';

/** Takes RTP packets of the agent's voice to the caller. */
export type WayToCaller = Pick<Downlink, 'send' | 'source'>;

export interface SeatOptions {
  sessionId: string;
  epoch: number;
  link: PopLink;
  clock: Clock;
  nodeClock: NodeClock;
  /** Closed with the seat. */
  decoder: OpusDecoder;
  totals: CoreTotals;
  reorderWaitMs: number;
  openDownlink: OpenDownlink;
  /** The journal that its POP is to have from the start: the call goes on here. Absent for one that begins. */
  journal?: JournalState;
  log: Logger;
  /** Whether an agent speaks already: its words wait until the POP has had time to receive a new stream. */
  agentStarted: () => boolean;
  /** The way to the caller is there, or gone (null). */
  onWay: (way: WayToCaller | null) => void;
  /** The caller's voice is there on a pipe, or gone (null). */
  onBound?: (bound: MediaBinding | null) => void;
  /** Its pipe went and no other came. */
  onLost: (end: SessionEnd) => void;
  /** Its ear or a listener of it threw. */
  onFault: (error: unknown) => void;
}

/** Events from a core to a POP that are about one session. */
type SeatEvent = { [E in CoreEventName]: CoreEventData<E> extends { sessionId: string } ? E : never }[CoreEventName];

/** A seat without a pipe is lost after this long. */
const REPIPE_TIMEOUT_MS = 10_000;
/** How long the POP may take, beyond a round trip, to receive a stream that it was told of. */
const REBIND_HOLD_MS = 50;
/** What a POP is told that has the caller no more. */
const REPLACED: SessionEnd = { code: 'replaced', reason: 'The caller came back by another POP.' };
/** An agent whose POP is out of reach speaks on for this long: a channel that only broke is up again by then. */
const SPEAKS_ON_MS = 300;
/**
 * A POP that has not confirmed the journal for so long, beyond a round trip, may be losing it while it hears us: the agent
 * says nothing that nobody would know of.
 */
const UNCONFIRMED_MS = 300;

export class Seat {
  readonly sessionId: string;
  readonly ear: CallEar;
  readonly judge: ReflexJudge;
  readonly journal: JournalWriter;
  readonly #options: SeatOptions;
  #epoch: number;
  #link: PopLink;
  /** The POP does not receive our stream yet. */
  #speaksWhenReady: boolean;
  #messagesGiven = 0;
  #binding: MediaBinding | null = null;
  #bindings = 0;
  #stopWatchingPipe: (() => void) | null = null;
  #repipeTimer: Timer | null = null;
  #holdTimer: Timer | null = null;
  /** Its POP is out of reach: until it is given up, and until the agent falls silent. */
  #away: { readonly lost: Timer; readonly silence: Timer } | null = null;
  /** The POP that the caller leaves: heard until the next one is. */
  #former: { readonly link: PopLink; readonly epoch: number; readonly binding: MediaBinding } | null = null;
  /** Runs while the POP has not confirmed what it was told of the journal. */
  #unconfirmed: Timer | null = null;
  /** The agent is silent until it has. */
  #waitsForJournal = false;
  #closed = false;

  constructor(options: SeatOptions) {
    this.#options = options;
    this.sessionId = options.sessionId;
    this.#epoch = options.epoch;
    this.#link = options.link;
    const { clock, nodeClock, totals, decoder, reorderWaitMs, onFault } = options;
    this.ear = new CallEar({ clock, nodeClock, decoder, totals, reorderWaitMs, onFault });
    this.judge = new ReflexJudge({
      clock,
      arm: (armed) => this.tell('reflex.armed', { armed }),
      answer: (duck, verdict) => this.tell('reflex.answered', { duck, verdict }),
    });
    this.#speaksWhenReady = options.journal !== undefined;
    this.journal = new JournalWriter({
      ...(options.journal && { state: options.journal }),
      send: (frame) => {
        if (!this.#link.connected) return false;
        this.tell('session.journal', frame);
        this.#unconfirmed ??= this.#awaitConfirmation();
        return true;
      },
    });
  }

  get epoch(): number {
    return this.#epoch;
  }

  get link(): PopLink {
    return this.#link;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Tell its POP something of this session, at once or when the POP is back. */
  tell<E extends SeatEvent>(event: E, data: Omit<CoreEventData<E>, 'sessionId' | 'epoch'>): void {
    const whole = { sessionId: this.sessionId, epoch: this.#epoch, ...data } as unknown as CoreEventData<E>;
    this.#link.send(event, whole);
  }

  /**
   * Take the caller's voice from `uplink` and speak into the same pipe; what was bound before is let go first. Answers
   * with the stream that the POP must receive.
   * @throws ERR_SESSION_ENDED, ERR_SUPERSEDED when another binding began meanwhile, and what the pipe throws
   */
  async bind(open: OpenPipe, uplink: PipeStream): Promise<PipeStream> {
    this.#assertOpen();
    this.#bindings += 1;
    const turn = this.#bindings;
    const epoch = this.#epoch;
    this.#unbind();
    const binding = await MediaBinding.create({
      ...open,
      uplink,
      openDownlink: this.#options.openDownlink,
      onPacket: (packet) => {
        if (epoch === this.#epoch) this.#leaveFormer();
        this.#receive(packet);
      },
    });
    if (this.#closed || turn !== this.#bindings) {
      binding.close();
      this.#assertOpen();
      throw new AntipodeError('ERR_SUPERSEDED', `Session ${this.sessionId} was bound to another pipe meanwhile.`);
    }
    this.#repipeTimer?.cancel();
    this.#repipeTimer = null;
    this.#binding = binding;
    this.#stopWatchingPipe = open.pipe.onClose(() => this.#pipeClosed());
    this.#options.onBound?.(binding);
    this.ear.restart();
    this.#back();
    this.#speakInto(binding);
    // The POP may have been away: what it missed of the journal follows the answer.
    if (turn > 1) queueMicrotask(() => this.journal.resend());
    return binding.downlink.stream;
  }

  /**
   * Its POP is out of reach. What does not come is no silence, and the agent's words wait, until a pipe is bound.
   * @param graceMs the seat is lost when none is by then
   */
  away(graceMs: number): void {
    if (this.#closed || this.#away !== null) return;
    const { clock, onWay, onLost } = this.#options;
    this.ear.rest();
    this.#away = {
      silence: clock.setTimeout(() => onWay(null), SPEAKS_ON_MS),
      lost: clock.setTimeout(() => {
        onLost({ code: 'caller-lost', reason: 'The POP of this call was lost, and its caller came back by no other.' });
      }, graceMs),
    };
  }

  /**
   * Another POP has the caller. The next `bind` is that one's, within `graceMs`; the caller hears after `ready`. What a
   * former POP that lives brings of the caller's voice is heard until the new one brings some, or is ready; it is told then.
   * @throws ERR_SESSION_ENDED
   */
  moveTo(link: PopLink, epoch: number, graceMs: number): void {
    this.#assertOpen();
    this.#leaveFormer();
    this.away(graceMs);
    this.#unconfirmed?.cancel();
    this.#unconfirmed = null;
    this.#waitsForJournal = false;
    const binding = this.#binding;
    if (binding !== null && this.#link.connected && link !== this.#link) {
      this.#former = { link: this.#link, epoch: this.#epoch, binding };
      binding.downlink.close();
      this.#binding = null;
      this.#options.onBound?.(null);
    } else {
      this.tell('session.ended', { end: REPLACED });
    }
    this.#unbind();
    this.#options.log.info({ from: this.#link.nodeId, to: link.nodeId, epoch }, 'the caller is at another POP');
    this.#link = link;
    this.#epoch = epoch;
    this.#speaksWhenReady = true;
    this.#messagesGiven = 0;
    this.ear.renumbered();
    this.judge.moved();
    this.journal.beginAnew();
  }

  #leaveFormer(): void {
    const former = this.#former;
    if (former === null) return;
    this.#former = null;
    former.binding.close();
    former.link.send('session.ended', { sessionId: this.sessionId, epoch: former.epoch, end: REPLACED });
    if (this.#closed) return;
    // Its packets had other numbers.
    this.ear.renumbered();
    this.journal.beginAnew();
    this.journal.resend();
  }

  #back(): void {
    this.#away?.lost.cancel();
    this.#away?.silence.cancel();
    this.#away = null;
    if (!this.#speaksWhenReady) this.ear.wake();
  }

  /** The POP has the journal up to note `to`. */
  journaled(to: number): void {
    this.journal.acknowledged(to);
    this.#unconfirmed?.cancel();
    this.#unconfirmed = this.journal.waiting > 0 && !this.#closed ? this.#awaitConfirmation() : null;
    if (!this.#waitsForJournal) return;
    this.#waitsForJournal = false;
    if (this.#binding && !this.#speaksWhenReady && this.#away === null && !this.#closed) {
      this.#options.onWay(this.#binding.downlink);
    }
  }

  #awaitConfirmation(): Timer {
    const withinMs = UNCONFIRMED_MS + (this.#link.rttMs() ?? 0);
    return this.#options.clock.setTimeout(() => {
      this.#unconfirmed = null;
      if (this.#closed || this.#away !== null || this.#binding === null) return;
      this.#options.log.warn(
        { pop: this.#link.nodeId, withinMs },
        'a POP does not confirm the journal; the agent waits',
      );
      this.#waitsForJournal = true;
      this.#options.onWay(null);
    }, withinMs);
  }

  /** The caller hears from now on. @throws ERR_SESSION_ENDED */
  ready(): void {
    this.#assertOpen();
    this.#leaveFormer();
    this.ear.wake();
    const binding = this.#binding;
    if (this.#speaksWhenReady && binding) {
      this.#holdTimer?.cancel();
      this.#options.onWay(binding.downlink);
    }
    this.#speaksWhenReady = false;
  }

  /** The agent is given one more message of this caller's client. */
  messageGiven(): void {
    this.#messagesGiven += 1;
    this.journal.note({ type: 'messages', given: this.#messagesGiven });
  }

  /** What of the agent's voice has not been played before this RTP timestamp (32 bits) is to be dropped. */
  flush(beforeTimestamp: number): void {
    this.judge.flushed();
    this.tell('session.flush', { beforeTimestamp });
  }

  /** The last that the POP hears of this seat: the rest of the journal, and with `tell` that it has ended. */
  sayGoodbye(end: SessionEnd, tell: boolean): void {
    if (this.#closed) return;
    this.journal.flush();
    if (tell) this.tell('session.ended', { end });
  }

  /** Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#leaveFormer();
    this.ear.close();
    this.judge.close();
    this.journal.close();
    this.#unbind();
    this.#unconfirmed?.cancel();
    this.#repipeTimer?.cancel();
    this.#away?.lost.cancel();
    this.#away?.silence.cancel();
  }

  /** A running agent's words wait until the POP has had time to receive the new stream: before that they are lost. */
  #speakInto(binding: MediaBinding): void {
    const attach = () => {
      if (!this.#speaksWhenReady) this.#options.onWay(binding.downlink);
    };
    if (!this.#options.agentStarted()) {
      attach();
      return;
    }
    this.#holdTimer = this.#options.clock.setTimeout(attach, (this.#link.rttMs() ?? 0) + REBIND_HOLD_MS);
  }

  #receive(packet: Buffer): void {
    try {
      this.ear.receive(packet);
    } catch (error) {
      this.#options.onFault(error);
    }
  }

  #pipeClosed(): void {
    if (this.#closed) return;
    this.#options.log.warn({ graceMs: REPIPE_TIMEOUT_MS }, 'the pipe is gone; the session waits for another');
    this.#unbind();
    this.#repipeTimer?.cancel();
    this.#repipeTimer = this.#options.clock.setTimeout(() => {
      this.#options.onLost({ code: 'caller-lost', reason: 'The media path to the caller did not come back.' });
    }, REPIPE_TIMEOUT_MS);
  }

  #unbind(): void {
    this.#holdTimer?.cancel();
    this.#holdTimer = null;
    this.#options.onWay(null);
    this.#stopWatchingPipe?.();
    this.#stopWatchingPipe = null;
    if (this.#binding) this.#options.onBound?.(null);
    this.#binding?.close();
    this.#binding = null;
  }

  #assertOpen(): void {
    if (this.#closed) throw new AntipodeError('ERR_SESSION_ENDED', `Session ${this.sessionId} has ended.`);
  }
}
