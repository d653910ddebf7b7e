/**
 * One turn of the conversation: its number, its AbortSignal, and when its parts happened. Whatever works for a turn
 * carries it; aborting it ends that work. Decides nothing: turn-taking opens and aborts turns, stages mark them.
 */
import type { TurnTimeline } from './client-events.ts';
import { isSameSpeaker, type Speaker } from './types.ts';

/**
 * What began the turn: the call itself (a greeting), the caller's voice, a typed message, a long silence, or an answer of
 * another core that is said to its end.
 */
export type TurnCause = 'call' | 'speech' | 'text' | 'idle' | 'resumed';

/** Why a turn was aborted; the `reason` of its signal. */
export type TurnAbortReason =
  /** The caller spoke or typed over the answer. */
  | 'interrupted'
  /** The caller went on before anything of the answer was heard: the next turn holds this one's words too. */
  | 'continued'
  /** It was no turn: a cough, a "mm-hm", a sound while the caller was not to be heard. */
  | 'rejected'
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

/** What was understood of a turn so far. */
export interface TurnWords {
  /** All of its words up to now, those of the turns that it carries on left out. */
  readonly text: string;
  /** They will not change any more. */
  readonly final: boolean;
}

export class Turn {
  readonly number: number;
  readonly cause: TurnCause;
  /** The unheard turn whose words this one carries on, when there is one. */
  readonly continues: Turn | null;
  /** Number of the first turn of the same caller that this one carries on, or its own: stays as they add to a turn. */
  readonly root: number;
  /** Whose it is, in a room; null where there is but one caller, and for a turn that no caller began. */
  readonly speaker: Speaker | null;
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
  readonly #onCertain = new Set<() => void>();
  readonly #onAdopted = new Set<() => void>();
  readonly #onWords = new Set<(words: TurnWords) => void>();
  readonly #onSettled = new Set<() => void>();
  readonly #onMisheard = new Set<() => void>();
  #settled = false;
  #confirmed = true;
  #verified = true;
  #tentative = false;
  #words: TurnWords | null = null;

  constructor(number: number, cause: TurnCause, continues: Turn | null = null, speaker: Speaker | null = null) {
    this.number = number;
    this.cause = cause;
    this.continues = continues;
    this.speaker = speaker;
    this.root = this.continuesOwn?.root ?? number;
  }

  /** As `continues`, where that turn is of the same caller. */
  get continuesOwn(): Turn | null {
    const { continues } = this;
    return continues !== null && isSameSpeaker(continues.speaker, this.speaker) ? continues : null;
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
    this.#settle();
  }

  /** The answer, if any, has been played to its end. */
  finish(): void {
    if (this.#settled) return;
    this.#settled = true;
    this.#settle();
  }

  #settle(): void {
    this.#notify(this.#onSettled);
    this.#onAudible.clear();
    this.#onCertain.clear();
    this.#onAdopted.clear();
    this.#onWords.clear();
    this.#onMisheard.clear();
  }

  /** It may be no turn at all: a sound over the agent. */
  doubt(): void {
    this.#tentative = true;
  }

  /** It is a turn. */
  adopt(): void {
    if (!this.#tentative || this.#settled) return;
    this.#tentative = false;
    this.#notify(this.#onAdopted);
  }

  get tentative(): boolean {
    return this.#tentative;
  }

  /** Calls `listener` when the turn is one, at once when it is; never when it is rejected. */
  onAdopted(listener: () => void): void {
    if (!this.#tentative) listener();
    else if (!this.#settled) this.#onAdopted.add(listener);
  }

  /** The turn may not be over yet: its answer is made, but nothing of it may be heard or done until it is certain. */
  speculate(): void {
    this.#confirmed = false;
  }

  /** It is over. */
  confirm(): void {
    if (this.#confirmed || this.#settled) return;
    this.#confirmed = true;
    if (this.certain) this.#notify(this.#onCertain);
  }

  /** Whether it is certain that the caller has finished. */
  get confirmed(): boolean {
    return this.#confirmed;
  }

  /** Its answer is made from words that may still change: nothing of it may be heard or done until they are verified. */
  presume(): void {
    this.#verified = false;
  }

  /** Its words were the right ones. */
  verify(): void {
    if (this.#verified || this.#settled) return;
    this.#verified = true;
    if (this.certain) this.#notify(this.#onCertain);
  }

  /** They were not, or nobody knows: its answer is no answer. Does nothing when they were never presumed. */
  misheard(): void {
    if (this.#verified || this.#settled) return;
    this.#notify(this.#onMisheard);
  }

  onMisheard(listener: () => void): void {
    this.#onMisheard.add(listener);
  }

  /** The caller has finished, and these are their words. */
  get certain(): boolean {
    return this.#confirmed && this.#verified;
  }

  /** Calls `listener` when the turn is certain, at once when it is; never when it is aborted first. */
  onCertain(listener: () => void): void {
    if (this.certain) listener();
    else if (!this.#settled) this.#onCertain.add(listener);
  }

  /** Resolves when the turn is certain, or over: ask `signal` which. */
  whenCertain(): Promise<void> {
    return new Promise((resolve) => {
      this.onCertain(resolve);
      this.onSettled(resolve);
    });
  }

  /** Speech to text understood this much. */
  understood(words: TurnWords): void {
    if (this.#settled) return;
    this.#words = words;
    for (const listener of [...this.#onWords]) listener(words);
  }

  /** What was understood so far; null before anything was. */
  get words(): TurnWords | null {
    return this.#words;
  }

  onWords(listener: (words: TurnWords) => void): void {
    this.#onWords.add(listener);
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

/**
 * The parts of a turn that has become audible; null before that. Parts that did not happen are null. What was done
 * before the turn was certain took no time of the caller's: such a part is 0, and the sum is still the whole.
 */
export function timelineOf(turn: Turn, backboneRttMs: number | null, interrupted: boolean): TurnTimeline | null {
  const { lastSoundAtMs, audibleAtMs } = turn.marks;
  if (lastSoundAtMs === null || audibleAtMs === null) return null;
  const endedAtMs = turn.marks.endedAtMs;
  const transcribedAtMs = notBefore(endedAtMs, turn.marks.transcribedAtMs);
  const repliedAtMs = notBefore(transcribedAtMs ?? endedAtMs, turn.marks.repliedAtMs);
  const synthesizedAtMs = notBefore(repliedAtMs, turn.marks.synthesizedAtMs);
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

function notBefore(earliestMs: number | null, atMs: number | null): number | null {
  return earliestMs === null || atMs === null ? atMs : Math.max(earliestMs, atMs);
}

function between(fromMs: number | null, toMs: number | null): number | null {
  return fromMs === null || toMs === null ? null : Math.max(0, toMs - fromMs);
}
