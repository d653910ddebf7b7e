/**
 * The stage that drives the turn-taking machine: it opens, ends and aborts turns, pauses the mouth for sounds that may
 * be interruptions, tells the client whose turn it is, and passes every frame on. Owns the current turn and the
 * tentative one; recognizes and answers nothing.
 */
import type { Clock } from '../../clock.ts';
import type { AgentState } from '../client-events.ts';
import type { SttTurnFrame, VoiceFrame } from '../frames.ts';
import type { ResumedCall } from '../journal/index.ts';
import type { Emit, Stage } from '../stage.ts';
import { Turn, type TurnAbortReason, type TurnCause } from '../turn.ts';
import { type AgentCall, type EarFrame, isSameSpeaker, type Speaker } from '../types.ts';
import { AnswerWatch } from './answer-watch.ts';
import { isMeant, MEANING_DEFAULTS, type MeaningOptions } from './backchannels.ts';
import { CallerVoice } from './caller-voice.ts';
import type { EndOfTurn, EndVerdict, EndWatch } from './ends/end-of-turn.ts';
import { silence } from './ends/silence.ts';
import { HeldEnd } from './held-end.ts';
import { type IdleOptions, IdleWatch, type IdleWords } from './idle-watch.ts';
import { StalledEar } from './stalled-ear.ts';
import {
  type FloorAction,
  type FloorEvent,
  type FloorState,
  INITIAL_FLOOR,
  TURN_TAKING_DEFAULTS,
  type TurnTakingOptions,
  transition,
} from './transition.ts';
import { TurnReports } from './turn-reports.ts';

export interface TakeTurnsOptions extends Partial<TurnTakingOptions>, Partial<MeaningOptions> {
  call: Pick<AgentCall, 'mouth' | 'send' | 'clock' | 'log' | 'observe' | 'backboneRttMs' | 'resumed' | 'rests'>;
  /** The agent speaks first. @defaultValue true */
  greets?: boolean;
  /** The caller is not heard before the greeting is over. @defaultValue false */
  muteUntilGreeted?: boolean;
  /** Judges the ends of the caller's turns. @defaultValue silence() */
  endOfTurn?: EndOfTurn;
  /** Words of a service that hears all of the call begin a turn even where voice activity heard none. @defaultValue false */
  startsByTranscript?: boolean;
  /** An answer that is neither heard nor failed by then is given up. @defaultValue 60000 */
  answerTimeoutMs?: number;
  /** What happens when nobody says anything; null: nothing. @defaultValue null */
  idle?: IdleOptions | null;
}

export function takeTurns(options: TakeTurnsOptions): Stage {
  return new TakeTurns(options);
}

/** An answer with less than this left to say is as good as over: "yeah" over its last word is an answer to it. */
const NEARLY_SAID_MS = 600;
const ANSWER_TIMEOUT_MS = 60_000;

class TakeTurns implements Stage {
  readonly name = 'take-turns';
  readonly #options: TakeTurnsOptions & TurnTakingOptions & MeaningOptions;
  readonly #clock: Clock;
  readonly #reports: TurnReports;
  readonly #ear: StalledEar;
  readonly #idle: IdleWatch | null;
  readonly #answer: AnswerWatch;
  readonly #judge: EndOfTurn;
  readonly #watch: EndWatch;
  #floor: FloorState = INITIAL_FLOOR;
  #turn: Turn | null = null;
  /** A sound over the agent that may become a turn. */
  #tentative: Turn | null = null;
  #nextNumber = 0;
  #emit: Emit = () => {};
  readonly #voice = new CallerVoice();
  #shown: AgentState = 'starting';
  #callerSpeaking = false;
  #rests = false;
  /** Who is heard, in a room; null before anybody is, and where there is but one caller. */
  #heard: Speaker | null = null;
  #othersWait = false;
  readonly #held = new HeldEnd();
  #typed: string | null = null;
  #typedBy: Speaker | null = null;
  #idleWords: IdleWords | null = null;
  /** Who ended the turn, when it was not one of the machine's own limits. */
  #decidedBy: string | null = null;
  /** Who ended the last one. */
  #endedBy = '';

