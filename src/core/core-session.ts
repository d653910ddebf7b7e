/**
 * A session of one caller with an agent of its own: one seat and one agent's run, joined. Owns both from attach to end;
 * which session may exist is session-host.ts.
 */
import { randomInt } from 'node:crypto';
import type { ClientMessage, SessionEnd } from '../agent/client-events.ts';
import type { CallJournal } from '../agent/journal/index.ts';
import type { PipeStream, PopEventData, PopRequestData } from '../backbone/index.ts';
import type { Clock } from '../clock.ts';
import { AntipodeError } from '../errors.ts';
import type { Logger } from '../telemetry/index.ts';
import { AgentRun, type Audience } from './agent-run.ts';
import type { AgentStarter } from './agent-starter.ts';
import type { CoreTotals } from './core-metrics.ts';
import { downlinkOf } from './downlink.ts';
import type { HostedSession } from './hosted-session.ts';
import { journalPort } from './journal-port.ts';
import type { NodeClock } from './node-clock.ts';
import type { OpusDecoder } from './opus-codec.ts';
import type { OpenPipe, PopLink } from './pop-link.ts';
import { RecentEvents } from './recent-events.ts';
import { resumptionOf } from './resume.ts';
import { Seat } from './seat.ts';
import type { YieldGate } from './yield-gate.ts';
import { Yielding } from './yielding.ts';

export interface CoreSessionOptions {
  attach: PopRequestData<'session.attach'>;
  link: PopLink;
  agents: AgentStarter;
  clock: Clock;
  nodeClock: NodeClock;
  decoder: OpusDecoder;
  totals: CoreTotals;
  reorderWaitMs: number;
  /** It ends then at the latest. */
  maxSessionMs: number;
  /** How long it waits for a caller whose POP is lost. */
  popGraceMs: number;
  log: Logger;
  /** Of the core. */
  yieldGate: YieldGate;
  /** Called once. */
  onEnded: (session: CoreSession, end: SessionEnd) => void;
}

export class CoreSession implements HostedSession {
  readonly seat: Seat;
  readonly run: AgentRun;
  readonly yielding: Yielding;
  readonly #options: CoreSessionOptions;
  readonly #log: Logger;
  readonly #isResumed: boolean;
  readonly #recent: RecentEvents;
  #ended: Promise<void> | null = null;

  constructor(options: CoreSessionOptions) {
    this.#options = options;
    const { attach, link, agents, clock, nodeClock, decoder, totals, reorderWaitMs, maxSessionMs } = options;
    const { sessionId, epoch } = attach;
    this.#log = options.log.child({ sessionId, epoch });
    const resumed = resumptionOf(attach);
    this.#isResumed = resumed !== null;
    this.#recent = new RecentEvents(clock);
    const ssrc = randomInt(1, 0xffff_ffff);
    this.seat = new Seat({
      sessionId,
      epoch,
      link,
      clock,
      nodeClock,
      decoder,
      totals,
      reorderWaitMs,
      openDownlink: downlinkOf(ssrc),
      ...(resumed && { journal: resumed.journal }),
      log: this.#log,
      agentStarted: () => this.run.started,
      onWay: (way) => {
        if (way === null) {
          this.run.mouth.detach();
          return;
        }
        this.run.wake();
        this.run.mouth.attach((packet) => way.send(packet));
      },
      onLost: (end) => void this.end(end, true),
      onFault: (error) => this.run.failed(error),
    });
    this.run = new AgentRun({
      call: attach,
      ear: this.seat.ear,
      journal: this.#journalPort(),
      resumed: resumed?.call ?? null,
      audience: this.#audience(),
      agents,
      clock,
      nodeClock,
      totals,
      ssrc,
      maxSessionMs,
      log: this.#log,
      onOver: (end) => void this.end(end, true),
    });
    this.yielding = new Yielding({
      seat: this.seat,
      run: this.run,
      gate: options.yieldGate,
      clock,
      log: this.#log,
      onForgotten: () => {
        this.#log.error('nobody says what is to become of a paused session');
        void this.end({ code: 'replaced', reason: 'The session was paused for another core, and forgotten.' }, true);
      },
    });
  }

  bind(open: OpenPipe, uplink: PipeStream): Promise<PipeStream> {
    return this.seat.bind(open, uplink);
  }

  /** The caller hears from now on: the agent starts, once. */
  ready(): void {
    this.seat.ready();
    this.run.start();
  }

  startResumed(): void {
    if (this.#isResumed) this.run.start();
  }

  popAway(): void {
    if (this.#ended) return;
    this.run.rest();
    this.seat.away(this.#options.popGraceMs);
  }

  async adopt({ link, epoch }: { link: PopLink; epoch: number }, open: OpenPipe, uplink: PipeStream) {
    // Whoever wanted it elsewhere is gone.
    this.yielding.cancel();
    this.seat.moveTo(link, epoch, this.#options.popGraceMs);
    this.run.rest();
    this.run.mouth.rewind();
    const downlink = await this.seat.bind(open, uplink);
    for (const event of this.#recent.take()) this.seat.tell('session.event', { event });
    return downlink;
  }

  message(message: ClientMessage): void {
    this.run.message(message, () => this.seat.messageGiven());
  }

  played(timestamp: number): void {
    this.run.mouth.played(timestamp);
  }

  ducked({ duck, timestamp, uplinkPacket }: PopEventData<'reflex.ducked'>): void {
    if (this.#ended) return;
    this.#log.debug({ duck, uplinkPacket }, 'the POP holds the agent for a sound');
    if (timestamp !== null) this.played(timestamp);
    this.seat.judge.ducked(duck);
  }

  /** Its POP lets nothing of a muted caller through: there is nobody else to tell. */
  mute(): void {}

  async publish(): Promise<void> {
    throw new AntipodeError('ERR_MEDIA_STATE', 'Nobody is there to see it: the session has no room.');
  }

  unpublish(): void {}

  journaled(to: number): void {
    this.seat.journaled(to);
  }

  end(end: SessionEnd, tell: boolean): Promise<void> {
    if (this.#ended) return this.#ended;
    // Everything below may call back into the session: it must count as ended by then.
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#ended = promise;
    this.#log.info({ code: end.code, reason: end.reason }, 'session ended');
    this.seat.sayGoodbye(end, tell);
    this.yielding.close();
    const closed = this.run.close(end.reason);
    this.seat.close();
    this.#options.onEnded(this, end);
    closed.then(resolve);
    return promise;
  }

  #journalPort(): CallJournal {
    const port = journalPort(this.seat.journal, this.seat.ear);
    return {
      ...port,
      note: (note) => {
        port.note(note);
        if (note.type === 'context') this.yielding.noted();
      },
    };
  }

  #audience(): Audience {
    const { seat } = this;
    return {
      event: (event) => {
        this.#recent.add(event, seat.link.connected);
        seat.tell('session.event', { event });
      },
      touched: (touch) => seat.tell('session.touched', { touch }),
      flush: (beforeTimestamp) => seat.flush(beforeTimestamp),
      stretch: (stretch) => seat.journal.note({ type: 'stretch', ...stretch }),
      rests: (rests) => this.yielding.rests(rests),
      judge: seat.judge,
      rttMs: () => seat.link.rttMs(),
    };
  }
}
