/**
 * Silences the agent at the POP as soon as the caller makes a sound, without waiting for the core, and lets it go on
 * when the core says that the sound meant nothing, when it was short and is over, or when the core says nothing. Owns
 * the decision and its timer; the agent's frames are the writer's, the caller's the tap's.
 */
import type { Clock, Timer } from '../clock.ts';
import type { Logger } from '../telemetry/index.ts';
import type { DownlinkWriter } from './downlink-writer.ts';
import type { EdgeMetrics } from './edge-metrics.ts';
import { LoudnessFloor, type LoudnessFloorOptions } from './loudness-floor.ts';
import {
  LISTENING,
  nextTime,
  type ReflexAction,
  type ReflexEvent,
  type ReflexOutcome,
  type ReflexState,
  type ReflexTiming,
  transition,
} from './reflex-state.ts';
import type { AudioLevel } from './uplink-tap.ts';

/** As configured by edge.reflex. */
export interface ReflexSettings extends ReflexTiming, LoudnessFloorOptions {
  /** What the core may take to answer a duck, beyond the way there and back. */
  answerTimeoutMs: number;
}

/** The agent is held, as `reflex.ducked` tells the core. */
export interface Ducked {
  epoch: number;
  duck: number;
  /** The mouth's timestamp up to which was played, or null. */
  timestamp: number | null;
  uplinkPacket: number;
}

export interface ReflexOptions {
  settings: ReflexSettings;
  writer: Pick<DownlinkWriter, 'audible' | 'epoch' | 'heldMs' | 'hold' | 'played' | 'release'>;
  clock: Clock;
  log: Logger;
  metrics: Pick<EdgeMetrics, 'reflexDucks' | 'reflexHeld' | 'reflexUnavailable'>;
  /** To the core and back, as measured last. */
  pathRttMs: () => number | null;
  onDucked: (ducked: Ducked) => void;
}

export interface ReflexStats extends Record<ReflexOutcome, number> {
  /** Whether the caller's packets tell how loud they are; null before that is known. Without it there is no reflex. */
  level: boolean | null;
  /** Whether the core lets the agent be silenced. */
  armed: boolean;
  ducks: number;
  /** What counts as a sound now, dBov. */
  floorDbov: number;
}

/** So many packets without a level from the start: this caller sends none. */
const PACKETS_TO_KNOW = 50;
/** An agent that is later than this is not held again before it has caught up. */
const MAX_LATE_MS = 3_000;
/** A sound lasts until it is this much below the floor, dB. */
const HYSTERESIS_DB = 3;

