/**
 * One turn of the conversation: its number, its AbortSignal, and when its parts happened. Whatever works for a turn
 * carries it; aborting it ends that work. Decides nothing: turn-taking opens and aborts turns, stages mark them.
 */
import type { TurnTimeline } from './client-events.ts';

/** What began the turn: the call itself (a greeting), the caller's voice, or a typed message. */
export type TurnCause = 'call' | 'speech' | 'text';

/** Why a turn was aborted; the `reason` of its signal. */
export type TurnAbortReason =
  /** The caller spoke or typed over the answer. */
  | 'interrupted'
  /** The caller went on before anything of the answer was heard: the next turn holds this one's words too. */
  | 'continued'
  /** The call ended. */
  | 'closed'
  /** A stage broke. */
  | 'failed';

/** Monotonic milliseconds (Clock.now) of what happened in a turn; null until it has. */
export interface TurnMarks {
  /** The caller's last voiced sound reached the core; for a typed turn or the greeting, what began it. */
  lastSoundAtMs: number | null;
  /** The turn was decided to be the agent's. */
  endedAtMs: number | null;
  transcribedAtMs: number | null;
  /** First words of the reply. */
  repliedAtMs: number | null;
  /** First synthesized audio. */
  synthesizedAtMs: number | null;
  /** First packet left the mouth. */
  audibleAtMs: number | null;
}

export class Turn {
  readonly number: number;
  readonly cause: TurnCause;
  /** The unheard turn whose words this one carries on, when there is one. */
  readonly continues: Turn | null;
  readonly marks: TurnMarks = {
    lastSoundAtMs: null,
    endedAtMs: null,
    transcribedAtMs: null,
    repliedAtMs: null,
    synthesizedAtMs: null,
    audibleAtMs: null,
  };
  readonly #controller = new AbortController();
  readonly #onAudible = new Set<() => void>();
  readonly #onSettled = new Set<() => void>();
  #settled = false;

  constructor(number: number, cause: TurnCause, continues: Turn | null = null) {
    this.number = number;
    this.cause = cause;
    this.continues = continues;
  }

  /** Aborted when the turn is interrupted or the call ends; its `reason` is a TurnAbortReason. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Over, by its own end or by an abort. */
  get settled(): boolean {
    return this.#settled;
  }

  /** End the turn's work now. Does nothing to a turn that is over. */
  abort(reason: TurnAbortReason): void {
    if (this.#settled) return;
    this.#settled = true;
    this.#controller.abort(reason);
    this.#notify(this.#onSettled);
    this.#onAudible.clear();
  }

  /** The answer, if any, has been played to its end. */
  finish(): void {
    if (this.#settled) return;
    this.#settled = true;
    this.#notify(this.#onSettled);
    this.#onAudible.clear();
  }

  /** The first packet of the answer left the mouth at `atMs`. */
  markAudible(atMs: number): void {
    if (this.#settled || this.marks.audibleAtMs !== null) return;
    this.marks.audibleAtMs = atMs;
    this.#notify(this.#onAudible);
  }

  onAudible(listener: () => void): void {
    this.#onAudible.add(listener);
  }

  /** Calls `listener` when the turn is over, at once when it is already. */
  onSettled(listener: () => void): void {
    if (this.#settled) listener();
    else this.#onSettled.add(listener);
  }

  #notify(listeners: Set<() => void>): void {
    const all = [...listeners];
    listeners.clear();
    for (const listener of all) listener();
  }
}

/** The parts of a turn that has become audible; null before that. Parts that did not happen are null. */
export function timelineOf(turn: Turn, backboneRttMs: number | null, interrupted: boolean): TurnTimeline | null {
  const { lastSoundAtMs, endedAtMs, transcribedAtMs, repliedAtMs, synthesizedAtMs, audibleAtMs } = turn.marks;
  if (lastSoundAtMs === null || audibleAtMs === null) return null;
  const spoken = turn.cause === 'speech';
  return {
    turn: turn.number,
    endpointingMs: spoken ? between(lastSoundAtMs, endedAtMs) : null,
    sttMs: spoken ? between(endedAtMs, transcribedAtMs) : null,
    llmMs: between(spoken ? transcribedAtMs : endedAtMs, repliedAtMs),
    ttsMs: between(repliedAtMs, synthesizedAtMs),
    mouthMs: between(synthesizedAtMs, audibleAtMs),
    backboneRttMs,
    totalMs: Math.max(0, audibleAtMs - lastSoundAtMs),
    interrupted,
  };
}

function between(fromMs: number | null, toMs: number | null): number | null {
  return fromMs === null || toMs === null ? null : Math.max(0, toMs - fromMs);
}
