/**
 * One answer that was asked of a service of the OpenAI Realtime dialect, or that it began by itself: where it is, what it
 * used, and how it is told to whoever watches. Sends nothing.
 */
import type { ServiceRun, ServiceUsage } from '../../observe/observation.ts';
import type { RealtimeUsage } from './realtime-events.ts';

export class RealtimeRequest {
  /** Of the message that asked; null when the service began by itself. */
  readonly eventId: string | null;
  readonly startedAtMs: number;
  /** The service's name for it, once it is known. */
  id: string | null = null;
  firstAtMs: number | null = null;
  /** Nobody wants it any more. */
  cancelled = false;
  /** Milliseconds of sound that came. */
  soundMs = 0;
  /** Calls that were told. */
  calls = 0;
  /** Items that the service is to forget when it is over: what came after it was cancelled, calls that were not told. */
  readonly leftovers = new Set<string>();
  /** Calls as they were written, for servers that don't repeat them where they end the item. */
  readonly written = new Map<string, { name: string; arguments: string }>();
  #usage: ServiceUsage | null = null;
  #outcome: ServiceRun['outcome'] | null = null;

  constructor(eventId: string | null, startedAtMs: number) {
    this.eventId = eventId;
    this.startedAtMs = startedAtMs;
  }

  /** What the service counted; `audioInSeconds` is what we sent it since its last answer. */
  count(usage: RealtimeUsage | null, audioInSeconds: number): void {
    this.#usage = {
      audioInSeconds,
      audioOutSeconds: this.soundMs / 1_000,
      ...(usage !== null && tokensOf(usage)),
    };
  }

  get usage(): ServiceUsage | null {
    return this.#usage;
  }

  /** The first outcome is the one. */
  end(outcome: ServiceRun['outcome']): void {
    this.#outcome ??= outcome;
  }

  run(of: Pick<ServiceRun, 'service' | 'model' | 'region' | 'endedAtMs'>): ServiceRun {
    return {
      kind: 's2s',
      ...of,
      startedAtMs: this.startedAtMs,
      firstAtMs: this.firstAtMs,
      outcome: this.#outcome ?? 'aborted',
      usage: this.#usage ?? { audioOutSeconds: this.soundMs / 1_000 },
    };
  }
}

function tokensOf(usage: RealtimeUsage): ServiceUsage {
  const counts = {
    inputTokens: usage.input_tokens,
    cachedInputTokens: usage.input_token_details?.cached_tokens,
    outputTokens: usage.output_tokens,
    audioInputTokens: usage.input_token_details?.audio_tokens,
    audioOutputTokens: usage.output_token_details?.audio_tokens,
  };
  return Object.fromEntries(Object.entries(counts).filter(([, count]) => count !== null && count !== undefined));
}
