/**
 * What a pipeline on a speech-to-speech service says by its spare voice: a sentence while a tool runs, an apology for an
 * answer that failed or for a connection that is gone for long, and the last words when the service is lost. Without a
 * spare voice the client's notices are all there is. Decides about no call but the one that is lost.
 */
import type { Timer } from '../../clock.ts';
import type { AntipodeError } from '../../errors.ts';
import { watchFor } from '../observe/index.ts';
import type { Tts } from '../services/tts.ts';
import type { AgentCall } from '../types.ts';
import type { ConverseReply } from './converse-reply.ts';

export interface ConverseVoiceOptions {
  call: Pick<AgentCall, 'mouth' | 'send' | 'clock' | 'log' | 'hangUp' | 'observe'>;
  spareTts: Tts | null;
  outageWords: string;
  outageNoticeMs: number;
  farewell: string;
  endMarginMs: number;
}

export class ConverseVoice {
  readonly #options: ConverseVoiceOptions;
  readonly #closing = new AbortController();
  /** Sentences are said one after the other. */
  #saying: Promise<void> = Promise.resolve();
  #awaited: ConverseReply | null = null;
  #away: { since: AntipodeError; timer: Timer; isLong: boolean; isTold: boolean } | null = null;
  #farewell: { utterance: number; error: AntipodeError; timer: Timer | null } | null = null;

  constructor(options: ConverseVoiceOptions) {
    this.#options = options;
  }

  /** The caller waits for this answer now. */
  awaits(reply: ConverseReply): void {
    this.#awaited = reply;
    if (this.#away?.isLong) this.#apologize();
  }

  /** Say a sentence within an answer. Without a voice, or when it fails, nothing is said. */
  say(reply: ConverseReply, sentence: string): Promise<void> {
    const { spareTts, call } = this.#options;
    if (spareTts === null) return Promise.resolve();
    this.#saying = this.#saying.then(async () => {
      if (reply.isOver || reply.isWhole) return;
      const { turn } = reply;
      const watch = watchFor(call.observe, turn.number);
      reply.words.own(sentence);
      try {
        for await (const { pcm, sampleRate } of spareTts.synthesize(sentence, { signal: turn.signal, watch })) {
          if (reply.isOver) return;
          reply.ownSound(pcm, sampleRate);
        }
      } catch (error) {
        if (!turn.signal.aborted) call.log.warn({ err: error, service: spareTts.name }, 'the spare voice failed');
      } finally {
        reply.words.ownEnded();
      }
    });
    return this.#saying;
  }

  /** The answer is complete once what is being said within it is. */
  async finish(reply: ConverseReply): Promise<void> {
    await this.#saying;
    reply.finish();
  }

  /** The connection is gone. */
  away(error: AntipodeError): void {
    const { clock } = this.#options.call;
    this.#away?.timer.cancel();
    const timer = clock.setTimeout(() => {
      if (this.#away === null) return;
      this.#away.isLong = true;
      this.#options.call.send({
        type: 'notice',
        level: 'warning',
        code: error.code,
        text: `${error.message} Connecting anew.`,
      });
      this.#apologize();
    }, this.#options.outageNoticeMs);
    this.#away = { since: error, timer, isLong: false, isTold: false };
  }

  /** Somebody waits, and nothing comes. */
  #apologize(): void {
    const reply = this.#awaited;
    if (this.#away === null || this.#away.isTold || reply === null || reply.isOver || reply.isWhole) return;
    this.#away.isTold = true;
    void this.say(reply, this.#options.outageWords);
  }

  back(tookMs: number): void {
    const away = this.#away;
    if (away === null) return;
    away.timer.cancel();
    this.#away = null;
    this.#options.call.log.info({ tookMs, isTold: away.isTold }, 'the speech-to-speech service is back');
  }

  /** The last words, then the end of the call. */
  async sayFarewell(error: AntipodeError, words: string = this.#options.farewell): Promise<void> {
    const { call, spareTts, endMarginMs } = this.#options;
    this.#away?.timer.cancel();
    this.#away = null;
    if (spareTts !== null) {
      try {
        await this.#saying;
        await this.#speak(spareTts, words, error);
      } catch (cause) {
        if (!this.#closing.signal.aborted)
          call.log.warn({ err: cause, service: spareTts.name }, 'the spare voice failed');
      }
    }
    if (this.#closing.signal.aborted) return;
    const farewell = this.#farewell;
    if (farewell === null) {
      this.#hangUp(error);
      return;
    }
    farewell.timer = call.clock.setTimeout(() => this.#hangUp(error), call.mouth.bufferedMs + endMarginMs);
    call.mouth.finish(farewell.utterance);
  }

  async #speak(voice: Tts, words: string, error: AntipodeError): Promise<void> {
    const { mouth, observe } = this.#options.call;
    const { signal } = this.#closing;
    for await (const { pcm, sampleRate } of voice.synthesize(words, { signal, watch: watchFor(observe, null) })) {
      if (signal.aborted) return;
      this.#farewell ??= { utterance: mouth.open(), error, timer: null };
      mouth.write(this.#farewell.utterance, pcm, sampleRate);
    }
  }

  /** The mouth is done with an utterance. */
  ended(utterance: number): void {
    if (this.#farewell?.utterance === utterance) this.#hangUp(this.#farewell.error);
  }

  #hangUp(error: AntipodeError): void {
    this.#farewell?.timer?.cancel();
    this.#options.call.hangUp({ code: 'agent-failed', reason: error.message });
  }

  close(): void {
    this.#closing.abort();
    this.#away?.timer.cancel();
    this.#away = null;
    this.#farewell?.timer?.cancel();
  }
}
