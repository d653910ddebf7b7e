/**
 * The stage that turns a caller's turn into words: it feeds the service from where the caller began, a little before
 * voice activity noticed, and asks for the words when the turn ends, probably or certainly, or when a sound over the
 * agent has to be told from an interruption; in each short silence already where that costs the service nothing. Words
 * that may still change begin an answer when the others are late; they are held against those. Without a service, speech
 * fails with the reason that it was given and typed words still pass.
 */
import { AntipodeError, asAntipodeError } from '../../errors.ts';
import type { Conversation } from '../conversation.ts';
import type { TurnEndedFrame, TurnStartedFrame, VoiceFrame } from '../frames.ts';
import { watchFor } from '../observe/index.ts';
import type { OrMissing } from '../services/missing.ts';
import type { Stt } from '../services/stt.ts';
import type { Emit, Stage } from '../stage.ts';
import type { Turn, TurnAbortReason } from '../turn.ts';
import { type AgentCall, EAR_SAMPLE_RATE, type EarFrame } from '../types.ts';
import { untilAborted } from '../until-aborted.ts';
import { HeardNotes } from './heard-notes.ts';
import { Hearing } from './hearing.ts';
import { KeptSound } from './kept-sound.ts';
import { sameWords } from './same-words.ts';

export interface TranscribeOptions {
  call: Pick<AgentCall, 'send' | 'clock' | 'log' | 'signal' | 'observe' | 'journal' | 'resumed'>;
  /** The service, or why there is none, for people. */
  stt: OrMissing<Stt>;
  conversation: Conversation;
  /** Sound from before the first voiced window, for soft beginnings. */
  prerollMs?: number;
  /** How far back the caller's sound is kept: a turn is noticed late while the agent speaks. */
  keptMs?: number;
  /** A turn of up to this long is heard anew from its beginning when the caller goes on after a probable end. */
  rehearMs?: number;
  /**
   * Silence, counted from where the voice begins to fade, after which a service is asked for the words that can be asked
   * without ending the utterance; null: none is before the turn ends.
   */
  askAfterMs?: number | null;
}

export const TRANSCRIBE_DEFAULTS = { prerollMs: 250, keptMs: 3_000, rehearMs: 20_000, askAfterMs: 64 } as const;

export function transcribe(options: TranscribeOptions): Stage {
  return new Transcribe(options);
}

class Transcribe implements Stage {
  readonly name = 'transcribe';
  readonly #options: Required<TranscribeOptions>;
  readonly #hearings = new Map<Turn, Hearing>();
  readonly #kept = new KeptSound();
  #feeding: Hearing | null = null;
  /** Position up to which the caller's voice was there. */
  #voicedUntil = 0;
  /** Turns whose words in the context may still change. */
  readonly #presumed = new WeakSet<Turn>();
  readonly #notes: HeardNotes;

  constructor(options: TranscribeOptions) {
    this.#options = { ...TRANSCRIBE_DEFAULTS, ...options };
    this.#notes = new HeardNotes(options.call.journal);
  }

  process(...[frame, emit]: Parameters<Stage['process']>): void | Promise<void> {
    emit(frame);
    switch (frame.kind) {
      case 'caller-audio':
        this.#keep(frame.audio);
        this.#feeding?.write(frame.audio.pcm);
        return;
      case 'voice':
        this.#onVoice(frame);
        return;
      case 'turn-started':
        if (frame.position !== null) this.#begin(frame, frame.position);
        else if (frame.turn.continues !== null) this.#handOver(frame.turn.continues, frame.turn);
        return;
      case 'turn-queried':
        return this.#query(frame.turn);
      case 'turn-ended':
        return this.#end(frame, emit);
      default:
    }
  }

