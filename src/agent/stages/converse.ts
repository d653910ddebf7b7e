/**
 * The stage that puts a speech-to-speech service into a pipeline: the caller's turns to the service, its answers to the
 * mouth, its tools to the tool runner, and to the service what was really heard when the caller cut it off. Turns come
 * from the turn-taking stage before it, or, without one, from the service. Speaks no protocol.
 */
import { AntipodeError } from '../../errors.ts';
import type { TurnEndedFrame } from '../frames.ts';
import type { ServiceRun } from '../observe/index.ts';
import type { S2sEvent, S2sSession } from '../services/s2s.ts';
import type { Emit, Stage } from '../stage.ts';
import type { Turn, TurnAbortReason } from '../turn.ts';
import { ConverseCaller } from './converse-caller.ts';
import { ConverseEar } from './converse-ear.ts';
import { ConverseFloor } from './converse-floor.ts';
import { CONVERSE_DEFAULTS, type ConverseOptions } from './converse-options.ts';
import { ConverseReply } from './converse-reply.ts';
import { ConverseTools } from './converse-tools.ts';
import { ConverseVoice } from './converse-voice.ts';

export type { ConverseOptions } from './converse-options.ts';

/**
 * @example
 * ```ts
 * chain(listen({ call, vad }), takeTurns({ call }), converse({ call, s2s, conversation, instructions, greeting }))
 * ```
 */
export function converse(options: ConverseOptions): Stage {
  return new Converse(options);
}

class Converse implements Stage {
  readonly name = 'converse';
  readonly #options: Required<ConverseOptions>;
  readonly #caller: ConverseCaller;
  readonly #ear: ConverseEar;
  readonly #tools: ConverseTools;
  readonly #voice: ConverseVoice;
  /** With turns of the service's. */
  readonly #floor: ConverseFloor | null;
  readonly #stopListening: (() => void)[];
  readonly #closing = new AbortController();
  #session: S2sSession | null = null;
  #reply: ConverseReply | null = null;
  #emit: Emit = () => {};
  /** Words of a turn that an earlier stage wants said. */
  #given = '';
  /** When which turn was the service's to answer, for what it tells of its runs. */
  readonly #asked: { turn: number; atMs: number }[] = [];
  #failedReplies = 0;
  #isLost = false;

