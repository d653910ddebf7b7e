/**
 * One call at its core: ear, mouth and agent, bound to a pipe that may be replaced under them. Owns their lives from
 * attach to end; which session may exist is session-host.ts.
 */
import { randomInt } from 'node:crypto';
import type { ClientEvent, ClientMessage, SessionEnd } from '../agent/client-events.ts';
import type { CallPorts } from '../agent/types.ts';
import type { PipeStream, PopEventData, PopRequestData } from '../backbone/index.ts';
import type { Clock, Timer } from '../clock.ts';
import { AntipodeError } from '../errors.ts';
import type { Logger } from '../telemetry/index.ts';
import type { AgentStarter, RunningAgent } from './agent-starter.ts';
import type { CoreTotals } from './core-metrics.ts';
import { CallEar } from './ear.ts';
import { journalPort } from './journal-port.ts';
import { JournalWriter } from './journal-writer.ts';
import { MediaBinding } from './media-binding.ts';
import { CallMouth } from './mouth.ts';
import type { NodeClock } from './node-clock.ts';
import { createOpusEncoder, type OpusDecoder } from './opus-codec.ts';
import type { OpenPipe, PopLink } from './pop-link.ts';
import { ReflexJudge } from './reflex-judge.ts';
import { type Resumption, resumptionOf } from './resume.ts';

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
  log: Logger;
  /** Called once. */
  onEnded: (session: CoreSession, end: SessionEnd) => void;
}

/** A session without a pipe ends after this long. */
const REPIPE_TIMEOUT_MS = 10_000;
/** How long the POP may take, beyond a round trip, to receive a stream that it was told of. */
const REBIND_HOLD_MS = 50;
/** Stages close within 100 ms of the abort; an agent that takes longer than this is left behind and logged. */
const AGENT_CLOSE_TIMEOUT_MS = 1_000;
/** Client messages that came before the agent listened. */
const MAX_EARLY_MESSAGES = 64;

export class CoreSession {
  readonly sessionId: string;
  readonly epoch: number;
  readonly link: PopLink;
  readonly ear: CallEar;
  readonly mouth: CallMouth;
  readonly #options: CoreSessionOptions;
  readonly #log: Logger;
  readonly #abort = new AbortController();
  readonly #ssrc = randomInt(1, 0xffff_ffff);
  readonly #judge: ReflexJudge;
  readonly #journal: JournalWriter;
  /** Where another core left off. */
  readonly #resumed: Resumption | null;
  /** The POP does not receive our stream yet. */
  #speaksWhenReady: boolean;
  #messageListeners: ((message: ClientMessage) => void)[] = [];
  #earlyMessages: ClientMessage[] = [];
  #messagesGiven = 0;
  #agent: RunningAgent | null = null;
  #started = false;
  #binding: MediaBinding | null = null;
  #bindings = 0;
  #stopWatchingPipe: (() => void) | null = null;
  #repipeTimer: Timer | null = null;
  #holdTimer: Timer | null = null;
  readonly #expiry: Timer;
  #ended: Promise<void> | null = null;

