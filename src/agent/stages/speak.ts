/**
 * The stage that gives a reply its voice: sentences to the service, audio to the mouth, and from the mouth back what
 * was heard, to the context and the client. Words wait here for their voice, which is never far ahead of the caller's
 * ear; what is made before a turn is certain waits here until it is. An aborted turn silences the mouth at once. A voice
 * that fails is announced and replaced by the spare one, or by text alone.
 */
import { delay, type Timer } from '../../clock.ts';
import { type AntipodeError, asAntipodeError } from '../../errors.ts';
import type { Conversation } from '../conversation.ts';
import type { AgentNote } from '../journal/index.ts';
import { watchFor } from '../observe/index.ts';
import type { OrMissing } from '../services/missing.ts';
import { SentenceCutter } from '../services/tts/sentences.ts';
import type { Tts } from '../services/tts.ts';
import type { Stage } from '../stage.ts';
import { type Turn, type TurnAbortReason, timelineOf } from '../turn.ts';
import type { AgentCall } from '../types.ts';
import { SpokenReply } from './spoken-reply.ts';

export interface SpeakOptions {
  call: Pick<AgentCall, 'mouth' | 'send' | 'clock' | 'log' | 'hangUp' | 'backboneRttMs' | 'observe' | 'journal'>;
  /** The service, or why there is none, for people: then the first reply goes out as text and the call ends. */
  tts: OrMissing<Tts>;
  /** Speaks when the service fails. */
  spareTts?: Tts | null;
  conversation: Conversation;
  /** Replies in a row without any voice after which the call ends. */
  maxMuteReplies?: number;
  /** A mouth that has not told the end of a reply by this long after its time has lost it. */
  endMarginMs?: number;
  /** The next sentence is not asked for while more than this waits to be sent: it may never be wanted. */
  maxAheadMs?: number;
}

export const SPEAK_DEFAULTS = { maxMuteReplies: 3, endMarginMs: 10_000, maxAheadMs: 20_000 } as const;

/** A mouth that is paused sends nothing: it is looked at again after this. */
const MIN_WAIT_MS = 100;

/** A reply on its way to the caller. */
interface Reply {
  readonly turn: Turn;
  readonly cutter: SentenceCutter;
  /** Sentences that wait for their voice. */
  readonly waiting: string[];
  /** Speaks them, one after the other; null when none waits. */
  saying: Promise<void> | null;
  readonly spoken: SpokenReply;
  utterance: number | null;
  shown: string;
  hangUp: string | null;
  /** Its voice failed: what still comes is text. */
  mute: boolean;
  voice: Tts | null;
  endTimer: Timer | null;
  done: boolean;
}

export function speak(options: SpeakOptions): Stage {
  return new Speak(options);
}

class Speak implements Stage {
  readonly name = 'speak';
  readonly #options: SpeakOptions & Required<Pick<SpeakOptions, keyof typeof SPEAK_DEFAULTS>>;
  readonly #stopListening: (() => void)[];
  #reply: Reply | null = null;
  #muteReplies = 0;

