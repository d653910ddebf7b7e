/**
 * Times the legs of a call's turns for placement: how long each service took, and how often the first sound of an answer
 * waited for one. Owns what counts as a time and as a round trip; what is kept of them is the sink's.
 */
import type { TurnCause } from '../turn.ts';
import type { CallObserver } from './call-observers.ts';
import type { Observation, ServiceRun } from './observation.ts';

/** One request that was answered. */
export interface LegTime extends Pick<ServiceRun, 'kind' | 'service' | 'model' | 'region'> {
  /** Request to first word or sound, or to final words. */
  readonly ms: number;
  /** The time that opening the newest connection to it took, one round trip; null when nobody timed one. */
  readonly connectMs: number | null;
  /** Clock.now */
  readonly atMs: number;
}

/** Round trips, one after the other, that the first sound of one answer waited for. */
export interface TurnTrips {
  readonly agent: string;
  readonly llm: number;
  readonly tts: number;
  /** Clock.now */
  readonly atMs: number;
}

/** Keeps what is measured. */
export interface LegSink {
  took(time: LegTime): void;
  answered(trips: TurnTrips): void;
}

export interface LegObserverOptions {
  agent: string;
  sink: LegSink;
}

interface OpenTurn {
  readonly cause: TurnCause;
  readonly runs: ServiceRun[];
  audibleAtMs: number | null;
  /** A service failed in it: it went another way than turns do. */
  failed: boolean;
}

/** A turn whose end nobody told is forgotten after so many others. */
const MAX_OPEN_TURNS = 64;

export class LegObserver implements CallObserver {
  readonly name = 'legs';
  readonly #options: LegObserverOptions;
  readonly #open = new Map<number, OpenTurn>();

  constructor(options: LegObserverOptions) {
    this.#options = options;
  }

  observed(seen: Observation): void {
    switch (seen.type) {
      case 'turn-started':
        this.#open.set(seen.turn, { cause: seen.cause, runs: [], audibleAtMs: null, failed: false });
        if (this.#open.size > MAX_OPEN_TURNS) this.#open.delete(this.#open.keys().next().value!);
        return;
      case 'service-run':
        if (seen.turn !== null) this.#ran(seen.turn, seen.run);
        return;
      case 'turn-audible': {
        const turn = this.#open.get(seen.turn);
        if (turn !== undefined) turn.audibleAtMs ??= seen.atMs;
        return;
      }
      case 'service-failed':
      case 'fail-over': {
        const turn = seen.turn === null ? undefined : this.#open.get(seen.turn);
        if (turn !== undefined) turn.failed = true;
        return;
      }
      case 'turn-settled': {
        const turn = this.#open.get(seen.turn);
        this.#open.delete(seen.turn);
        // What was cut off has requests that are told after it, or never.
        if (turn !== undefined && seen.reason === null) this.#settled(turn, seen.atMs);
        return;
      }
      case 'call-ended':
        this.#open.clear();
        return;
      default:
    }
  }

  #ran(turn: number, run: ServiceRun): void {
    this.#open.get(turn)?.runs.push(run);
    if (run.outcome !== 'ok' || run.firstAtMs === null) return;
    const ms = run.firstAtMs - run.startedAtMs;
    // Words that were there when they were asked for took no time of their service's.
    if (!(ms > 0)) return;
    const { kind, service, model, region, connectMs = null } = run;
    this.#options.sink.took({ kind, service, model, region, ms, connectMs, atMs: run.endedAtMs });
  }

  #settled({ cause, runs, audibleAtMs, failed }: OpenTurn, atMs: number): void {
    if (audibleAtMs === null || failed || (cause !== 'speech' && cause !== 'text')) return;
    // One that was given up was outrun by another, or made for words that were not the last ones: nobody waited for it.
    const answers = runs.filter(({ outcome, firstAtMs }) => outcome === 'ok' && firstAtMs !== null);
    const came = (kind: ServiceRun['kind'], byMs: number) =>
      answers.filter((run) => run.kind === kind && run.firstAtMs! <= byMs);
    const voices = came('tts', audibleAtMs).toSorted((a, b) => a.firstAtMs! - b.firstAtMs!);
    // What the model wrote after the voice had begun was not waited for.
    const wordsByMs = voices[0]?.startedAtMs ?? audibleAtMs;
    const { agent, sink } = this.#options;
    sink.answered({ agent, llm: inSequence(came('llm', wordsByMs)), tts: Math.min(1, voices.length), atMs });
  }
}

/** The most of these requests that follow one another: what runs side by side is one round trip. */
function inSequence(runs: readonly ServiceRun[]): number {
  let count = 0;
  let endedAtMs = Number.NEGATIVE_INFINITY;
  for (const run of runs.toSorted((a, b) => a.endedAtMs - b.endedAtMs)) {
    if (run.startedAtMs < endedAtMs) continue;
    count += 1;
    endedAtMs = run.endedAtMs;
  }
  return count;
}