export class Reflex {
  readonly #options: ReflexOptions;
  readonly #floor: LoudnessFloor;
  readonly #outcomes: Record<ReflexOutcome, number> = {
    ...{ confirmed: 0, rejected: 0, timed_out: 0, superseded: 0, ended: 0 },
  };
  #state: ReflexState = LISTENING;
  /** Epoch whose core lets the agent be silenced. */
  #armedEpoch = 0;
  #ducks = 0;
  #duckEpoch = 0;
  #heldSinceMs = 0;
  /** The floor that the sound of the present duck was above. */
  #duckFloorDbov = 0;
  #level: boolean | null = null;
  #packetsWithoutLevel = 0;
  #timer: Timer | null = null;
  #timerAtMs = 0;
  #closed = false;

  constructor(options: ReflexOptions) {
    this.#options = options;
    this.#floor = new LoudnessFloor(options.settings);
  }

  /** A packet of the caller, as it comes. @param uplinkPacket our number of it */
  heard({ dbov, durationMs, atMs }: Readonly<AudioLevel>, uplinkPacket: number): void {
    if (this.#closed) return;
    this.#level = true;
    this.#checkEpoch();
    const { writer, settings, pathRttMs } = this.#options;
    const { audible } = writer;
    const ducked = this.#state.phase === 'ducked';
    const loud = dbov >= (ducked ? this.#duckFloorDbov - HYSTERESIS_DB : this.#floor.at(atMs, audible));
    if (!ducked) this.#learn(dbov, durationMs, loud, audible);
    const mayDuck = audible && this.#armed && writer.heldMs < MAX_LATE_MS;
    if (this.#state === LISTENING && !(loud && mayDuck)) return;
    if (!ducked) this.#duckFloorDbov = this.#floor.at(atMs, audible);
    const answerWithinMs = settings.answerTimeoutMs + (pathRttMs() ?? 0);
    const next = this.#ducks + 1;
    this.#step({ type: 'packet', loud, durationMs, nowMs: atMs, mayDuck, next, answerWithinMs }, uplinkPacket);
  }

  /** A packet of the caller that does not tell how loud it is. */
  heardWithoutLevel(): void {
    if (this.#level !== null || ++this.#packetsWithoutLevel < PACKETS_TO_KNOW) return;
    this.#level = false;
    this.#options.metrics.reflexUnavailable.inc();
    this.#options.log.info('this caller does not tell how loud they are: the agent is silenced by its core only');
  }

  /** The core of `epoch` lets the agent be silenced, or not any more. */
  arm(epoch: number, armed: boolean): void {
    if (armed) this.#armedEpoch = epoch;
    else if (this.#armedEpoch === epoch) this.#armedEpoch = 0;
  }

  /** What the core says of a duck; one that is over is not changed by it. */
  answered(duck: number, verdict: 'pending' | 'rejected'): void {
    this.#checkEpoch();
    this.#step({ type: 'answer', duck, verdict, nowMs: this.#options.clock.now() });
  }

  /** The core has flushed the agent's voice, and the writer has dropped it. */
  flushed(): void {
    this.#checkEpoch();
    this.#step({ type: 'flushed' });
  }

  stats(): ReflexStats {
    const { clock, writer } = this.#options;
    return {
      ...this.#outcomes,
      level: this.#level,
      armed: this.#armed,
      ducks: this.#ducks,
      floorDbov: this.#floor.at(clock.now(), writer.audible),
    };
  }

  /** Idempotent. */
  close(): void {
    if (!this.#closed && this.#state.phase !== 'listening') this.#settle('ended');
    this.#closed = true;
    this.#state = LISTENING;
    this.#timer?.cancel();
    this.#timer = null;
  }

  get #armed(): boolean {
    return this.#armedEpoch !== 0 && this.#armedEpoch === this.#options.writer.epoch;
  }

  #learn(dbov: number, durationMs: number, loud: boolean, audible: boolean): void {
    if (!audible) this.#floor.heardAlone(dbov, durationMs, loud);
    else if (!loud) this.#floor.heardUnderAgent(dbov, durationMs);
  }

  /** Another core speaks now: the writer has dropped what it held of the former one. */
  #checkEpoch(): void {
    if (this.#state.phase === 'listening' || this.#duckEpoch === this.#options.writer.epoch) return;
    this.#state = LISTENING;
    this.#settle('superseded');
  }

  #step(event: ReflexEvent, uplinkPacket = 0): void {
    if (this.#closed) return;
    const { state, actions } = transition(this.#state, event, this.#options.settings);
    this.#state = state;
    for (const action of actions) this.#act(action, uplinkPacket);
    this.#wake();
  }

  #act(action: ReflexAction, uplinkPacket: number): void {
    const { writer, clock, metrics } = this.#options;
    switch (action.do) {
      case 'duck':
        this.#ducks += 1;
        this.#duckEpoch = writer.epoch;
        this.#heldSinceMs = clock.now();
        writer.hold();
        this.#tell(uplinkPacket);
        return;
      case 'resume':
        metrics.reflexHeld.observe((clock.now() - this.#heldSinceMs) / 1_000);
        writer.release();
        return;
      case 'settle':
        this.#settle(action.outcome);
        return;
    }
  }

  #tell(uplinkPacket: number): void {
    const { writer, onDucked, log } = this.#options;
    const timestamp = writer.played?.timestamp ?? null;
    log.debug({ duck: this.#ducks, floorDbov: Math.round(this.#duckFloorDbov) }, 'the agent is held for a sound');
    onDucked({ epoch: writer.epoch, duck: this.#ducks, timestamp, uplinkPacket });
  }

  #settle(outcome: ReflexOutcome): void {
    const { clock, metrics, log } = this.#options;
    this.#outcomes[outcome] += 1;
    metrics.reflexDucks.inc({ outcome });
    if (outcome === 'confirmed') this.#floor.confirmed();
    else this.#floor.rejected(clock.now());
    if (outcome === 'timed_out') log.warn({ duck: this.#ducks }, 'the core said nothing of a sound; the agent goes on');
    else log.debug({ duck: this.#ducks, outcome }, 'a sound over the agent is settled');
  }

  /** One timer that looks whether something is due, instead of one for each packet of a sound. */
  #wake(): void {
    const atMs = nextTime(this.#state, this.#options.settings);
    if (atMs !== null && this.#timer && this.#timerAtMs <= atMs) return;
    this.#timer?.cancel();
    this.#timer = null;
    if (atMs === null) return;
    const { clock } = this.#options;
    this.#timerAtMs = atMs;
    this.#timer = clock.setTimeout(
      () => {
        this.#timer = null;
        this.#checkEpoch();
        this.#step({ type: 'time', nowMs: clock.now() });
      },
      Math.max(0, atMs - clock.now()),
    );
  }
}
