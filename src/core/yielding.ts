/**
 * A session that is to go to another core: waits for a moment between turns, pauses it there or, when none comes in
 * time, stops it in the middle of a turn, and tells the POP; and lets it go on when it stays after all. Owns the waiting
 * and the pause; where the call goes is the POP's.
 */
import { EAR_SAMPLE_RATE } from '../agent/types.ts';
import type { PopRequestData } from '../backbone/index.ts';
import type { Clock, Timer } from '../clock.ts';
import { AntipodeError } from '../errors.ts';
import type { Logger } from '../telemetry/index.ts';
import type { AgentRun } from './agent-run.ts';
import type { Seat } from './seat.ts';
import type { YieldGate } from './yield-gate.ts';
import { hasBegun, isBetweenTurns, msToSentenceEnd } from './yield-moment.ts';

export interface YieldingOptions {
  seat: Pick<Seat, 'ear' | 'journal' | 'tell'>;
  run: Pick<AgentRun, 'mouth' | 'pause' | 'goOn' | 'close'>;
  gate: YieldGate;
  clock: Clock;
  log: Logger;
  /** Nobody said what is to become of it. */
  onForgotten: () => void;
}

type Phase = 'running' | 'asked' | 'paused' | 'stopped';

/** An end of a sentence that is nearer than this is waited for. */
const MAX_SENTENCE_WAIT_MS = 1_500;
/** So much of the latest silence the next core hears again: a word may begin in it. */
const LEFT_OUT_MS = 500;
/** A POP that says nothing of a paused session for so long has forgotten it. */
const FORGOTTEN_AFTER_MS = 30_000;

export class Yielding {
  readonly #options: YieldingOptions;
  #phase: Phase = 'running';
  /** Nobody speaks and nothing is owed, as the agent says. */
  #rests = false;
  #deadline: Timer | null = null;
  #checking = false;

  constructor(options: YieldingOptions) {
    this.#options = options;
  }

  /** The agent says whether nobody speaks and nothing is owed. */
  rests(rests: boolean): void {
    this.#rests = rests;
    if (rests) this.#checkSoon();
  }

  /** A tool may have ended. */
  noted(): void {
    if (this.#rests) this.#checkSoon();
  }

  /** Asked for again it is answered again. */
  ask({ withinMs, cut }: Pick<PopRequestData<'session.yield'>, 'withinMs' | 'cut'>): void {
    if (this.#phase === 'paused' || this.#phase === 'stopped') {
      this.#tell();
      return;
    }
    this.#phase = 'asked';
    this.#deadline?.cancel();
    this.#deadline = this.#options.clock.setTimeout(() => this.#onDeadline(cut), withinMs);
    this.#options.gate.ask(this.#enters);
  }

  /** It stays here. @throws ERR_HANDOVER_REFUSED when its agent was stopped in the middle of a turn */
  cancel(): void {
    const { run, seat, gate, log } = this.#options;
    if (this.#phase === 'stopped') {
      throw new AntipodeError('ERR_HANDOVER_REFUSED', 'The agent was stopped in the middle of a turn.');
    }
    const wasPaused = this.#phase === 'paused';
    this.#phase = 'running';
    this.#deadline?.cancel();
    gate.forget(this.#enters);
    gate.forget(this.#stops);
    if (!wasPaused) return;
    gate.leave();
    seat.journal.goOn();
    run.goOn();
    seat.ear.goOn();
    log.info('a session stays: no other core took it');
  }

  /** The session has ended. Idempotent. */
  close(): void {
    const held = this.#phase === 'paused' || this.#phase === 'stopped';
    this.#phase = 'running';
    this.#deadline?.cancel();
    this.#options.gate.forget(this.#enters);
    this.#options.gate.forget(this.#stops);
    if (held) this.#options.gate.leave();
  }

  /** Not within what the agent does just now: it may be about to hang up. */
  #checkSoon(): void {
    if (this.#phase !== 'asked' || this.#checking) return;
    this.#checking = true;
    queueMicrotask(() => {
      this.#checking = false;
      if (this.#phase === 'asked') this.#options.gate.ask(this.#enters);
    });
  }

  /** A place among those that may be paused is free. */
  readonly #enters = (): boolean => {
    const { seat, run } = this.#options;
    const { journal } = seat;
    if (this.#phase !== 'asked' || !this.#rests || !isBetweenTurns(journal.state)) return false;
    if (run.mouth.bufferedMs > 0 || !journal.isWhole) return false;
    this.#pause();
    return true;
  };

  #pause(): void {
    const { seat, run } = this.#options;
    const { ear, journal } = seat;
    ear.hold();
    run.pause();
    if (hasBegun(journal.state)) {
      const packet = ear.packetBefore(ear.position - (LEFT_OUT_MS * EAR_SAMPLE_RATE) / 1_000);
      if (packet !== null) journal.note({ type: 'listened', packet });
    }
    journal.pause();
    this.#held('paused');
  }

  #onDeadline(cut: boolean): void {
    this.#deadline = null;
    if (this.#phase !== 'asked') return;
    const { clock, gate, seat } = this.#options;
    if (!cut) {
      this.#phase = 'running';
      gate.forget(this.#enters);
      this.#refuse('No pause between turns came in time.');
      return;
    }
    const waitMs = msToSentenceEnd(seat.journal.state.reply, this.#playedMs());
    if (waitMs !== null && waitMs <= MAX_SENTENCE_WAIT_MS) {
      this.#deadline = clock.setTimeout(() => this.#cut(), waitMs);
    } else this.#cut();
  }

  #playedMs(): number {
    const { run, seat } = this.#options;
    const utterance = seat.journal.state.reply?.utterance ?? null;
    return utterance === null ? 0 : run.mouth.heard(utterance).playedMs;
  }

  #cut(): void {
    this.#deadline = null;
    const { gate } = this.#options;
    if (this.#phase !== 'asked') return;
    gate.forget(this.#enters);
    gate.ask(this.#stops);
    if (!this.#isAsked) gate.forget(this.#stops);
  }

  get #isAsked(): boolean {
    return this.#phase === 'asked';
  }

  readonly #stops = (): boolean => {
    if (this.#phase !== 'asked') return false;
    const { seat, run } = this.#options;
    const { ear, journal } = seat;
    if (!journal.isWhole) {
      this.#phase = 'running';
      this.#refuse('The journal of the call did not reach its POP.');
      return false;
    }
    ear.hold();
    run.pause();
    // What the agent says of its own end is nobody's any more.
    journal.pause();
    this.#held('stopped');
    void run.close('Another core goes on with the call.');
    return true;
  };

  #held(phase: 'paused' | 'stopped'): void {
    const { clock, onForgotten } = this.#options;
    this.#phase = phase;
    this.#deadline?.cancel();
    this.#deadline = clock.setTimeout(onForgotten, FORGOTTEN_AFTER_MS);
    this.#tell();
  }

  #tell(): void {
    const { seat, log } = this.#options;
    const atTurnBoundary = this.#phase === 'paused';
    const notes = seat.journal.newest;
    log.info({ notes, atTurnBoundary }, 'a session is paused for another core');
    seat.tell('session.yielded', { notes, atTurnBoundary, refused: null });
  }

  #refuse(reason: string): void {
    this.#options.seat.tell('session.yielded', { notes: 0, atTurnBoundary: false, refused: reason });
  }
}
