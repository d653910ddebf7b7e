/**
 * The stage that turns a caller's turn into words: it feeds the service from where the caller began, a little before
 * voice activity noticed, and asks for the words when the turn ends. Without a service, speech fails with the reason
 * that it was given and typed words still pass.
 */
import { AntipodeError, asAntipodeError } from '../../errors.ts';
import type { Conversation } from '../conversation.ts';
import type { TurnEndedFrame, TurnStartedFrame } from '../frames.ts';
import { watchFor } from '../observe/index.ts';
import type { OrMissing } from '../services/missing.ts';
import type { Stt, SttUtterance } from '../services/stt.ts';
import type { Emit, Stage } from '../stage.ts';
import type { Turn, TurnAbortReason } from '../turn.ts';
import { type AgentCall, EAR_SAMPLE_RATE, type EarFrame } from '../types.ts';
import { untilAborted } from '../until-aborted.ts';

export interface TranscribeOptions {
  call: Pick<AgentCall, 'send' | 'clock' | 'log' | 'signal' | 'observe'>;
  /** The service, or why there is none, for people. */
  stt: OrMissing<Stt>;
  conversation: Conversation;
  /** Sound from before the first voiced window, for soft beginnings. */
  prerollMs?: number;
  /** How far back the caller's sound is kept: a turn is noticed late while the agent speaks. */
  keptMs?: number;
}

export const TRANSCRIBE_DEFAULTS = { prerollMs: 250, keptMs: 3_000 } as const;

/** An utterance on its way to words. It outlives its turn when another one carries it on. */
interface Hearing {
  readonly turn: Turn;
  readonly utterance: SttUtterance | null;
  readonly controller: AbortController;
  /** Its words, once the turn has ended. */
  words: Promise<string> | null;
}

export function transcribe(options: TranscribeOptions): Stage {
  return new Transcribe(options);
}

class Transcribe implements Stage {
  readonly name = 'transcribe';
  readonly #options: Required<TranscribeOptions>;
  readonly #hearings = new Map<Turn, Hearing>();
  readonly #kept: EarFrame[] = [];
  #feeding: Hearing | null = null;

  constructor(options: TranscribeOptions) {
    this.#options = { ...TRANSCRIBE_DEFAULTS, ...options };
  }

  process(...[frame, emit]: Parameters<Stage['process']>): void | Promise<void> {
    switch (frame.kind) {
      case 'caller-audio':
        this.#keep(frame.audio);
        this.#feeding?.utterance?.write(frame.audio.pcm);
        emit(frame);
        return;
      case 'turn-started':
        emit(frame);
        if (frame.position !== null) this.#begin(frame, frame.position);
        return;
      case 'turn-ended':
        emit(frame);
        return this.#end(frame, emit);
      default:
        emit(frame);
    }
  }

  #keep(frame: EarFrame): void {
    this.#kept.push(frame);
    const oldest = frame.position - (this.#options.keptMs * EAR_SAMPLE_RATE) / 1_000;
    while (this.#kept.length > 0 && this.#kept[0]!.position < oldest) this.#kept.shift();
  }

  #begin({ turn }: TurnStartedFrame, position: number): void {
    const { stt, call } = this.#options;
    const controller = new AbortController();
    const utterance =
      'missing' in stt
        ? null
        : stt.listen({
            signal: controller.signal,
            onInterim: (text) => this.#show(turn, text, false),
            watch: watchFor(call.observe, turn.number),
          });
    const hearing: Hearing = { turn, utterance, controller, words: null };
    this.#hearings.set(turn, hearing);
    this.#feeding = hearing;
    const from = position - (this.#options.prerollMs * EAR_SAMPLE_RATE) / 1_000;
    for (const frame of this.#kept) if (frame.position >= from) utterance?.write(frame.pcm);
    turn.onSettled(() => {
      if (this.#feeding === hearing) this.#feeding = null;
      const reason: TurnAbortReason | undefined = turn.signal.reason;
      // Its words are still wanted: the next turn carries it on.
      if (reason === 'continued' && !call.signal.aborted) return;
      this.#forget(hearing);
    });
  }

  /** Give up what is not done of this utterance and of those that it carried on. */
  #forget(hearing: Hearing): void {
    this.#hearings.delete(hearing.turn);
    hearing.controller.abort(new AntipodeError('ERR_SERVICE_FAILED', 'The turn is over.'));
    hearing.utterance?.close();
    const before = hearing.turn.continues && this.#hearings.get(hearing.turn.continues);
    if (before) this.#forget(before);
  }

  async #end(frame: TurnEndedFrame, emit: Emit): Promise<void> {
    const { turn, voicedMs } = frame;
    if (turn.cause === 'call') return;
    try {
      const text = turn.cause === 'text' ? (frame.text ?? '') : await untilAborted(this.#wordsOf(turn), turn.signal);
      turn.marks.transcribedAtMs = this.#options.call.clock.now();
      this.#options.conversation.callerSaid(turn, text);
      if (text !== '') this.#show(turn, text, true);
      emit({ kind: 'transcript', turn, text, final: true, voicedMs });
    } catch (error) {
      if (turn.signal.aborted) return;
      const failure = asAntipodeError(error, 'ERR_SERVICE_FAILED', 'Speech to text failed.');
      const service = 'missing' in this.#options.stt ? 'none' : this.#options.stt.name;
      const { call } = this.#options;
      const { code } = failure;
      call.observe({ type: 'service-failed', turn: turn.number, kind: 'stt', service, code, atMs: call.clock.now() });
      this.#options.call.log.warn({ err: failure, service, turn: turn.number }, 'speech to text failed');
      emit({ kind: 'turn-failed', turn, stage: this.name, error: failure });
    }
  }

  /** The words of a turn, with those of the turns that it carries on before them. */
  async #wordsOf(turn: Turn): Promise<string> {
    const { stt } = this.#options;
    if ('missing' in stt) throw new AntipodeError('ERR_SERVICE_UNAVAILABLE', stt.missing);
    const hearing = this.#hearings.get(turn);
    if (hearing === undefined) return '';
    if (this.#feeding === hearing) this.#feeding = null;
    hearing.words ??= hearing.utterance!.finish().then((result) => result.text);
    const before = turn.continues === null ? '' : await this.#wordsOf(turn.continues);
    return `${before} ${await hearing.words}`.trim();
  }

  #show(turn: Turn, text: string, final: boolean): void {
    this.#options.call.send({
      type: 'transcript',
      id: `c${turn.number}`,
      turn: turn.number,
      role: 'caller',
      text,
      final,
    });
  }

  close(): void {
    this.#feeding = null;
    for (const hearing of [...this.#hearings.values()]) this.#forget(hearing);
    this.#kept.length = 0;
  }
}