  #keep({ pcm, position }: EarFrame): void {
    this.#kept.write(pcm, position);
    const { keptMs, rehearMs } = this.#options;
    const listened = this.#hearings.size > 0 ? this.#feedingStart : position;
    this.#kept.dropBefore(Math.max(Math.min(position - toSamples(keptMs), listened), position - toSamples(rehearMs)));
  }

  get #feedingStart(): number {
    let start = Number.POSITIVE_INFINITY;
    for (const { from } of this.#hearings.values()) start = Math.min(start, from);
    return start;
  }

  #begin({ turn }: TurnStartedFrame, position: number): void {
    const { stt, call, prerollMs, keptMs } = this.#options;
    const before = turn.continues === null ? undefined : this.#hearings.get(turn.continues);
    // What was cut by a probable end is heard again as a whole: half a sentence is hard to understand.
    const again =
      before !== undefined && turn.continuesOwn !== null && !before.turn.certain && this.#isKept(before.from);
    const earliest = Math.max(this.#kept.start, this.#kept.end - toSamples(keptMs));
    const from = again ? before.from : Math.max(position - toSamples(prerollMs), earliest);
    const hearing = new Hearing({
      turn,
      from,
      stt: 'missing' in stt ? null : stt,
      carriesOn: again ? before.carriesOn : (before ?? null),
      insteadOf: again ? before : null,
      onInterim: (whose, text) => {
        whose.understood({ text, final: false });
        this.#show(whose, text, false);
      },
      watch: watchFor(call.observe, turn.number),
    });
    if (again) this.#drop(before);
    this.#feeding = hearing;
    this.#own(hearing);
    this.#replay(hearing, from);
  }

  /** The same sound is another turn's now. */
  #handOver(before: Turn, turn: Turn): void {
    const hearing = this.#hearings.get(before);
    if (hearing === undefined) return;
    this.#hearings.delete(before);
    hearing.turn = turn;
    this.#own(hearing);
  }

  /** The voice is back after words were asked for: what is said now is asked for by itself. */
  #listenAgain(hearing: Hearing, position: number): void {
    const from = Math.max(hearing.askedAt, position - toSamples(this.#options.prerollMs), this.#kept.start);
    hearing.listen(from);
    this.#replay(hearing, from);
  }

  #own(hearing: Hearing): void {
    const { turn } = hearing;
    this.#hearings.set(turn, hearing);
    turn.onSettled(() => {
      if (this.#feeding === hearing) this.#feeding = null;
      const reason: TurnAbortReason | undefined = turn.signal.reason;
      // Its words are still wanted: the next turn carries it on.
      if (reason === 'continued' && !this.#options.call.signal.aborted) return;
      this.#forget(hearing);
    });
  }

  #isKept(position: number): boolean {
    return this.#kept.start <= position && this.#kept.end > position;
  }

  #replay(hearing: Hearing, from: number): void {
    for (const pcm of this.#kept.since(from)) hearing.write(pcm);
  }

  #onVoice({ speaking, quietMs, position }: VoiceFrame): void {
    const hearing = this.#feeding;
    const { askAfterMs } = this.#options;
    if (quietMs < Number.POSITIVE_INFINITY) this.#voicedUntil = position - toSamples(quietMs);
    if (hearing === null) {
      this.#notes.silence(quietMs, position, this.#hearings.keys());
      return;
    }
    if (quietMs > 0) {
      // A pause is asked for once, and only when there was voice before it.
      if (askAfterMs === null || quietMs < askAfterMs || !hearing.isVoiced) return;
      hearing.isVoiced = false;
      hearing.ask(this.#kept.end);
      return;
    }
    if (!speaking) return;
    if (!hearing.isListening) this.#listenAgain(hearing, position);
    hearing.isVoiced = true;
  }

  /** Give up what is not done of this utterance and of those that it carried on. */
  #forget(hearing: Hearing): void {
    this.#drop(hearing);
    if (hearing.carriesOn !== null) this.#forget(hearing.carriesOn);
  }

  #drop(hearing: Hearing): void {
    this.#hearings.delete(hearing.turn);
    hearing.close();
  }

  /** Not awaited by the turn's stream: the words may be overtaken by the end of the turn. */
  #query(turn: Turn): void {
    const hearing = this.#hearings.get(turn);
    if (hearing === undefined) return;
    hearing.finishPart(this.#kept.end);
    hearing.words().then(
      (text) => turn.understood({ text, final: true }),
      (error: unknown) => {
        if (turn.signal.aborted) return;
        this.#failed(turn, error);
        // Nobody knows what it was: the agent goes on.
        turn.understood({ text: '', final: true });
      },
    );
  }

  async #end(frame: TurnEndedFrame, emit: Emit): Promise<void> {
    const { turn, voicedMs } = frame;
    if (turn.cause === 'call' || turn.cause === 'idle' || turn.cause === 'resumed') {
      this.#notes.heard(turn, null);
      return;
    }
    const heardTo = turn.cause === 'speech' ? this.#kept.end : null;
    const answer = (text: string) => emit({ kind: 'transcript', turn, text, final: true, voicedMs });
    let guess: string | null = null;
    try {
      const said = turn.cause === 'text' ? Promise.resolve(frame.text ?? '') : this.#wordsOf(turn);
      // A turn that is aborted while it guesses never asks for them.
      said.catch(() => {});
      guess = await untilAborted(this.#guess(turn, said), turn.signal);
      if (guess !== null) {
        this.#presume(turn, guess);
        answer(guess);
      }
      const text = await untilAborted(said, turn.signal);
      if (guess !== null && !sameWords(guess, text)) {
        turn.misheard();
        return;
      }
      turn.marks.transcribedAtMs = this.#options.call.clock.now();
      const others = await untilAborted(this.#wordsOfOthers(turn), turn.signal);
      if (text !== guess) this.#options.conversation.callerSaid(turn, text);
      this.#presumed.delete(turn);
      turn.verify();
      turn.onCertain(() => this.#notes.heard(turn, heardTo));
      if (text !== '') this.#show(turn, text, turn.certain);
      if (text !== '' && !turn.certain) turn.onCertain(() => this.#show(turn, text, true));
      if (guess === null) answer(joined(others, text));
    } catch (error) {
      if (turn.signal.aborted) return;
      if (guess !== null) {
        // An answer to words that nobody knows is none: the turn is made anew, and fails of the same.
        turn.misheard();
        return;
      }
      if (this.#isPresumed(turn)) this.#options.conversation.callerSaid(turn, '');
      emit({ kind: 'turn-failed', turn, stage: this.name, error: this.#failed(turn, error) });
    }
  }

  /** Words to prepare the answer from before the final ones are there; null when those come first. */
  async #guess(turn: Turn, said: Promise<string>): Promise<string | null> {
    const hearing = this.#hearings.get(turn);
    // Of a turn that is made anew the final words have come.
    if (hearing === undefined || turn.certain || hearing.isGuessed) return null;
    hearing.isGuessed = true;
    const known = said.then(
      () => null,
      () => null,
    );
    return Promise.race([known, hearing.wordsUntil(this.#voicedUntil)]);
  }

  #presume(turn: Turn, text: string): void {
    const { conversation } = this.#options;
    turn.presume();
    this.#presumed.add(turn);
    conversation.callerSaid(turn, text);
    turn.onSettled(() => {
      // Of a turn that goes on, the one that carries it on has them.
      if (this.#presumed.has(turn) && turn.signal.reason !== 'continued') conversation.callerSaid(turn, '');
    });
    this.#show(turn, text, false);
  }

  #isPresumed(turn: Turn): boolean {
    for (let each: Turn | null = turn; each !== null; each = each.continues) {
      if (this.#presumed.has(each)) return true;
    }
    return false;
  }

  #failed(turn: Turn, error: unknown): AntipodeError {
    const { stt, call } = this.#options;
    const failure = asAntipodeError(error, 'ERR_SERVICE_FAILED', 'Speech to text failed.');
    const service = 'missing' in stt ? 'none' : stt.name;
    const { code } = failure;
    call.observe({ type: 'service-failed', turn: turn.number, kind: 'stt', service, code, atMs: call.clock.now() });
    call.log.warn({ err: failure, service, turn: turn.number }, 'speech to text failed');
    return failure;
  }

  /** The words of a turn, with those of the turns that it carries on before them. */
  async #wordsOf(turn: Turn): Promise<string> {
    const { stt } = this.#options;
    if ('missing' in stt) throw new AntipodeError('ERR_SERVICE_UNAVAILABLE', stt.missing);
    const hearing = this.#hearings.get(turn);
    if (hearing === undefined) return '';
    if (this.#feeding === hearing) this.#feeding = null;
    hearing.finishPart(this.#kept.end);
    return joined(this.#resumedWords(turn), await hearing.allWords());
  }

  /** What other callers said just before, whom nobody has answered: it is recorded as theirs, and answered with the turn. */
  async #wordsOfOthers(turn: Turn): Promise<string> {
    const words: string[] = [];
    for (const hearing of othersBefore(this.#hearings.get(turn))) {
      const { turn: theirs } = hearing;
      try {
        hearing.finishPart(hearing.askedAt);
        const text = await hearing.allWords();
        words.push(text);
        this.#options.conversation.callerSaid(theirs, text);
        this.#presumed.delete(theirs);
        if (text !== '') this.#show(theirs, text, true);
      } catch (error) {
        if (turn.signal.aborted) throw error;
        this.#failed(theirs, error);
      }
    }
    return joined(...words);
  }

  /** Words that another core heard of a turn that the caller goes on with. */
  #resumedWords({ continuesOwn: continues }: Turn): string {
    const unanswered = this.#options.call.resumed?.unanswered ?? null;
    for (let before = continues; before !== null && unanswered !== null; before = before.continuesOwn) {
      if (before.number === unanswered.turn) return unanswered.text;
    }
    return '';
  }

  #show(turn: Turn, text: string, final: boolean): void {
    if (turn.tentative) {
      // A sound that turns out to be nothing is not shown.
      turn.onAdopted(() => this.#show(turn, text, final));
      return;
    }
    this.#options.call.send({
      type: 'transcript',
      id: `c${turn.root}`,
      turn: turn.number,
      role: 'caller',
      text,
      final,
      ...(turn.speaker && { speaker: turn.speaker }),
    });
  }

  close(): void {
    this.#feeding = null;
    for (const hearing of [...this.#hearings.values()]) this.#forget(hearing);
    this.#kept.clear();
  }
}

/** In the order in which they spoke. */
function othersBefore(hearing: Hearing | undefined): Hearing[] {
  const others: Hearing[] = [];
  for (let other = hearing?.other ?? null; other !== null; other = other.other) others.unshift(other);
  return others;
}

function joined(...parts: readonly string[]): string {
  return parts.filter((part) => part !== '').join(' ');
}

function toSamples(ms: number): number {
  return (ms * EAR_SAMPLE_RATE) / 1_000;
}