  constructor(options: TakeTurnsOptions) {
    this.#options = { ...TURN_TAKING_DEFAULTS, ...MEANING_DEFAULTS, ...options };
    this.#clock = options.call.clock;
    this.#reports = new TurnReports(options.call);
    this.#ear = new StalledEar(this.#clock, (frame) => this.#judgeVoice(frame, this.#clock.now()));
    this.#idle = options.idle ? new IdleWatch(this.#clock, options.idle, (words) => this.#onIdle(words)) : null;
    const answerTimeoutMs = options.answerTimeoutMs ?? ANSWER_TIMEOUT_MS;
    this.#answer = new AnswerWatch(this.#clock, answerTimeoutMs, (turn) => this.#onStuck(turn));
    this.#judge = options.endOfTurn ?? silence();
    this.#watch = this.#judge.open((verdict, by = this.#judge.name) => {
      // Nobody answers one while another one speaks.
      const waits = verdict === 'certain' && this.#othersSpeak;
      this.#held.wait(waits ? by : null);
      this.#decide(waits ? 'probable' : verdict, by);
    });
  }

  /** In a room: somebody has spoken, or may have, who is not heard yet. */
  get #othersSpeak(): boolean {
    return this.#othersWait || this.#held.isListening(this.#voice.last?.position ?? 0);
  }

  #decide(verdict: EndVerdict, by: string): void {
    this.#decidedBy = by;
    this.#step({ type: 'verdict', verdict }, this.#clock.now());
    this.#decidedBy = null;
  }

  process(...[frame, emit]: Parameters<Stage['process']>): void {
    this.#emit = emit;
    switch (frame.kind) {
      case 'call-started':
        emit(frame);
        if (this.#options.call.resumed) this.#resume(this.#options.call.resumed, frame.atMs);
        else if (this.#options.greets ?? true) this.#step({ type: 'call-started' }, frame.atMs);
        else this.#show();
        this.#rest();
        return;
      case 'caller-text':
        this.#typed = frame.text;
        this.#typedBy = frame.speaker ?? null;
        this.#step({ type: 'text' }, frame.atMs);
        return;
      case 'caller-audio':
        this.#ear.sound();
        this.#othersWait = frame.audio.othersWait ?? false;
        this.#passFloor(frame.audio);
        this.#watch.audio?.(frame);
        emit(frame);
        return;
      case 'voice':
        this.#onVoice(frame);
        emit(frame);
        return;
      case 'stt-turn':
        this.#onSttTurn(frame);
        emit(frame);
        return;
      default:
        emit(frame);
    }
  }

  /** Before any sound of the next one is taken for a part of the turn. */
  #passFloor({ speaker, position }: EarFrame): void {
    if (speaker === undefined || isSameSpeaker(speaker, this.#heard)) return;
    const isFirst = this.#heard === null;
    this.#heard = speaker;
    this.#held.passed(position);
    if (!isFirst) this.#step({ type: 'passed' }, this.#clock.now());
  }

  #onVoice(frame: VoiceFrame): void {
    const { speaking, speaker } = frame;
    if (speaking !== this.#callerSpeaking || (speaking && !isSameSpeaker(speaker, this.#voice.last?.speaker))) {
      this.#callerSpeaking = speaking;
      const whose = speaking ? speaker : this.#voice.last?.speaker;
      this.#options.call.send({ type: 'caller-speaking', speaking, ...(whose && { speaker: whose }) });
    }
    const listened = this.#floor.floor === 'caller' ? this.#turn : this.#tentative;
    if (listened !== null && frame.silentMs === 0) listened.marks.lastSoundAtMs = frame.receivedAtMs;
    this.#voice.heard(frame, listened !== null);
    if (this.#muted) {
      this.#voice.ignorePast();
      return;
    }
    this.#judgeVoice(frame, frame.receivedAtMs);
    const waits = this.#floor.floor === 'caller' || (this.#floor.floor === 'agent' && this.#isWaiting(this.#floor));
    this.#ear.heard(frame, waits);
  }

  #isWaiting(floor: Extract<FloorState, { floor: 'agent' }>): boolean {
    return !floor.certain || floor.sound !== null;
  }

  #judgeVoice(frame: VoiceFrame, atMs: number): void {
    const listening = this.#floor.floor === 'caller';
    this.#step(
      {
        type: 'voice',
        speaking: frame.speaking && !this.#voice.isSpent(frame),
        voicedMs: frame.voicedMs,
        silentMs: frame.silentMs,
        quietMs: frame.quietMs,
        turnMs: listening ? this.#voice.turnMsAt(frame) : 0,
      },
      atMs,
    );
    this.#watch.voice(frame);
    const by = frame.speaking || this.#othersSpeak ? null : this.#held.take();
    if (by !== null) this.#decide('certain', by);
  }

  #onSttTurn(frame: SttTurnFrame): void {
    if (this.#muted) return;
    if (frame.event === 'words' && frame.text !== '' && this.#options.startsByTranscript) {
      // The stretch of speech that voice activity knows is an old one.
      if (this.#floor.floor === 'open') this.#voice.ignorePast();
      this.#step({ type: 'unheard-words' }, frame.atMs);
    }
    this.#watch.stt?.(frame);
  }

  get #muted(): boolean {
    return this.#options.muteUntilGreeted === true && this.#turn?.cause === 'call' && !this.#turn.settled;
  }

  #onStuck(turn: Turn): void {
    const { call } = this.#options;
    call.log.error({ turn: turn.number }, 'a turn was given up: its answer neither came nor failed');
    call.send({ type: 'notice', level: 'error', code: 'ERR_AGENT_FAILED', text: 'The agent found no answer.' });
    turn.abort('failed');
  }

  #onIdle(words: IdleWords): void {
    this.#idleWords = words;
    this.#step({ type: 'idle' }, this.#clock.now());
  }

  #step(event: FloorEvent, atMs: number): void {
    const { state, actions } = transition(this.#floor, event, this.#options);
    this.#floor = state;
    for (const action of actions) this.#act(action, atMs);
    this.#show();
    const floor = this.#floor;
    this.#rest();
    this.#answer.waitFor(floor.floor === 'agent' && floor.certain && !floor.audible ? this.#turn : null);
  }

  /** Nobody speaks and nothing is owed, or not so. */
  #rest(): void {
    const rests = this.#floor.floor === 'open' && !this.#callerSpeaking;
    this.#idle?.quiet(rests);
    if (rests === this.#rests) return;
    this.#rests = rests;
    this.#options.call.rests?.(rests);
  }

  #act(action: FloorAction, atMs: number): void {
    const { mouth } = this.#options.call;
    switch (action) {
      case 'interrupt':
        this.#interrupt();
        return;
      case 'continue':
        if (this.#turn?.confirmed === false) this.#reports.speculation(this.#turn, 'dropped');
        this.#turn?.abort('continued');
        return;
      case 'begin-call':
        this.#begin('call', null, atMs);
        this.#end(null);
        return;
      case 'begin-text':
        this.#idle?.answered();
        this.#begin('text', null, atMs, this.#typedBy);
        this.#end(this.#typed);
        this.#typed = null;
        return;
      case 'begin-idle':
        this.#sayIdleWords(atMs);
        return;
      case 'begin-resumed':
        this.#sayRest(atMs);
        return;
      case 'begin-speech':
        this.#held.wait(null);
        this.#idle?.answered();
        this.#voice.markStart(this.#turn?.signal.reason === 'continued');
        this.#begin('speech', this.#voice.turnStart, atMs, this.#voice.last?.speaker ?? null);
        this.#watch.begin();
        return;
      case 'end-turn':
        this.#voice.spend();
        this.#watch.end();
        this.#end(null);
        return;
      case 'speculate':
        this.#turn?.speculate();
        this.#emitEnd(null);
        return;
      case 'redo':
        this.#redo(atMs);
        return;
      case 'confirm':
        this.#watch.end();
        this.#reports.speculation(this.#turn, 'taken');
        this.#markEnd();
        this.#turn?.confirm();
        return;
      case 'pause':
        this.#voice.markStart(this.#turn?.signal.reason === 'continued');
        this.#beginTentative(this.#voice.turnStart, atMs);
        mouth.pause();
        this.#reports.interruption(this.#turn, 'paused', this.#voice.last);
        return;
      case 'pause-again':
        mouth.pause();
        this.#reports.interruption(this.#turn, 'paused', this.#voice.last);
        return;
      case 'ask-words':
        if (this.#tentative) this.#emit({ kind: 'turn-queried', turn: this.#tentative });
        return;
      case 'adopt':
        this.#idle?.answered();
        this.#turn = this.#tentative;
        this.#tentative = null;
        this.#turn?.adopt();
        this.#watch.begin();
        this.#splitAdopted(atMs);
        return;
      case 'reject': {
        const rejected = this.#tentative;
        this.#tentative = null;
        this.#reports.interruption(this.#turn, 'rejected', this.#voice.last);
        rejected?.abort('rejected');
        return;
      }
      case 'resume':
        mouth.resume();
        return;
    }
  }

  /** A sound over the agent was one caller's, and another one speaks by now: each has a turn of their own. */
  #splitAdopted(atMs: number): void {
    const { last } = this.#voice;
    if (last === null || !last.speaking || this.#voice.isSpent(last)) return;
    if (isSameSpeaker(this.#turn?.speaker, last.speaker)) return;
    for (const action of ['speculate', 'continue', 'begin-speech'] as const) this.#act(action, atMs);
  }

  #interrupt(): void {
    const turn = this.#turn;
    if (turn === null) return;
    if (turn.marks.audibleAtMs !== null) this.#reports.interruption(this.#turn, 'confirmed', this.#voice.last);
    turn.abort('interrupted');
  }

  /** The same sound, and a new turn for its answer. */
  #redo(atMs: number): void {
    const before = this.#turn;
    if (before === null) return;
    this.#reports.speculation(before, 'misheard');
    before.abort('continued');
    const turn = this.#begin('speech', null, before.marks.lastSoundAtMs ?? atMs, before.speaker);
    turn.marks.endedAtMs = before.marks.endedAtMs;
    if (!before.confirmed) turn.speculate();
    else if (before.marks.endedAtMs !== null) this.#reports.ended(turn, this.#endedBy, before.marks.endedAtMs);
    this.#emitEnd(null);
  }

  #sayIdleWords(atMs: number): void {
    const words = this.#idleWords;
    if (words === null) return;
    this.#idleWords = null;
    const turn = this.#begin('idle', null, atMs);
    this.#reports.idle(turn, words.last ? 'ended' : 'prompted');
    this.#end(null);
    turn.marks.repliedAtMs = this.#clock.now();
    this.#emit({ kind: 'reply-text', turn, text: words.text });
    this.#emit({ kind: 'reply-ended', turn, hangUp: words.last ? 'The caller said nothing for long.' : null });
  }

  /** Goes on where another core left off. */
  #resume({ saying, unanswered, nextTurn }: ResumedCall, atMs: number): void {
    this.#nextNumber = nextTurn;
    if (saying !== null) this.#step({ type: 'resumed' }, atMs);
    else if (unanswered !== null) {
      // As if it were typed: its words are known.
      this.#nextNumber = unanswered.turn;
      this.#typed = unanswered.text;
      this.#typedBy = unanswered.speaker ?? null;
      this.#step({ type: 'text' }, atMs);
      this.#nextNumber = nextTurn;
    } else this.#show();
  }

  #sayRest(atMs: number): void {
    const { call } = this.#options;
    const saying = call.resumed?.saying;
    if (!saying) return;
    const { turn: former, heard, rest, complete, hangUp } = saying;
    if (heard !== '')
      call.send({ type: 'transcript', id: `a${former}`, turn: former, role: 'agent', text: heard, final: true });
    const turn = this.#begin('resumed', null, atMs);
    this.#end(null);
    turn.marks.repliedAtMs = this.#clock.now();
    // Who answers says the rest of an answer that was still being made, and goes on.
    if (!complete) return;
    if (rest !== '') this.#emit({ kind: 'reply-text', turn, text: rest });
    this.#emit({ kind: 'reply-ended', turn, hangUp });
  }

  #begin(cause: TurnCause, position: number | null, atMs: number, speaker: Speaker | null = null): Turn {
    const before = this.#turn;
    const continues = cause === 'speech' && before?.signal.reason === 'continued' ? before : null;
    const turn = new Turn(this.#nextNumber++, cause, continues, speaker);
    turn.onAudible(() => this.#ifCurrent(turn, { type: 'audible' }));
    this.#turn = turn;
    this.#open(turn, position, atMs);
    return turn;
  }

  #beginTentative(position: number, atMs: number): void {
    const turn = new Turn(this.#nextNumber++, 'speech', null, this.#voice.last?.speaker ?? null);
    turn.doubt();
    turn.onAudible(() => this.#ifCurrent(turn, { type: 'audible' }));
    turn.onWords(({ text, final }) => {
      if (this.#tentative !== turn) return;
      const { bufferedMs } = this.#options.call.mouth;
      const meant = isMeant(text, this.#options) || (text !== '' && bufferedMs < NEARLY_SAID_MS);
      this.#step({ type: 'words', meant, final }, this.#clock.now());
    });
    this.#tentative = turn;
    this.#open(turn, position, atMs);
  }

  #open(turn: Turn, position: number | null, atMs: number): void {
    turn.marks.lastSoundAtMs = atMs;
    turn.onMisheard(() => this.#ifCurrent(turn, { type: 'misheard' }));
    turn.onSettled(() => {
      this.#reports.settled(turn);
      this.#ifCurrent(turn, { type: 'settled' });
    });
    this.#reports.started(turn);
    this.#emit({ kind: 'turn-started', turn, position });
  }

  #end(text: string | null): void {
    this.#markEnd();
    this.#emitEnd(text);
  }

  #markEnd(): void {
    const turn = this.#turn;
    if (turn === null) return;
    const atMs = this.#clock.now();
    turn.marks.endedAtMs = atMs;
    const limit = (this.#voice.last?.silentMs ?? 0) >= this.#options.backstopMs ? 'backstop' : 'max-turn';
    this.#endedBy = turn.cause === 'speech' ? (this.#decidedBy ?? limit) : turn.cause;
    this.#reports.ended(turn, this.#endedBy, atMs);
  }

  #emitEnd(text: string | null): void {
    const turn = this.#turn;
    if (turn === null) return;
    this.#emit({ kind: 'turn-ended', turn, text, voicedMs: turn.cause === 'speech' ? this.#voice.turnVoicedMs : 0 });
  }

  /** What a turn reports of itself counts only while it is the current one and was not aborted by us. */
  #ifCurrent(turn: Turn, event: FloorEvent): void {
    const reason: TurnAbortReason | undefined = turn.signal.reason;
    const ours = reason === 'interrupted' || reason === 'continued' || reason === 'closed' || reason === 'rejected';
    if (this.#turn !== turn || ours) return;
    this.#step(event, this.#clock.now());
  }

  #show(): void {
    this.#options.call.mouth.yields(this.#options.interruptible && !this.#muted);
    const floor = this.#floor;
    const state: AgentState = floor.floor !== 'agent' ? 'listening' : floor.audible ? 'speaking' : 'thinking';
    if (state === this.#shown) return;
    this.#shown = state;
    this.#options.call.send({ type: 'agent-state', state });
  }

  close(): void {
    this.#ear.close();
    this.#idle?.close();
    this.#answer.close();
    this.#watch.close();
    this.#tentative?.abort('closed');
    this.#turn?.abort('closed');
  }
}
