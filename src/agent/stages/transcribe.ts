/**
 * The stage that turns a caller's turn into words: it feeds the service from where the caller began, a little before
 * voice activity noticed, and asks for the words when the turn ends, probably or certainly, or when a sound over the
 * agent has to be told from an interruption. Without a service, speech fails with the reason that it was given and typed
 * words still pass.
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
import { Hearing } from './hearing.ts';
import { KeptSound } from './kept-sound.ts';

export interface TranscribeOptions {
  call: Pick<AgentCall, 'send' | 'clock' | 'log' | 'signal' | 'observe'>;
  /** The service, or why there is none, for people. */
  stt: OrMissing<Stt>;
  conversation: Conversation;
  /** Sound from before the first voiced window, for soft beginnings. */
  prerollMs?: number;
  /** How far back the caller's sound is kept: a turn is noticed late while the agent speaks. */
  keptMs?: number;
  /** A turn of up to this long is heard anew from its beginning when the caller goes on after a probable end. */
  rehearMs?: number;
}

export const TRANSCRIBE_DEFAULTS = { prerollMs: 250, keptMs: 3_000, rehearMs: 20_000 } as const;

export function transcribe(options: TranscribeOptions): Stage {
  return new Transcribe(options);
}

class Transcribe implements Stage {
  readonly name = 'transcribe';
  readonly #options: Required<TranscribeOptions>;
  readonly #hearings = new Map<Turn, Hearing>();
  readonly #kept = new KeptSound();
  #feeding: Hearing | null = null;

  constructor(options: TranscribeOptions) {
    this.#options = { ...TRANSCRIBE_DEFAULTS, ...options };
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
    const again = before !== undefined && !before.turn.certain && this.#isKept(before.from);
    const from = again ? before.from : Math.max(position - toSamples(prerollMs), this.#kept.end - toSamples(keptMs));
    const hearing = new Hearing({
      turn,
      from,
      stt: 'missing' in stt ? null : stt,
      carriesOn: again ? null : (before ?? null),
      onInterim: (text) => {
        turn.understood({ text, final: false });
        this.#show(turn, text, false);
      },
      watch: watchFor(call.observe, turn.number),
    });
    if (again) this.#forget(before);
    this.#hearings.set(turn, hearing);
    this.#feeding = hearing;
    this.#replay(hearing, from);
    turn.onSettled(() => {
      if (this.#feeding === hearing) this.#feeding = null;
      const reason: TurnAbortReason | undefined = turn.signal.reason;
      // Its words are still wanted: the next turn carries it on.
      if (reason === 'continued' && !call.signal.aborted) return;
      this.#forget(hearing);
    });
  }

  #isKept(position: number): boolean {
    return this.#kept.start <= position && this.#kept.end > position;
  }

  #replay(hearing: Hearing, from: number): void {
    for (const pcm of this.#kept.since(from)) hearing.write(pcm);
  }

  /** The voice is back after its words were asked for: what is said now is asked for by itself. */
  #onVoice({ speaking, silentMs, position }: VoiceFrame): void {
    const hearing = this.#feeding;
    if (!speaking || silentMs > 0 || hearing === null || hearing.isListening) return;
    hearing.listen();
    this.#replay(hearing, Math.max(hearing.askedAt, position - toSamples(this.#options.prerollMs)));
  }

  /** Give up what is not done of this utterance and of those that it carried on. */
  #forget(hearing: Hearing): void {
    this.#hearings.delete(hearing.turn);
    hearing.close();
    const before = hearing.turn.continues && this.#hearings.get(hearing.turn.continues);
    if (before) this.#forget(before);
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
    if (turn.cause === 'call' || turn.cause === 'idle') return;
    try {
      const text = turn.cause === 'text' ? (frame.text ?? '') : await untilAborted(this.#wordsOf(turn), turn.signal);
      turn.marks.transcribedAtMs = this.#options.call.clock.now();
      this.#options.conversation.callerSaid(turn, text);
      if (text !== '') this.#show(turn, text, turn.certain);
      if (text !== '' && !turn.certain) turn.onCertain(() => this.#show(turn, text, true));
      emit({ kind: 'transcript', turn, text, final: true, voicedMs });
    } catch (error) {
      if (turn.signal.aborted) return;
      emit({ kind: 'turn-failed', turn, stage: this.name, error: this.#failed(turn, error) });
    }
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
    return hearing.allWords();
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
    });
  }

  close(): void {
    this.#feeding = null;
    for (const hearing of [...this.#hearings.values()]) this.#forget(hearing);
    this.#kept.clear();
  }
}

function toSamples(ms: number): number {
  return (ms * EAR_SAMPLE_RATE) / 1_000;
}
