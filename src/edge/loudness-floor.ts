/**
 * How loud a caller must be to be taken for one who speaks: above their own noise, and, while the agent is heard, above
 * what comes back of the agent (speakers without echo cancellation). Raised further for callers whose sounds keep being
 * none. Owns the numbers; time comes with each call.
 */

export interface LoudnessFloorOptions {
  /** Above the caller's noise, dB. */
  marginDb: number;
  /** Never below this, dBov. */
  minDbov: number;
  /** Sounds in a row that were no interruption, from which on each raises the floor. */
  rejectsToRaise: number;
}

/** What a quiet room reads as, and the least that a level counts for: digital silence says nothing of a room. */
const QUIETEST_DBOV = -80;
/** Before anything was heard: a loud room, from which the estimate falls with the first pause. */
const UNKNOWN_NOISE_DBOV = -45;
/** Nobody speaks louder than this for long: a floor above it would shut the caller out. */
const HIGHEST_DBOV = -12;
/** Noise falls to a lower level by this share of the way with each packet of 20 ms. */
const NOISE_FALL = 0.3;
/** And rises by so much: what is below the floor is noise sooner than what is above it, which may be speech. */
const NOISE_RISE_DB_PER_MS = 0.006;
const NOISE_RISE_WHILE_LOUD_DB_PER_MS = 0.0015;
/** The echo is what it comes up to, so it is followed upwards, and forgotten slowly. */
const ECHO_RISE = 0.3;
const ECHO_FALL_DB_PER_MS = 0.003;
/** The echo's envelope is known, not only its mean: half the distance is enough. */
const ECHO_MARGIN_SHARE = 0.5;
const RAISE_DB = 6;
const MAX_RAISE_DB = 24;
/** The echo that was below a raised floor has been learned by then; someone who coughs a lot is not to lose the reflex. */
const RAISE_FALL_DB_PER_MS = 0.002;
/** Sounds that were none count as in a row when no more than this lies between them. */
const IN_A_ROW_MS = 30_000;

export class LoudnessFloor {
  readonly #options: LoudnessFloorOptions;
  #noiseDbov = UNKNOWN_NOISE_DBOV;
  #echoDbov = QUIETEST_DBOV;
  #raiseDb = 0;
  #raisedAtMs = 0;
  #rejects = 0;
  #rejectedAtMs = 0;

  constructor(options: LoudnessFloorOptions) {
    this.#options = options;
  }

  /** A packet this loud or louder counts, dBov. */
  at(nowMs: number, agentAudible: boolean): number {
    const { marginDb, minDbov } = this.#options;
    const overNoise = this.#noiseDbov + marginDb;
    const overEcho = agentAudible ? this.#echoDbov + marginDb * ECHO_MARGIN_SHARE : QUIETEST_DBOV;
    return Math.min(HIGHEST_DBOV, Math.max(minDbov, overNoise, overEcho) + this.#raiseAt(nowMs));
  }

  /** A packet while the agent is silent. @param loud whether it was above the floor */
  heardAlone(dbov: number, durationMs: number, loud: boolean): void {
    const level = Math.max(QUIETEST_DBOV, dbov);
    this.#forgetEcho(durationMs);
    if (level <= this.#noiseDbov) {
      this.#noiseDbov += (level - this.#noiseDbov) * NOISE_FALL;
      return;
    }
    const rate = loud ? NOISE_RISE_WHILE_LOUD_DB_PER_MS : NOISE_RISE_DB_PER_MS;
    this.#noiseDbov = Math.min(level, this.#noiseDbov + rate * durationMs);
  }

  /** A packet below the floor while the agent is heard: noise, and what comes back of the agent. */
  heardUnderAgent(dbov: number, durationMs: number): void {
    const level = Math.max(QUIETEST_DBOV, dbov);
    if (level > this.#echoDbov) this.#echoDbov += (level - this.#echoDbov) * ECHO_RISE;
    else this.#forgetEcho(durationMs);
  }

  /** A sound above the floor was no interruption. */
  rejected(nowMs: number): void {
    if (nowMs - this.#rejectedAtMs > IN_A_ROW_MS) this.#rejects = 0;
    this.#rejects += 1;
    this.#rejectedAtMs = nowMs;
    if (this.#rejects < this.#options.rejectsToRaise) return;
    this.#raiseDb = Math.min(MAX_RAISE_DB, this.#raiseAt(nowMs) + RAISE_DB);
    this.#raisedAtMs = nowMs;
  }

  /** A sound above the floor was an interruption: the floor is not too low. */
  confirmed(): void {
    this.#rejects = 0;
    this.#raiseDb = 0;
  }

  #raiseAt(nowMs: number): number {
    return Math.max(0, this.#raiseDb - (nowMs - this.#raisedAtMs) * RAISE_FALL_DB_PER_MS);
  }

  #forgetEcho(durationMs: number): void {
    this.#echoDbov = Math.max(QUIETEST_DBOV, this.#echoDbov - ECHO_FALL_DB_PER_MS * durationMs);
  }
}