  constructor(options: SpeakOptions) {
    this.#options = { ...SPEAK_DEFAULTS, ...options };
    const { mouth } = options.call;
    this.#stopListening = [
      mouth.on('started', ({ utterance, atMs }) => this.#onStarted(utterance, atMs)),
      mouth.on('progressed', ({ utterance, playedMs }) => this.#onProgressed(utterance, playedMs)),
      mouth.on('ended', ({ utterance, playedMs, flushed }) => {
        const reply = this.#ofUtterance(utterance);
        if (reply) this.#conclude(reply, flushed ? playedMs : null);
      }),
    ];
  }

  process(...[frame, emit]: Parameters<Stage['process']>): void | Promise<void> {
    switch (frame.kind) {
      case 'call-started': {
        emit(frame);
        const { tts, call } = this.#options;
        if ('missing' in tts) {
          call.send({ type: 'notice', level: 'error', code: 'ERR_SERVICE_UNAVAILABLE', text: tts.missing });
        }
        return;
      }
      case 'reply-text': {
        const reply = this.#replyOf(frame.turn);
        this.#note({ type: 'reply', turn: frame.turn.number, text: frame.text });
        this.#say(reply, reply.cutter.push(frame.text));
        return;
      }
      case 'reply-ended':
        this.#note({ type: 'reply-ended', turn: frame.turn.number, hangUp: frame.hangUp });
        return this.#finish(this.#replyOf(frame.turn), frame.hangUp);
      default:
        emit(frame);
    }
  }

  #replyOf(turn: Turn): Reply {
    if (this.#reply?.turn === turn) return this.#reply;
    const { tts } = this.#options;
    const reply: Reply = {
      turn,
      cutter: new SentenceCutter(),
      waiting: [],
      saying: null,
      spoken: new SpokenReply(),
      utterance: null,
      shown: '',
      hangUp: null,
      mute: 'missing' in tts,
      voice: 'missing' in tts ? null : tts,
      endTimer: null,
      done: false,
    };
    this.#reply = reply;
    turn.onSettled(() => this.#onSettled(reply));
    return reply;
  }

  /** Not awaited by the turn's stream: a model writes faster than anybody speaks. */
  #say(reply: Reply, sentences: readonly string[]): void {
    if (sentences.length === 0) return;
    reply.waiting.push(...sentences);
    if (reply.saying !== null) return;
    reply.saying = this.#sayAll(reply);
    // Whoever ends the reply waits for it and hears of a failure; a turn that is aborted has no end.
    reply.saying.catch(() => {});
  }

  async #sayAll(reply: Reply): Promise<void> {
    for (let sentence = reply.waiting.shift(); sentence !== undefined; sentence = reply.waiting.shift()) {
      await this.#hasRoom(reply);
      if (reply.turn.signal.aborted) return;
      reply.spoken.begin(sentence);
      this.#note({ type: 'sentence', turn: reply.turn.number, text: sentence });
      while (!reply.mute && !(await this.#sound(reply, sentence))) {
        // the voice has been changed, or the reply is mute now
      }
      reply.spoken.end();
      this.#note({ type: 'sentence-ended', turn: reply.turn.number });
      if (!reply.mute) continue;
      await reply.turn.whenCertain();
      if (!reply.turn.signal.aborted) this.#show(reply, reply.spoken.text, false);
    }
    reply.saying = null;
  }

  /** Resolves when the mouth is not far ahead, or the turn is over. */
  async #hasRoom({ turn, mute }: Reply): Promise<void> {
    const { call, maxAheadMs } = this.#options;
    while (!mute && !turn.signal.aborted && call.mouth.bufferedMs > maxAheadMs) {
      const aheadMs = call.mouth.bufferedMs - maxAheadMs;
      // Only the turn's end cuts the wait short, and who waits looks at that.
      await delay(call.clock, Math.max(MIN_WAIT_MS, aheadMs), turn.signal).catch(() => {});
    }
  }

