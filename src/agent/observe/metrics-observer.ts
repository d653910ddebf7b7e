/** Counts what is seen of one call in the process's metrics. */
import type { TurnTimeline } from '../client-events.ts';
import type { TurnCause } from '../turn.ts';
import type { CallMetrics } from './call-metrics.ts';
import type { CallObserver } from './call-observers.ts';
import type { Observation, ServiceRun } from './observation.ts';
import type { PriceRun } from './price.ts';

export interface MetricsObserverOptions {
  metrics: CallMetrics;
  price: PriceRun;
}

interface OpenTurn {
  cause: TurnCause | null;
  /** What decided that it was over. */
  by: string | null;
}

/** A turn whose end nobody told is forgotten after so many others. */
const MAX_OPEN_TURNS = 64;

export class MetricsObserver implements CallObserver {
  readonly name = 'metrics';
  readonly #metrics: CallMetrics;
  readonly #price: PriceRun;
  readonly #open = new Map<number, OpenTurn>();

  constructor(options: MetricsObserverOptions) {
    this.#metrics = options.metrics;
    this.#price = options.price;
  }

  observed(seen: Observation): void {
    const metrics = this.#metrics;
    switch (seen.type) {
      case 'turn-started':
        this.#turn(seen.turn).cause = seen.cause;
        return;
      case 'turn-ended':
        this.#turn(seen.turn).by = seen.by;
        return;
      case 'turn-audible':
        this.#audible(seen.timeline);
        return;
      case 'turn-settled':
        metrics.turns.inc({ cause: this.#open.get(seen.turn)?.cause ?? 'unknown', outcome: seen.reason ?? 'played' });
        this.#open.delete(seen.turn);
        return;
      case 'interruption':
        metrics.interruptions.inc({ outcome: seen.outcome });
        metrics.interruptionSeconds.observe({ outcome: seen.outcome }, seconds(seen.soundAtMs, seen.atMs));
        return;
      case 'speculation':
        metrics.speculations.inc({ outcome: seen.outcome });
        return;
      case 'service-run':
        this.#ran(seen.run);
        return;
      case 'service-failed':
        metrics.serviceErrors.inc({ kind: seen.kind, service: seen.service, code: seen.code });
        return;
      case 'tool-ended': {
        // The name of an unknown tool is what a model made up.
        const tool = seen.outcome === 'unknown-tool' ? 'unknown' : metrics.toolNames.of(seen.name);
        metrics.toolRuns.inc({ tool, outcome: seen.outcome });
        metrics.toolSeconds.observe({ tool }, seconds(seen.startedAtMs, seen.atMs));
        return;
      }
      case 'idle':
        metrics.idle.inc({ outcome: seen.outcome });
        return;
      case 'context-summarized':
        metrics.contextSummaries.inc();
        return;
      case 'call-ended':
        this.#open.clear();
        return;
      default:
    }
  }

  #audible(timeline: TurnTimeline): void {
    const parts = {
      endpointing: timeline.endpointingMs,
      stt: timeline.sttMs,
      llm: timeline.llmMs,
      tts: timeline.ttsMs,
      mouth: timeline.mouthMs,
      total: timeline.totalMs,
    };
    for (const [part, ms] of Object.entries(parts)) {
      if (ms !== null) this.#metrics.turnSeconds.observe({ part }, ms / 1_000);
    }
    const by = this.#open.get(timeline.turn)?.by ?? 'unknown';
    if (timeline.endpointingMs !== null) {
      this.#metrics.endpointingSeconds.observe({ by }, timeline.endpointingMs / 1_000);
    }
  }

  #ran(run: ServiceRun): void {
    const metrics = this.#metrics;
    const labels = {
      kind: run.kind,
      service: run.service,
      model: run.model === null ? 'none' : metrics.models.of(run.model),
    };
    metrics.serviceRuns.inc({ ...labels, outcome: run.outcome });
    metrics.serviceRunSeconds.observe(labels, seconds(run.startedAtMs, run.endedAtMs));
    if (run.firstAtMs !== null) metrics.serviceFirstSeconds.observe(labels, seconds(run.startedAtMs, run.firstAtMs));
    const { usage } = run;
    const tokens = {
      input: usage.inputTokens,
      'cached-input': usage.cachedInputTokens,
      output: usage.outputTokens,
      'audio-input': usage.audioInputTokens,
      'audio-output': usage.audioOutputTokens,
    };
    for (const [type, count] of Object.entries(tokens))
      if (count) metrics.serviceTokens.inc({ ...labels, type }, count);
    if (usage.characters) metrics.serviceCharacters.inc(labels, usage.characters);
    if (usage.audioInSeconds) metrics.serviceAudioSeconds.inc({ ...labels, direction: 'in' }, usage.audioInSeconds);
    if (usage.audioOutSeconds) metrics.serviceAudioSeconds.inc({ ...labels, direction: 'out' }, usage.audioOutSeconds);
    const price = this.#price(run);
    if (price.type === 'unpriced') metrics.serviceUnpriced.inc({ ...labels, why: price.why });
    if (price.type !== 'free') metrics.serviceCostUsd.inc(labels, price.usd);
  }

  #turn(number: number): OpenTurn {
    let turn = this.#open.get(number);
    if (turn === undefined) {
      turn = { cause: null, by: null };
      this.#open.set(number, turn);
      if (this.#open.size > MAX_OPEN_TURNS) this.#open.delete(this.#open.keys().next().value!);
    }
    return turn;
  }
}

function seconds(fromMs: number, toMs: number): number {
  return Math.max(0, toMs - fromMs) / 1_000;
}
