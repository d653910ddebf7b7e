/**
 * What happened on a call, as the agent tells its caller's client: words, tools, states, the end. Owns which of the
 * caller's turns each thing belongs to, and wakes those who wait for something to happen.
 */
import type { AgentState, ClientEvent, SessionEnd } from '../agent/index.ts';
import type { Clock } from '../clock.ts';
import { AntipodeError } from '../errors.ts';
import type { CallLogReading, Line, Notice, ToolUse } from './eval-call.ts';

export interface WaitOptions {
  readonly timeoutMs: number;
  /** What did not come, for people. */
  readonly message: string;
  readonly signal: AbortSignal;
}

export class CallLog implements CallLogReading {
  readonly #clock: Clock;
  readonly #beganAtMs: number;
  readonly #lines = new Map<string, Line>();
  readonly #tools = new Map<string, ToolUse>();
  readonly #notices: Notice[] = [];
  readonly #arguments = new Map<string, unknown>();
  readonly #waiting = new Set<() => void>();
  #turn = 0;
  #state: AgentState | null = null;
  #busy = 0;
  #ended: SessionEnd | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#beganAtMs = clock.now();
  }

  get lines(): readonly Line[] {
    return [...this.#lines.values()];
  }

  get tools(): readonly ToolUse[] {
    return [...this.#tools.values()];
  }

  get notices(): readonly Notice[] {
    return this.#notices;
  }

  get ended(): SessionEnd | null {
    return this.#ended;
  }

  get elapsedMs(): number {
    return this.#clock.now() - this.#beganAtMs;
  }

  /** What the agent does, as far as it tells. */
  get state(): AgentState | null {
    return this.#state;
  }

  /** How often it has begun to do something else than listen. */
  get timesBusy(): number {
    return this.#busy;
  }

  /** The caller begins a turn: what comes from now on belongs to it. */
  beginTurn(): number {
    this.#turn += 1;
    return this.#turn;
  }

  answer(turn: number): string {
    const lines = this.lines.filter((line) => line.role === 'agent' && line.turn === turn && line.text !== '');
    return lines.map(({ text }) => text).join(' ');
  }

  /** What the agent tells. */
  told(event: ClientEvent): void {
    const atMs = this.elapsedMs;
    if (event.type === 'transcript') {
      const { role, id, text, final, interrupted = false } = event;
      const known = this.#lines.get(id);
      if (known) Object.assign(known, { text, final, interrupted, endMs: atMs });
      else this.#lines.set(id, { role, turn: this.#turn, text, atMs, endMs: atMs, final, interrupted });
    } else if (event.type === 'tool') {
      const known = this.#tools.get(event.id);
      const { name, state: outcome, tookMs } = event;
      if (known) Object.assign(known, { outcome, tookMs });
      else this.#tools.set(event.id, { name, turn: this.#turn, atMs, outcome, tookMs, ...this.#argumentsOf(event.id) });
    } else if (event.type === 'notice') {
      this.#notices.push({ level: event.level, code: event.code, text: event.text, atMs });
    } else if (event.type === 'agent-state') {
      if (event.state !== 'listening' && (this.#state === null || this.#state === 'listening')) this.#busy += 1;
      this.#state = event.state;
    }
    this.#wake();
  }

  /** What a tool is called with, where that is known; may come before the call of it is told, or after. */
  calledWith(id: string, value: unknown): void {
    this.#arguments.set(id, value);
    const known = this.#tools.get(id);
    if (known) known.arguments = value;
  }

  end(end: SessionEnd): void {
    this.#ended ??= end;
    this.#wake();
  }

  /**
   * Resolves with the first answer of `ready` that is not null; it is asked now and whenever something happens.
   * @throws ERR_CALL_NO_ANSWER after `timeoutMs`; the signal's reason
   */
  until<T>(ready: () => T | null, { timeoutMs, message, signal }: WaitOptions): Promise<T> {
    return new Promise((resolve, reject) => {
      const leave = () => {
        timer.cancel();
        signal.removeEventListener('abort', onAbort);
        this.#waiting.delete(look);
      };
      const look = () => {
        const value = ready();
        if (value === null) return;
        leave();
        resolve(value);
      };
      const onAbort = () => {
        leave();
        reject(signal.reason);
      };
      const timer = this.#clock.setTimeout(() => {
        leave();
        reject(new AntipodeError('ERR_CALL_NO_ANSWER', message));
      }, timeoutMs);
      if (signal.aborted) return onAbort();
      signal.addEventListener('abort', onAbort, { once: true });
      this.#waiting.add(look);
      look();
    });
  }

  #argumentsOf(id: string): { arguments?: unknown } {
    return this.#arguments.has(id) ? { arguments: this.#arguments.get(id) } : {};
  }

  #wake(): void {
    for (const look of [...this.#waiting]) look();
  }
}