  constructor(options: CoreSessionOptions) {
    this.#options = options;
    this.sessionId = options.attach.sessionId;
    this.epoch = options.attach.epoch;
    this.link = options.link;
    this.#log = options.log.child({ sessionId: this.sessionId, epoch: this.epoch });
    const { clock, nodeClock, totals, decoder, reorderWaitMs } = options;
    const onFault = (error: unknown) => this.#agentFailed(error);
    this.ear = new CallEar({ clock, nodeClock, decoder, totals, reorderWaitMs, onFault });
    this.#judge = new ReflexJudge({
      clock,
      arm: (armed) => this.link.send('reflex.armed', { ...this.#name, armed }),
      answer: (duck, verdict) => this.link.send('reflex.answered', { ...this.#name, duck, verdict }),
    });
    this.#resumed = resumptionOf(options.attach);
    this.#speaksWhenReady = this.#resumed !== null;
    this.#journal = new JournalWriter({
      ...(this.#resumed && { state: this.#resumed.journal }),
      send: (frame) => {
        if (!this.link.connected) return false;
        this.link.send('session.journal', { ...this.#name, ...frame });
        return true;
      },
    });
    this.mouth = new CallMouth({
      clock,
      judge: this.#judge,
      nodeClock,
      totals,
      createEncoder: createOpusEncoder,
      ssrc: this.#ssrc,
      sendFlush: (beforeTimestamp) => {
        this.#judge.flushed();
        this.link.send('session.flush', { ...this.#name, beforeTimestamp });
      },
      onStretch: (stretch) => this.#journal.note({ type: 'stretch', ...stretch }),
      onFault,
    });
    this.#expiry = clock.setTimeout(() => {
      void this.end({ code: 'expired', reason: 'The call reached the longest time allowed.' }, true);
    }, options.maxSessionMs);
  }

  get ended(): boolean {
    return this.#ended !== null;
  }

  /**
   * Take the caller's voice from `uplink` and speak into the same pipe; what was bound before is let go first. Answers
   * with the stream that the POP must receive.
   * @throws ERR_SESSION_ENDED, ERR_SUPERSEDED when another binding began meanwhile, and what the pipe throws
   */
  async bind(open: OpenPipe, uplink: PipeStream): Promise<PipeStream> {
    this.#assertRunning();
    this.#bindings += 1;
    const turn = this.#bindings;
    this.#unbind();
    const binding = await MediaBinding.create({
      ...open,
      uplink,
      ssrc: this.#ssrc,
      onPacket: (packet) => this.#receive(packet),
    });
    if (this.#ended || turn !== this.#bindings) {
      binding.close();
      this.#assertRunning();
      throw new AntipodeError('ERR_SUPERSEDED', `Session ${this.sessionId} was bound to another pipe meanwhile.`);
    }
    this.#repipeTimer?.cancel();
    this.#repipeTimer = null;
    this.#binding = binding;
    this.#stopWatchingPipe = open.pipe.onClose(() => this.#pipeClosed());
    this.ear.restart();
    this.#speakInto(binding);
    // The POP may have been away: what it missed of the journal follows the answer.
    if (turn > 1) queueMicrotask(() => this.#journal.resend());
    return binding.downlink;
  }

  /** The caller hears from now on: the agent starts, once. */
  ready(): void {
    this.#assertRunning();
    const binding = this.#binding;
    if (this.#speaksWhenReady && binding) {
      this.#holdTimer?.cancel();
      this.mouth.attach((packet) => binding.send(packet));
    }
    this.#speaksWhenReady = false;
    this.#start();
  }

  /** An agent that goes on listens from the first packet: what the caller said meanwhile comes at once. */
  startResumed(): void {
    if (this.#resumed !== null) this.#start();
  }

  #start(): void {
    if (this.#started) return;
    this.#started = true;
    try {
      this.#agent = this.#options.agents.start(this.#options.attach.agent, this.#call());
    } catch (error) {
      this.#agentFailed(error);
      return;
    }
    this.#agent.done.then(
      () => this.end({ code: 'agent-hung-up', reason: 'The agent has finished.' }, true),
      (error: unknown) => this.#agentFailed(error),
    );
  }

  message(message: ClientMessage): void {
    if (this.#ended) return;
    if (this.#messageListeners.length === 0) {
      if (this.#earlyMessages.length < MAX_EARLY_MESSAGES) this.#earlyMessages.push(message);
      else this.#log.warn('a client message is dropped: the agent does not listen');
      return;
    }
    this.#messagesGiven += 1;
    this.#journal.note({ type: 'messages', given: this.#messagesGiven });
    for (const listener of this.#messageListeners) {
      try {
        listener(message);
      } catch (error) {
        this.#agentFailed(error);
      }
    }
  }

  /** The POP holds the agent's voice for a sound of the caller, and asks what it meant. */
  ducked({ duck, timestamp, uplinkPacket }: PopEventData<'reflex.ducked'>): void {
    if (this.#ended) return;
    this.#log.debug({ duck, uplinkPacket }, 'the POP holds the agent for a sound');
    if (timestamp !== null) this.mouth.played(timestamp);
    this.#judge.ducked(duck);
  }

  /** The POP has the journal up to note `to`. */
  journaled(to: number): void {
    this.#journal.acknowledged(to);
  }

  /**
   * End the call; later ends do nothing. Resolves when the agent has closed.
   * @param tell whether the POP must hear of it
   */
  end(end: SessionEnd, tell: boolean): Promise<void> {
    if (this.#ended) return this.#ended;
    // Everything below may call back into the session: it must count as ended by then.
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#ended = promise;
    this.#log.info({ code: end.code, reason: end.reason }, 'session ended');
    this.#journal.flush();
    if (tell) this.link.send('session.ended', { ...this.#name, end });
    this.#abort.abort(new AntipodeError('ERR_SESSION_ENDED', end.reason));
    this.ear.close();
    this.mouth.close();
    this.#judge.close();
    this.#journal.close();
    this.#unbind();
    this.#repipeTimer?.cancel();
    this.#expiry.cancel();
    this.#messageListeners = [];
    this.#options.onEnded(this, end);
    this.#closeAgent().then(resolve);
    return promise;
  }

  /** A running agent's words wait until the POP has had time to receive the new stream: before that they are lost. */
  #speakInto(binding: MediaBinding): void {
    const attach = () => {
      if (!this.#speaksWhenReady) this.mouth.attach((packet) => binding.send(packet));
    };
    if (!this.#started) {
      attach();
      return;
    }
    this.#holdTimer = this.#options.clock.setTimeout(attach, (this.link.rttMs() ?? 0) + REBIND_HOLD_MS);
  }

  get #name(): { sessionId: string; epoch: number } {
    return { sessionId: this.sessionId, epoch: this.epoch };
  }

  #call(): CallPorts {
    const { attach, clock } = this.#options;
    return {
      sessionId: this.sessionId,
      room: attach.room,
      metadata: attach.metadata,
      ear: this.ear,
      mouth: this.mouth,
      clock,
      log: this.#log.child({ agent: attach.agent }),
      signal: this.#abort.signal,
      backboneRttMs: () => this.link.rttMs(),
      send: (event: ClientEvent) => {
        if (!this.#ended) this.link.send('session.event', { ...this.#name, event });
      },
      onMessage: (listener) => this.#onMessage(listener),
      hangUp: (end) => {
        void this.end(end, true);
      },
      confinement: attach.confinement,
      journal: journalPort(this.#journal, this.ear),
      ...(this.#resumed && { resumed: this.#resumed.call }),
      touched: (touch) => {
        if (!this.#ended) this.link.send('session.touched', { ...this.#name, touch });
      },
    };
  }

  #onMessage(listener: (message: ClientMessage) => void): () => void {
    const entry = (message: ClientMessage) => listener(message);
    this.#messageListeners = [...this.#messageListeners, entry];
    const early = this.#earlyMessages;
    this.#earlyMessages = [];
    queueMicrotask(() => {
      for (const message of early) this.message(message);
    });
    return () => {
      this.#messageListeners = this.#messageListeners.filter((other) => other !== entry);
    };
  }

  #receive(packet: Buffer): void {
    try {
      this.ear.receive(packet);
    } catch (error) {
      this.#agentFailed(error);
    }
  }

  #pipeClosed(): void {
    if (this.#ended) return;
    this.#log.warn({ graceMs: REPIPE_TIMEOUT_MS }, 'the pipe is gone; the session waits for another');
    this.#unbind();
    this.#repipeTimer?.cancel();
    this.#repipeTimer = this.#options.clock.setTimeout(() => {
      void this.end({ code: 'caller-lost', reason: 'The media path to the caller did not come back.' }, true);
    }, REPIPE_TIMEOUT_MS);
  }

  #unbind(): void {
    this.#holdTimer?.cancel();
    this.#holdTimer = null;
    this.mouth.detach();
    this.#stopWatchingPipe?.();
    this.#stopWatchingPipe = null;
    this.#binding?.close();
    this.#binding = null;
  }

  #agentFailed(error: unknown): void {
    if (this.#ended) return;
    this.#options.totals.agentsFailed += 1;
    this.#log.error({ err: error, agent: this.#options.attach.agent }, 'the agent failed');
    const reason = error instanceof AntipodeError ? error.message.slice(0, 500) : 'The agent failed.';
    void this.end({ code: 'agent-failed', reason }, true);
  }

  async #closeAgent(): Promise<void> {
    const agent = this.#agent;
    if (!agent) return;
    const { promise: timeout, resolve } = Promise.withResolvers<'timeout'>();
    const timer = this.#options.clock.setTimeout(() => resolve('timeout'), AGENT_CLOSE_TIMEOUT_MS);
    try {
      const outcome = await Promise.race([agent.close(), timeout]);
      if (outcome === 'timeout') this.#log.error({ afterMs: AGENT_CLOSE_TIMEOUT_MS }, 'the agent does not close');
    } catch (error) {
      this.#log.error({ err: error }, 'the agent failed to close');
    } finally {
      timer.cancel();
    }
  }

  #assertRunning(): void {
    if (this.#ended) throw new AntipodeError('ERR_SESSION_ENDED', `Session ${this.sessionId} has ended.`);
  }
}
