/**
 * A call whose caller types: the agent's chain with its tools and its language model, without a network, a microphone or a
 * voice. Owns the call's ports and when an answer is over.
 */
import type { CallPorts, ClientMessage, SessionEnd } from '../agent/index.ts';
import type { AgentNote } from '../agent/journal/index.ts';
import type { RunningAgent } from '../agent/running-agent.ts';
import type { Clock } from '../clock.ts';
import type { Logger } from '../telemetry/index.ts';
import { CallLog } from './call-log.ts';
import type { EvalCall, SayOptions, TurnRecord } from './eval-call.ts';
import { InstantMouth } from './instant-mouth.ts';
import type { TypedAgents } from './typed-agents.ts';

export interface TypedCallOptions {
  readonly agents: Pick<TypedAgents, 'start'>;
  readonly agent: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** Longest wait for an answer. */
  readonly answerMs: number;
  readonly signal: AbortSignal;
}

/** A greeting that has not begun by then will not come. */
const GREETING_MS = 3_000;

export class TypedCall implements EvalCall {
  readonly #options: TypedCallOptions;
  readonly log: CallLog;
  readonly audio = null;
  readonly callerLateMs = null;
  readonly #over = new AbortController();
  readonly #listeners = new Set<(message: ClientMessage) => void>();
  #running: RunningAgent | null = null;

  constructor(options: TypedCallOptions) {
    this.#options = options;
    this.log = new CallLog(options.clock);
  }

  async open(): Promise<void> {
    const { agents, agent, signal } = this.#options;
    this.#running = await agents.start(agent, this.#ports());
    // An agent that waits to be spoken to says nothing of itself.
    const greets = this.log.until(() => (this.log.timesBusy > 0 || this.log.ended ? true : null), {
      ...{ timeoutMs: GREETING_MS, message: 'no greeting', signal },
    });
    const greeted = await greets.catch((error: unknown) => {
      signal.throwIfAborted();
      if ((error as { code?: string }).code === 'ERR_CALL_NO_ANSWER') return false;
      throw error;
    });
    if (greeted) await this.#rested(0, 'the agent did not come to the end of its greeting');
  }

  async say(text: string, _: SayOptions): Promise<TurnRecord> {
    const atMs = this.log.elapsedMs;
    const turn = this.log.beginTurn();
    const busyBefore = this.log.timesBusy;
    for (const listener of [...this.#listeners]) listener({ type: 'text', text });
    await this.#rested(busyBefore, `the agent did not answer "${text}"`);
    const first = this.log.lines.find((line) => line.role === 'agent' && line.turn === turn);
    return {
      said: text,
      atMs,
      endMs: atMs,
      latencyMs: first ? first.atMs - atMs : null,
      silentAfterMs: null,
      sound: null,
    };
  }

  async close(): Promise<void> {
    if (!this.#over.signal.aborted) this.#over.abort();
    await this.#running?.done;
  }

  /** The agent listens again after it was busy, or the call is over. */
  async #rested(busyBefore: number, message: string): Promise<void> {
    const { answerMs, signal } = this.#options;
    const { log } = this;
    await log.until(() => (log.ended || (log.timesBusy > busyBefore && log.state === 'listening') ? true : null), {
      timeoutMs: answerMs,
      message: `${message} within ${answerMs / 1_000} s`,
      signal,
    });
    // Who hangs up does it right after the last word.
    await new Promise((resolve) => setImmediate(resolve));
  }

  #ports(): CallPorts {
    const { clock, log } = this.#options;
    return {
      ...{ sessionId: 'eval', room: 'eval', metadata: {}, clock, log, signal: this.#over.signal, confinement: null },
      ear: { sampleRate: 16_000, onFrame: () => () => {} },
      mouth: new InstantMouth(clock),
      backboneRttMs: () => null,
      send: (event) => this.log.told(event),
      onMessage: (listener) => {
        this.#listeners.add(listener);
        return () => this.#listeners.delete(listener);
      },
      hangUp: (end) => this.#hangUp(end),
      touched: () => {},
      journal: { note: (note) => this.#noted(note) },
    };
  }

  #hangUp(end: SessionEnd): void {
    if (this.#over.signal.aborted) return;
    this.log.end(end);
    this.#over.abort(end);
  }

  /** A tool call is an entry of the context from before it begins. */
  #noted(note: AgentNote): void {
    if (note.type !== 'context') return;
    for (const entry of note.change.added) {
      if (entry.role === 'tool') this.log.calledWith(entry.callId, readArguments(entry.arguments));
    }
  }
}

/** What is no JSON is kept as it was written. */
function readArguments(written: string): unknown {
  try {
    return JSON.parse(written);
  } catch {
    return written;
  }
}
