/**
 * What the caller said in a pipeline whose service hears them itself: which utterance belongs to which turn, and the words
 * that the service gives for it later, to the context and the client. Until they are there, and where they never come, a
 * note stands in the context in their place, so that its order is right. Hears nothing.
 */
import type { Conversation } from '../conversation.ts';
import type { Emit } from '../stage.ts';
import type { Turn } from '../turn.ts';
import type { AgentCall } from '../types.ts';

export interface ConverseCallerOptions {
  call: Pick<AgentCall, 'send'>;
  conversation: Conversation;
}

/** In the context, for words that are not known. */
export const UNWRITTEN = '[the caller spoke; the words are not written down]';

/** Utterances whose words may still come. */
const MAX_WAITING = 64;

interface Said {
  readonly turn: Turn;
  readonly voicedMs: number;
}

export class ConverseCaller {
  readonly #options: ConverseCallerOptions;
  readonly #utterances = new Map<number, Said>();
  readonly #words = new WeakMap<Turn, string>();
  readonly #carriedOnBy = new WeakMap<Turn, Turn>();
  readonly #ended = new WeakSet<Turn>();

  constructor(options: ConverseCallerOptions) {
    this.#options = options;
  }

  began(turn: Turn): void {
    if (turn.continues !== null) this.#carriedOnBy.set(turn.continues, turn);
  }

  /** The turn's utterance has this number; it is in the context from here on. */
  said(turn: Turn, utterance: number, voicedMs: number): void {
    this.#utterances.set(utterance, { turn, voicedMs });
    if (this.#utterances.size > MAX_WAITING) this.#utterances.delete(this.#utterances.keys().next().value!);
    this.#ended.add(turn);
    this.#options.conversation.callerSaid(turn, this.#allOf(turn, UNWRITTEN));
  }

  typed(turn: Turn, text: string): void {
    this.#options.conversation.callerSaid(turn, text);
    this.#show(turn, text, true);
  }

  /** The service tells words of an utterance. */
  understood(utterance: number, text: string, final: boolean, emit: Emit): void {
    const said = this.#utterances.get(utterance);
    if (said === undefined) return;
    const { turn, voicedMs } = said;
    const isForgotten = turn.signal.reason === 'rejected' || turn.signal.reason === 'closed';
    if (isForgotten) {
      this.#utterances.delete(utterance);
      return;
    }
    if (!final) {
      turn.understood({ text, final: false });
      this.#show(turn, `${this.#before(turn, '')} ${text}`.trim(), false);
      return;
    }
    this.#utterances.delete(utterance);
    this.#words.set(turn, text);
    turn.understood({ text, final: true });
    const { conversation } = this.#options;
    const last = this.#lastOf(turn);
    conversation.callerSaid(last, this.#allOf(last, UNWRITTEN));
    const whole = this.#allOf(last, '');
    if (whole !== '') this.#show(turn, whole, true);
    emit({ kind: 'transcript', turn, text: whole, final: true, voicedMs });
  }

  /** The turn that carries this one on and has ended, if any, else this one. */
  #lastOf(turn: Turn): Turn {
    let last = turn;
    for (let next = this.#carriedOnBy.get(turn); next && this.#ended.has(next); next = this.#carriedOnBy.get(next)) {
      last = next;
    }
    return last;
  }

  /** The words of a turn and of those that it carries on, with `unknown` where there are none. */
  #allOf(turn: Turn, unknown: string): string {
    const own = this.#words.get(turn) || unknown;
    return `${this.#before(turn, unknown)} ${own}`.trim();
  }

  #before(turn: Turn, unknown: string): string {
    return turn.continues === null ? '' : this.#allOf(turn.continues, unknown);
  }

  #show({ number, root }: Turn, text: string, final: boolean): void {
    this.#options.call.send({ type: 'transcript', id: `c${root}`, turn: number, role: 'caller', text, final });
  }
}