  /** Audio of a sentence into the mouth; false when the voice failed before any of it came. */
  async #sound(reply: Reply, sentence: string): Promise<boolean> {
    const { call } = this.#options;
    const { turn } = reply;
    const voice = reply.voice!;
    let sounded = false;
    try {
      for await (const { pcm, sampleRate, words } of voice.synthesize(sentence, {
        signal: turn.signal,
        watch: watchFor(call.observe, turn.number),
      })) {
        if (turn.signal.aborted) return true;
        turn.marks.synthesizedAtMs ??= call.clock.now();
        if (!turn.certain) await turn.whenCertain();
        if (turn.signal.aborted) return true;
        reply.utterance ??= this.#openUtterance(turn);
        sounded = true;
        const ms = (pcm.length * 1_000) / sampleRate;
        reply.spoken.wrote(ms, words);
        this.#note({ type: 'sound', turn: turn.number, ms, words: words?.map((word) => ({ ...word })) ?? [] });
        call.mouth.write(reply.utterance, pcm, sampleRate);
      }
      return true;
    } catch (error) {
      if (turn.signal.aborted) return true;
      this.#changeVoice(reply, voice, asAntipodeError(error, 'ERR_SERVICE_FAILED', 'Text to speech failed.'));
      return sounded;
    }
  }

  #openUtterance(turn: Turn): number {
    const utterance = this.#options.call.mouth.open();
    this.#note({ type: 'utterance', turn: turn.number, utterance });
    return utterance;
  }

  #note(note: AgentNote): void {
    this.#options.call.journal?.note(note);
  }

  #changeVoice(reply: Reply, failed: Tts, error: AntipodeError): void {
    const { call, spareTts } = this.#options;
    const { code } = error;
    const { number: turn } = reply.turn;
    call.observe({ type: 'service-failed', turn, kind: 'tts', service: failed.name, code, atMs: call.clock.now() });
    call.log.warn({ err: error, service: failed.name, turn: reply.turn.number }, 'text to speech failed');
    const spare = spareTts && spareTts !== failed ? spareTts : null;
    reply.voice = spare;
    reply.mute = spare === null;
    const instead = spare ? `The voice ${spare.name} speaks instead.` : 'You get the answer as text.';
    call.send({ type: 'notice', level: 'error', code: error.code, text: `${error.message} ${instead}` });
  }

  async #finish(reply: Reply, hangUp: string | null): Promise<void> {
    const last = reply.cutter.finish();
    if (last !== null) this.#say(reply, [last]);
    await reply.saying;
    if (!reply.turn.certain) await reply.turn.whenCertain();
    if (reply.done || reply.turn.signal.aborted) return;
    reply.hangUp = hangUp;
    const { call, endMarginMs } = this.#options;
    if (reply.utterance === null) {
      this.#conclude(reply, null);
      return;
    }
    reply.endTimer = call.clock.setTimeout(() => {
      call.log.warn({ turn: reply.turn.number }, 'the mouth did not tell the end of a reply');
      this.#conclude(reply, null);
    }, call.mouth.bufferedMs + endMarginMs);
    call.mouth.finish(reply.utterance);
  }

  #ofUtterance(utterance: number): Reply | null {
    const reply = this.#reply;
    return reply !== null && !reply.done && reply.utterance === utterance ? reply : null;
  }

  #onStarted(utterance: number, atMs: number): void {
    const reply = this.#ofUtterance(utterance);
    if (!reply) return;
    reply.turn.markAudible(atMs);
    this.#show(reply, reply.spoken.begunAt(0), false);
    const timeline = timelineOf(reply.turn, this.#options.call.backboneRttMs(), false);
    if (timeline === null) return;
    this.#options.call.observe({ type: 'turn-audible', turn: reply.turn.number, atMs, timeline });
    this.#options.call.send({ type: 'turn', timeline });
  }

  #onProgressed(utterance: number, playedMs: number): void {
    const reply = this.#ofUtterance(utterance);
    if (reply && !reply.mute) this.#show(reply, reply.spoken.begunAt(playedMs), false);
  }

  /** The turn was cut off: silence now, and keep what was heard. */
  #onSettled(reply: Reply): void {
    const reason: TurnAbortReason | undefined = reply.turn.signal.reason;
    if (reply.done || reason === undefined) return;
    const { mouth } = this.#options.call;
    const { utterance } = reply;
    if (reason === 'closed' || utterance === null) {
      this.#close(reply);
      if (reason !== 'closed') this.#note({ type: 'reply-over', turn: reply.turn.number });
      return;
    }
    this.#close(reply);
    const heard = mouth.flush().find((each) => each.utterance === utterance) ?? mouth.heard(utterance);
    this.#record(reply, reply.spoken.heardAt(heard.playedMs), true);
  }

  /** The reply is over; `playedMs` is set when somebody else cut it there. */
  #conclude(reply: Reply, playedMs: number | null): void {
    const { call, tts, maxMuteReplies } = this.#options;
    this.#close(reply);
    const cut = playedMs !== null;
    this.#record(reply, cut ? reply.spoken.heardAt(playedMs) : reply.spoken.text, cut);
    if (reply.spoken.text !== '') this.#muteReplies = reply.utterance === null ? this.#muteReplies + 1 : 0;
    reply.turn.finish();
    if (reply.hangUp !== null && !cut) call.hangUp({ code: 'agent-hung-up', reason: reply.hangUp });
    else if ('missing' in tts) call.hangUp({ code: 'agent-failed', reason: tts.missing });
    else if (this.#muteReplies >= maxMuteReplies) {
      call.hangUp({ code: 'agent-failed', reason: 'The agent has lost its voice.' });
    }
  }

  #record(reply: Reply, text: string, interrupted: boolean): void {
    const { call, conversation } = this.#options;
    conversation.agentSaid(reply.turn, text, interrupted);
    this.#note({ type: 'reply-over', turn: reply.turn.number });
    if (text !== '' || reply.shown !== '') this.#show(reply, text, true, interrupted);
    if (!interrupted) return;
    const timeline = timelineOf(reply.turn, call.backboneRttMs(), true);
    if (timeline !== null) call.send({ type: 'turn', timeline });
  }

  #show(reply: Reply, text: string, final: boolean, interrupted?: boolean): void {
    if (!final && (text === '' || text === reply.shown)) return;
    reply.shown = text;
    const { number: turn } = reply.turn;
    this.#options.call.send({
      type: 'transcript',
      id: `a${turn}`,
      turn,
      role: 'agent',
      text,
      final,
      ...(interrupted === undefined ? {} : { interrupted }),
    });
  }

  #close(reply: Reply): void {
    reply.done = true;
    reply.endTimer?.cancel();
    if (this.#reply === reply) this.#reply = null;
  }

  /** Resolves when the voice has stopped, which its turn told it to. */
  async close(): Promise<void> {
    for (const stop of this.#stopListening) stop();
    const reply = this.#reply;
    if (reply === null) return;
    this.#close(reply);
    await reply.saying;
  }
}