  constructor(options: ConverseOptions) {
    this.#options = { ...CONVERSE_DEFAULTS, ...options };
    const { call, conversation, tools, turns, spareTts, farewell, endMarginMs, outageWords, outageNoticeMs } =
      this.#options;
    this.#caller = new ConverseCaller({ call, conversation });
    this.#ear = new ConverseEar();
    this.#tools = new ConverseTools({
      ...{ call, tools, conversation },
      answer: (callId, result) => this.#session?.toolResult(callId, result),
    });
    this.#voice = new ConverseVoice({ call, spareTts, farewell, endMarginMs, outageWords, outageNoticeMs });
    this.#floor = turns === 'service' ? new ConverseFloor(call) : null;
    const { mouth } = call;
    this.#stopListening = [
      mouth.on('started', ({ utterance, atMs }) => this.#ofUtterance(utterance)?.started(atMs)),
      mouth.on('progressed', ({ utterance, playedMs }) => this.#ofUtterance(utterance)?.progressed(playedMs)),
      mouth.on('ended', ({ utterance, playedMs, flushed }) => {
        this.#ofUtterance(utterance)?.ended(flushed ? playedMs : null);
        this.#voice.ended(utterance);
      }),
    ];
  }

  #ofUtterance(utterance: number): ConverseReply | null {
    const reply = this.#reply;
    return reply !== null && !reply.isOver && reply.utterance === utterance ? reply : null;
  }

  process(...[frame, emit]: Parameters<Stage['process']>): void | Promise<void> {
    this.#emit = emit;
    switch (frame.kind) {
      case 'call-started':
        emit(frame);
        this.#open();
        if (this.#options.greeting === '') this.#floor?.rest();
        else if (this.#floor) this.#greet(this.#floor.begin('call', frame.atMs));
        return;
      case 'caller-audio':
        emit(frame);
        if (this.#floor) this.#session?.audio(frame.audio.pcm);
        else this.#ear.heard(frame.audio);
        return;
      case 'voice':
        this.#floor?.voice(frame);
        emit(frame);
        return;
      case 'caller-text':
        if (this.#floor) this.#type(this.#floor.begin('text', frame.atMs), frame.text);
        else emit(frame);
        return;
      case 'turn-started':
        emit(frame);
        if (frame.position !== null) this.#listen(frame.turn, frame.position);
        return;
      case 'turn-queried':
        // The service writes nothing down before a turn is over: a short sound over the agent is none for it.
        queueMicrotask(() => frame.turn.understood({ text: '', final: true }));
        emit(frame);
        return;
      case 'turn-ended':
        emit(frame);
        this.#end(frame);
        return;
      case 'reply-text':
        this.#given += frame.text;
        return;
      case 'reply-ended':
        this.#sayGiven(frame.turn, frame.hangUp);
        return;
      case 'turn-failed':
        return this.#apologize(this.#replyOf(frame.turn), frame.error);
      default:
        emit(frame);
    }
  }

  #open(): void {
    const { s2s, call, instructions, voice, tools, turns, conversation } = this.#options;
    if ('missing' in s2s) {
      this.#lost(new AntipodeError('ERR_SERVICE_UNAVAILABLE', s2s.missing), s2s.missing);
      return;
    }
    this.#session = s2s.open({
      ...{ instructions, voice, tools, turns },
      history: conversation.entries,
      signal: this.#closing.signal,
      handlers: { onEvent: (event) => this.#onEvent(event), onError: (error) => this.#lost(error) },
      watch: {
        ran: (run) => call.observe({ type: 'service-run', turn: this.#turnOf(run), run }),
        failedOver: (change) => call.observe({ type: 'fail-over', turn: null, ...change }),
      },
    });
  }

  #turnOf(run: ServiceRun): number | null {
    return this.#asked.findLast(({ atMs }) => atMs <= run.startedAtMs)?.turn ?? null;
  }

  /** The caller's turn by voice: the service hears it, from a little before where voice activity noticed it. */
  #listen(turn: Turn, position: number): void {
    this.#caller.began(turn);
    turn.onAdopted(() => this.#ear.feed(turn, position, (pcm) => this.#session?.audio(pcm)));
    turn.onSettled(() => {
      const reason: TurnAbortReason | undefined = turn.signal.reason;
      const wasFed = this.#ear.stop(turn);
      if (reason === 'closed' || turn.tentative) return;
      if (wasFed || (reason === 'rejected' && this.#reply?.turn === turn)) this.#session?.discard();
    });
  }

  #end({ turn, text, voicedMs }: TurnEndedFrame): void {
    if (this.#isLost) {
      turn.finish();
      return;
    }
    switch (turn.cause) {
      case 'call':
        this.#greet(turn);
        return;
      case 'text':
        this.#type(turn, text ?? '');
        return;
      case 'speech': {
        this.#ear.stop(turn);
        this.#replyOf(turn);
        const utterance = this.#session?.endTurn();
        if (utterance !== undefined) this.#caller.said(turn, utterance, voicedMs);
        return;
      }
      case 'idle':
        // Its words come from the stage that began it.
        return;
    }
  }

  #greet(turn: Turn): void {
    this.#given = this.#options.greeting;
    this.#sayGiven(turn, null);
  }

  /** Have the service say words that are given. */
  #sayGiven(turn: Turn, hangUp: string | null): void {
    const words = this.#given.trim();
    this.#given = '';
    const reply = this.#replyOf(turn);
    if (hangUp !== null) reply.end = { code: 'agent-hung-up', reason: hangUp };
    if (words === '' || this.#isLost) reply.finish();
    else this.#session?.respond(`Say exactly this and nothing else: ${JSON.stringify(words)}`);
  }

  #type(turn: Turn, text: string): void {
    this.#replyOf(turn);
    this.#caller.typed(turn, text);
    turn.marks.transcribedAtMs = this.#options.call.clock.now();
    this.#session?.text(text);
  }

  #replyOf(turn: Turn): ConverseReply {
    if (this.#reply?.turn === turn) return this.#reply;
    const { call, conversation, endMarginMs } = this.#options;
    this.#asked.push({ turn: turn.number, atMs: call.clock.now() });
    if (this.#asked.length > 16) this.#asked.shift();
    // Nothing was transcribed on the way to the answer: that part of the time is none.
    if (turn.cause === 'speech') turn.marks.transcribedAtMs ??= call.clock.now();
    const reply: ConverseReply = new ConverseReply({
      call,
      turn,
      endMarginMs,
      onHeard: (text, interrupted) => conversation.agentSaid(turn, text, interrupted),
      onCut: (heard) => this.#session?.interrupt(heard),
      onPlayed: (played) => this.#onPlayed(played),
    });
    this.#reply = reply;
    this.#voice.awaits(reply);
    return reply;
  }

  #onEvent(event: S2sEvent): void {
    switch (event.type) {
      case 'callerStarted':
        this.#onCallerStarted(event.utterance);
        return;
      case 'callerStopped': {
        const turn = this.#floor?.callerStopped();
        if (turn) this.#replyOf(turn);
        return;
      }
      case 'callerTranscript':
        this.#caller.understood(event.utterance, event.text, event.final, this.#emit);
        return;
      case 'replyStarted':
        if (this.#floor) this.#replyOf(this.#floor.replying());
        return;
      case 'replyText':
        this.#reply?.serviceText(event.text);
        return;
      case 'audio':
        this.#reply?.serviceSound(event.pcm, event.sampleRate);
        if (this.#reply) this.#tools.spoke(this.#reply.turn);
        return;
      case 'toolCall':
        this.#runTool(event);
        return;
      case 'replyEnded':
        this.#onReplyEnded(event.error);
        return;
      case 'reconnecting':
        this.#voice.away(event.error);
        return;
      case 'reconnected':
        this.#voice.back(event.tookMs);
        return;
      case 'usage':
        // Told with the run.
        return;
    }
  }

  #onCallerStarted(utterance: number): void {
    if (!this.#floor) return;
    const turn = this.#floor.callerStarted();
    this.#caller.began(turn);
    this.#caller.said(turn, utterance, 0);
  }

  #runTool({ callId, name, arguments: written }: Extract<S2sEvent, { type: 'toolCall' }>): void {
    const reply = this.#reply;
    if (reply === null || reply.isOver) return;
    reply.words.serviceEnded();
    void this.#tools.run({ type: 'tool-call', callId, name, arguments: written }, reply.turn, {
      hangUp: (reason) => {
        reply.end = { code: 'agent-hung-up', reason };
      },
      ...(this.#options.spareTts && { filler: (sentence: string) => void this.#voice.say(reply, sentence) }),
    });
  }

  #onReplyEnded(error: AntipodeError | null): void {
    const reply = this.#reply;
    if (reply === null || reply.isOver) return;
    if (error !== null) {
      void this.#fail(reply, error);
      return;
    }
    this.#failedReplies = 0;
    void this.#voice.finish(reply);
  }

  /** An answer that failed: say so, by our own voice when there is one. */
  async #fail(reply: ConverseReply, error: AntipodeError): Promise<void> {
    const { call, s2s, maxFailedReplies } = this.#options;
    const { code } = error;
    const service = 'missing' in s2s ? 'none' : s2s.name;
    const { number: turn } = reply.turn;
    call.observe({ type: 'service-failed', turn, kind: 's2s', service, code, atMs: call.clock.now() });
    call.log.warn({ err: error, service, turn }, 'an answer of the speech-to-speech service failed');
    this.#failedReplies++;
    if (this.#failedReplies >= maxFailedReplies) reply.end = { code: 'agent-failed', reason: error.message };
    await this.#apologize(reply, error);
  }

  async #apologize(reply: ConverseReply, error: AntipodeError): Promise<void> {
    const { call, apology } = this.#options;
    call.send({ type: 'notice', level: 'error', code: error.code, text: error.message });
    await this.#voice.say(reply, apology(error));
    await this.#voice.finish(reply);
  }

  /** The service is lost for good: the caller is told, then the call ends. */
  #lost(error: AntipodeError, words?: string): void {
    if (this.#isLost) return;
    this.#isLost = true;
    const { call, s2s } = this.#options;
    const service = 'missing' in s2s ? 'none' : s2s.name;
    const { code } = error;
    const turn = this.#reply?.turn.number ?? null;
    call.observe({ type: 'service-failed', turn, kind: 's2s', service, code, atMs: call.clock.now() });
    call.log.error({ err: error, service }, 'the call has lost its speech-to-speech service');
    call.send({ type: 'notice', level: 'error', code, text: error.message });
    this.#reply?.finish();
    void this.#voice.sayFarewell(error, words);
  }

  #onPlayed(reply: ConverseReply): void {
    if (reply.end !== null) this.#options.call.hangUp(reply.end);
  }

  close(): void {
    for (const stop of this.#stopListening) stop();
    this.#closing.abort();
    this.#session?.close();
    this.#floor?.close();
    this.#reply?.close();
    this.#voice.close();
    this.#ear.close();
  }
}
