/**
 * An agent at work: its mouth, the messages that it is given, what it tells, and its end by itself (it hung up, failed,
 * lasted too long). Knows no links, pipes or epochs: whom it serves is an `Audience`, whose seats may come, go and be
 * replaced while it goes on.
 */
import type { ClientEvent, ClientMessage, SessionEnd } from '../agent/client-events.ts';
import type { CallJournal, ResumedCall } from '../agent/journal/index.ts';
import type { CallPorts, DataTouch, Ear, Participants, Speaker } from '../agent/types.ts';
import type { PopRequestData } from '../backbone/index.ts';
import type { Clock, Timer } from '../clock.ts';
import { AntipodeError } from '../errors.ts';
import type { Logger } from '../telemetry/index.ts';
import type { AgentStarter, RunningAgent } from './agent-starter.ts';
import type { CoreTotals } from './core-metrics.ts';
import { CallMouth, type CallMouthOptions } from './mouth.ts';
import type { NodeClock } from './node-clock.ts';
import { createOpusEncoder } from './opus-codec.ts';
import { RestingClock } from './resting-clock.ts';

/** Those who hear an agent. */
export interface Audience {
  event(event: ClientEvent): void;
  touched(touch: DataTouch): void;
  /** Drop what has not been played before this RTP timestamp (32 bits). */
  flush(beforeTimestamp: number): void;
  /** See CallMouthOptions. */
  stretch: NonNullable<CallMouthOptions['onStretch']>;
  /** Whether nobody speaks and nothing is owed. */
  rests?(rests: boolean): void;
  /** Told of what the agent does that answers a duck at a POP. */
  readonly judge: NonNullable<CallMouthOptions['judge']>;
  /** Round trip to the POP, ms. */
  rttMs(): number | null;
}

export interface AgentRunOptions {
  /** Which agent, and what it is told of the call. */
  call: Pick<PopRequestData<'session.attach'>, 'sessionId' | 'agent' | 'room' | 'metadata' | 'confinement'>;
  ear: Ear;
  journal: CallJournal;
  /** Where another core left off. */
  resumed: ResumedCall | null;
  /** Who is in the room; absent where there is but one caller. */
  participants?: Participants;
  audience: Audience;
  agents: AgentStarter;
  clock: Clock;
  nodeClock: NodeClock;
  totals: CoreTotals;
  /** Of the mouth's packets. */
  ssrc: number;
  /** It is over then at the latest. */
  maxSessionMs: number;
  log: Logger;
  /** It is over by itself and is to be closed; perhaps told more than once. */
  onOver: (end: SessionEnd) => void;
}

/** Stages close within 100 ms of the abort; an agent that takes longer than this is left behind and logged. */
const AGENT_CLOSE_TIMEOUT_MS = 1_000;
/** Client messages that came before the agent listened. */
const MAX_EARLY_MESSAGES = 64;

interface GivenMessage {
  readonly message: ClientMessage;
  readonly from: Speaker | undefined;
  /** Called before the agent has it. */
  readonly onGiven: () => void;
}

export class AgentRun {
  readonly mouth: CallMouth;
  readonly #options: AgentRunOptions;
  readonly #log: Logger;
  readonly #abort = new AbortController();
  readonly #expiry: Timer;
  /** The agent's. */
  readonly #clock: RestingClock;
  #listeners: ((message: ClientMessage, from?: Speaker) => void)[] = [];
  #earlyMessages: GivenMessage[] = [];
  #agent: RunningAgent | null = null;
  #started = false;
  #paused = false;
  #closed: Promise<void> | null = null;

