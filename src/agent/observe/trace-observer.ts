/**
 * One trace a call: the session, in it its turns, in each the requests to services and the tools. Attributes follow
 * OpenTelemetry's conventions for generative AI where there are any, `antipode.*` elsewhere. No words of the call are
 * in them. What a span is made of for a service or a tool is span-attributes.ts.
 */
import type { TraceSpan, Tracing } from '../../telemetry/index.ts';
import type { CallObserver } from './call-observers.ts';
import type { Observation, ServiceRun } from './observation.ts';
import type { PriceRun } from './price.ts';
import { attributesOfRun, attributesOfTimeline, attributesOfTool, nameOfRun } from './span-attributes.ts';

export interface TraceObserverOptions {
  tracing: Tracing;
  price: PriceRun;
  sessionId: string;
  room: string;
  agent: string;
}

interface RunningTool {
  readonly turn: number;
  readonly name: string;
  readonly startedAtMs: number;
}

/** A request may end long after its turn; beyond these its span hangs on the session. */
const MAX_TURNS = 64;

export class TraceObserver implements CallObserver {
  readonly name = 'traces';
  readonly #options: TraceObserverOptions;
  readonly #turns = new Map<number, TraceSpan>();
  readonly #tools = new Map<string, RunningTool>();
  #session: TraceSpan | null = null;

  constructor(options: TraceObserverOptions) {
    this.#options = options;
  }

  observed(seen: Observation): void {
    switch (seen.type) {
      case 'call-started':
        this.#startSession(seen.atMs);
        return;
      case 'call-ended':
        this.#endSession(seen.atMs);
        return;
      case 'turn-started':
        this.#startTurn(seen.turn, seen.atMs, seen.cause);
        return;
      case 'turn-ended':
        this.#turns.get(seen.turn)?.set({ 'antipode.turn.ended_by': seen.by });
        this.#event('turn.ended', seen.turn, seen.atMs, { 'antipode.turn.ended_by': seen.by });
        return;
      case 'turn-audible':
        this.#turns.get(seen.turn)?.set(attributesOfTimeline(seen.timeline));
        this.#event('turn.audible', seen.turn, seen.atMs);
        return;
      case 'turn-settled': {
        const span = this.#turns.get(seen.turn);
        if (seen.timeline !== null) span?.set(attributesOfTimeline(seen.timeline));
        span?.set({ 'antipode.turn.outcome': seen.reason ?? 'played' });
        if (seen.reason === 'failed') span?.fail('ERR_AGENT_FAILED');
        span?.end(seen.atMs);
        return;
      }
      case 'interruption':
        this.#event('interruption', seen.turn, seen.atMs, {
          'antipode.interruption.outcome': seen.outcome,
          'antipode.interruption.after_sound_ms': Math.max(0, seen.atMs - seen.soundAtMs),
        });
        return;
      case 'speculation':
        this.#event('speculation', seen.turn, seen.atMs, { 'antipode.speculation.outcome': seen.outcome });
        return;
      case 'service-run':
        this.#ran(seen.turn, seen.run);
        return;
      case 'service-failed':
        this.#event('service.failed', seen.turn, seen.atMs, {
          'antipode.service.kind': seen.kind,
          'antipode.service.name': seen.service,
          'error.type': seen.code,
        });
        return;
      case 'fail-over':
        this.#event('fail_over', seen.turn, seen.atMs, {
          'antipode.service.kind': seen.kind,
          'antipode.fail_over.from': seen.from,
          'antipode.fail_over.to': seen.to,
          'error.type': seen.code,
        });
        return;
      case 'tool-started':
        this.#tools.set(seen.callId, { turn: seen.turn, name: seen.name, startedAtMs: seen.atMs });
        return;
      case 'tool-ended':
        this.#tools.delete(seen.callId);
        this.#toolSpan(seen.turn, seen.callId, seen.name, seen.startedAtMs, seen.atMs, seen.outcome);
        return;
      case 'idle':
        this.#event('idle', seen.turn, seen.atMs, { 'antipode.idle.outcome': seen.outcome });
        return;
      case 'context-summarized':
        this.#event('context.summarized', null, seen.atMs, { 'antipode.context.entries': seen.entries });
        return;
    }
  }

  #startSession(atMs: number): void {
    const { tracing, agent, sessionId, room } = this.#options;
    this.#session ??= tracing.startSpan({
      name: `invoke_agent ${agent}`,
      kind: 'internal',
      startedAtMs: atMs,
      attributes: {
        'gen_ai.operation.name': 'invoke_agent',
        'gen_ai.agent.name': agent,
        'gen_ai.conversation.id': sessionId,
        'antipode.session.id': sessionId,
        'antipode.room': room,
      },
    });
  }

  #endSession(atMs: number): void {
    for (const [callId, tool] of this.#tools) {
      this.#toolSpan(tool.turn, callId, tool.name, tool.startedAtMs, atMs, 'cancelled');
    }
    this.#tools.clear();
    for (const turn of this.#turns.values()) {
      if (!turn.ended) turn.set({ 'antipode.turn.outcome': 'closed' });
      turn.end(atMs);
    }
    this.#turns.clear();
    this.#session?.end(atMs);
  }

  #startTurn(number: number, atMs: number, cause: string): void {
    if (this.#session === null || this.#session.ended || this.#turns.has(number)) return;
    const span = this.#options.tracing.startSpan({
      name: 'turn',
      kind: 'internal',
      startedAtMs: atMs,
      parent: this.#session,
      attributes: { 'antipode.turn.number': number, 'antipode.turn.cause': cause },
    });
    this.#turns.set(number, span);
    if (this.#turns.size <= MAX_TURNS) return;
    const [oldest, old] = this.#turns.entries().next().value!;
    old.end(atMs);
    this.#turns.delete(oldest);
  }

  #ran(turn: number | null, run: ServiceRun): void {
    const parent = this.#parent(turn);
    if (parent === null) return;
    const span = this.#options.tracing.startSpan({
      name: nameOfRun(run),
      kind: run.region === 'local' ? 'internal' : 'client',
      startedAtMs: run.startedAtMs,
      parent,
      attributes: attributesOfRun(run, this.#options.price(run)),
    });
    if (run.firstAtMs !== null && run.firstAtMs < run.endedAtMs) span.event('first', run.firstAtMs);
    if (run.outcome !== 'ok' && run.outcome !== 'aborted') span.fail(run.outcome);
    span.end(run.endedAtMs);
  }

  #toolSpan(turn: number, callId: string, name: string, startedAtMs: number, atMs: number, outcome: string): void {
    const parent = this.#parent(turn);
    if (parent === null) return;
    const span = this.#options.tracing.startSpan({
      name: `execute_tool ${name.slice(0, 64)}`,
      kind: 'internal',
      startedAtMs,
      parent,
      attributes: attributesOfTool(callId, name, outcome),
    });
    if (outcome !== 'ok' && outcome !== 'cancelled') span.fail(outcome);
    span.end(atMs);
  }

  #event(name: string, turn: number | null, atMs: number, attributes: Record<string, string | number> = {}): void {
    const span = turn === null ? undefined : this.#turns.get(turn);
    if (span !== undefined && !span.ended) span.event(name, atMs, attributes);
    // The turn is over, or there is none: the session still says of which.
    else this.#session?.event(name, atMs, turn === null ? attributes : { ...attributes, 'antipode.turn.number': turn });
  }

  #parent(turn: number | null): TraceSpan | null {
    return (turn === null ? undefined : this.#turns.get(turn)) ?? this.#session;
  }
}
