/**
 * What can be seen of a call from outside its pipeline: one discriminated union on `type`. Stages and services say what
 * happened; observers (metrics, costs, traces, the client's page) listen. Nothing said here steers the call.
 */
import type { ErrorCode } from '../../errors.ts';
import type { TurnTimeline } from '../client-events.ts';
import type { TurnAbortReason, TurnCause } from '../turn.ts';

export type ServiceKind = 'stt' | 'llm' | 'tts' | 's2s';

/** What a service was given and gave; a price is asked for each of these. What a service does not count stays absent. */
export interface ServiceUsage {
  /** Caller's sound that was sent, seconds. */
  readonly audioInSeconds?: number;
  /** Sound that came back, seconds. */
  readonly audioOutSeconds?: number;
  /** Text that was sent to be spoken. */
  readonly characters?: number;
  /** Tokens of the request, the cached ones included. */
  readonly inputTokens?: number;
  readonly cachedInputTokens?: number;
  readonly outputTokens?: number;
  /** Audio tokens of a speech-to-speech service; also counted in the two above. */
  readonly audioInputTokens?: number;
  readonly audioOutputTokens?: number;
}

/** One request to an AI service, told when it is over. Times are monotonic milliseconds (Clock.now). */
export interface ServiceRun {
  readonly kind: ServiceKind;
  /** In the catalogue, such as `deepgram`; a local program's name otherwise. */
  readonly service: string;
  readonly model: string | null;
  /** The catalogue's region of the address that was asked, `local` for a program of this node; null when unknown. */
  readonly region: string | null;
  /** The request was made; for speech to text: the final words were asked for. */
  readonly startedAtMs: number;
  /** First text or sound came back: TTFT, TTFB. For speech to text equal to `endedAtMs`. Null when nothing came. */
  readonly firstAtMs: number | null;
  readonly endedAtMs: number;
  /** `aborted`: the turn was over first, or another request for the same answer was faster. */
  readonly outcome: 'ok' | 'aborted' | ErrorCode;
  readonly usage: ServiceUsage;
  /** What opening the newest connection to it took, one round trip, ms; null or absent when nobody timed one. */
  readonly connectMs?: number | null;
}

export type ToolOutcome = 'ok' | 'failed' | 'timed-out' | 'unknown-tool' | 'invalid-arguments' | 'cancelled';

export type Observation =
  | { readonly type: 'call-started'; readonly atMs: number }
  | { readonly type: 'call-ended'; readonly atMs: number }
  | { readonly type: 'turn-started'; readonly turn: number; readonly cause: TurnCause; readonly atMs: number }
  /** The turn is certainly the agent's; `by` names what decided it, such as `silence`, `smart-turn` or `stt`. */
  | { readonly type: 'turn-ended'; readonly turn: number; readonly by: string; readonly atMs: number }
  /** Its answer has become audible. */
  | { readonly type: 'turn-audible'; readonly turn: number; readonly atMs: number; readonly timeline: TurnTimeline }
  /** It is over; `reason` is null when its answer was played to the end, the timeline null when nothing was audible. */
  | {
      readonly type: 'turn-settled';
      readonly turn: number;
      readonly reason: TurnAbortReason | null;
      readonly atMs: number;
      readonly timeline: TurnTimeline | null;
    }
  /**
   * Somebody made a sound over the agent: it was paused, then either cut off (`confirmed`) or it went on where it had
   * stopped (`rejected`). `soundAtMs` is when the first of that sound reached the core.
   */
  | {
      readonly type: 'interruption';
      readonly turn: number;
      readonly outcome: 'paused' | 'confirmed' | 'rejected';
      readonly soundAtMs: number;
      readonly atMs: number;
    }
  /**
   * An answer that was begun on a probable end of the turn: taken, or dropped because the caller went on, or begun from
   * words that were misheard and dropped for that, which may come after `taken`.
   */
  | {
      readonly type: 'speculation';
      readonly turn: number;
      readonly outcome: 'taken' | 'dropped' | 'misheard';
      readonly atMs: number;
    }
  | { readonly type: 'service-run'; readonly turn: number | null; readonly run: ServiceRun }
  /** A stage has lost a service for this turn: no alternative was left. */
  | {
      readonly type: 'service-failed';
      readonly turn: number | null;
      readonly kind: ServiceKind;
      readonly service: string;
      readonly code: ErrorCode;
      readonly atMs: number;
    }
  /** Another service took over. */
  | {
      readonly type: 'fail-over';
      readonly turn: number | null;
      readonly kind: ServiceKind;
      readonly from: string;
      readonly to: string;
      readonly code: ErrorCode;
      readonly atMs: number;
    }
  | {
      readonly type: 'tool-started';
      readonly turn: number;
      readonly callId: string;
      readonly name: string;
      readonly atMs: number;
    }
  | {
      readonly type: 'tool-ended';
      readonly turn: number;
      readonly callId: string;
      readonly name: string;
      readonly startedAtMs: number;
      readonly atMs: number;
      readonly outcome: ToolOutcome;
    }
  /** Nobody said anything for long: the caller was asked, or the call is ended. */
  | { readonly type: 'idle'; readonly turn: number; readonly outcome: 'prompted' | 'ended'; readonly atMs: number }
  /** The context was shortened: this many entries became a summary. */
  | { readonly type: 'context-summarized'; readonly entries: number; readonly atMs: number };

export type Observe = (observation: Observation) => void;

/** What a service tells of its own requests while it works for a turn; handed down with each request. */
export interface ServiceWatch {
  ran(run: ServiceRun): void;
  failedOver(change: { kind: ServiceKind; from: string; to: string; code: ErrorCode; atMs: number }): void;
}

/** The watch that a stage hands to a service on behalf of a turn. */
export function watchFor(observe: Observe, turn: number | null): ServiceWatch {
  return {
    ran: (run) => observe({ type: 'service-run', turn, run }),
    failedOver: (change) => observe({ type: 'fail-over', turn, ...change }),
  };
}