  constructor(options: AgentRunOptions) {
    this.#options = options;
    this.#log = options.log;
    const { audience, clock, nodeClock, totals, ssrc } = options;
    this.#clock = new RestingClock(clock);
    this.mouth = new CallMouth({
      clock: this.#clock,
      nodeClock,
      totals,
      ssrc,
      judge: audience.judge,
      createEncoder: createOpusEncoder,
      sendFlush: (beforeTimestamp) => audience.flush(beforeTimestamp),
      onStretch: (stretch) => audience.stretch(stretch),
      onFault: (error) => this.failed(error),
    });
    this.#expiry = clock.setTimeout(() => {
      options.onOver({ code: 'expired', reason: 'The call reached the longest time allowed.' });
    }, options.maxSessionMs);
  }

  /** Whether its agent was started. */
  get started(): boolean {
    return this.#started;
  }

  /** Once; later calls do nothing. */
  start(): void {
    if (this.#started || this.#closed) return;
    this.#started = true;
    try {
      this.#agent = this.#options.agents.start(this.#options.call.agent, this.#ports());
    } catch (error) {
      this.failed(error);
      return;
    }
    this.#agent.done.then(
      () => this.#over({ code: 'agent-hung-up', reason: 'The agent has finished.' }),
      (error: unknown) => this.failed(error),
    );
  }

  /** The agent says nothing and is given nothing, until `goOn`. Idempotent. */
  pause(): void {
    this.#paused = true;
    this.mouth.hold();
  }

  /** What waited follows. */
  goOn(): void {
    this.#paused = false;
    this.mouth.goOn();
    this.#giveEarly();
  }

  /** Its caller is out of reach: no time of the agent's runs out. Idempotent. */
  rest(): void {
    if (!this.#closed) this.#clock.rest();
  }

  /** Idempotent. */
  wake(): void {
    this.#clock.wake();
  }

  /** What a client tells the agent, in a room with who it is from. It waits for one that does not listen yet, or is paused. */
  message(message: ClientMessage, onGiven: () => void, from?: Speaker): void {
    if (this.#closed) return;
    if (this.#listeners.length === 0 || this.#paused) {
      if (this.#earlyMessages.length < MAX_EARLY_MESSAGES) this.#earlyMessages.push({ message, onGiven, from });
      else this.#log.warn('a client message is dropped: the agent does not listen');
      return;
    }
    onGiven();
    for (const listener of this.#listeners) {
      try {
        listener(message, from);
      } catch (error) {
        this.failed(error);
      }
    }
  }

  /** Something broke that the agent cannot do without. */
  failed(error: unknown): void {
    if (this.#closed) return;
    this.#options.totals.agentsFailed += 1;
    this.#log.error({ err: error, agent: this.#options.call.agent }, 'the agent failed');
    const reason = error instanceof AntipodeError ? error.message.slice(0, 500) : 'The agent failed.';
    this.#options.onOver({ code: 'agent-failed', reason });
  }

  /** Resolves when the agent has closed. Idempotent. @param reason for people */
  close(reason: string): Promise<void> {
    if (this.#closed) return this.#closed;
    const { promise, resolve } = Promise.withResolvers<void>();
    // What follows may call back: it must count as closed by then.
    this.#closed = promise;
    this.#expiry.cancel();
    this.wake();
    this.#abort.abort(new AntipodeError('ERR_SESSION_ENDED', reason));
    this.mouth.close();
    this.#listeners = [];
    this.#earlyMessages = [];
    this.#closeAgent().then(resolve);
    return promise;
  }

  #ports(): CallPorts {
    const { call, ear, journal, resumed, participants, audience } = this.#options;
    return {
      sessionId: call.sessionId,
      room: call.room,
      metadata: call.metadata,
      ear,
      mouth: this.mouth,
      clock: this.#clock,
      log: this.#log.child({ agent: call.agent }),
      signal: this.#abort.signal,
      backboneRttMs: () => audience.rttMs(),
      send: (event) => {
        if (!this.#closed) audience.event(event);
      },
      onMessage: (listener) => this.#onMessage(listener),
      hangUp: (end) => this.#over(end),
      confinement: call.confinement,
      journal,
      ...(resumed && { resumed }),
      ...(participants && { participants }),
      rests: (rests) => audience.rests?.(rests),
      touched: (touch) => {
        if (!this.#closed) audience.touched(touch);
      },
    };
  }

  #onMessage(listener: (message: ClientMessage, from?: Speaker) => void): () => void {
    const entry = (message: ClientMessage, from?: Speaker) => listener(message, from);
    this.#listeners = [...this.#listeners, entry];
    this.#giveEarly();
    return () => {
      this.#listeners = this.#listeners.filter((other) => other !== entry);
    };
  }

  #giveEarly(): void {
    const early = this.#earlyMessages;
    this.#earlyMessages = [];
    queueMicrotask(() => {
      for (const { message, onGiven, from } of early) this.message(message, onGiven, from);
    });
  }

  /** Told to whoever has the session; what a closed agent says of its end is no news. */
  #over(end: SessionEnd): void {
    if (!this.#closed) this.#options.onOver(end);
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
}
