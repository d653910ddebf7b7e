/** What turn-taking tells the observers of a call. Decides nothing. */
import type { VoiceFrame } from '../frames.ts';
import { type Turn, timelineOf } from '../turn.ts';
import { type AgentCall, EAR_SAMPLE_RATE } from '../types.ts';

export class TurnReports {
  readonly #call: Pick<AgentCall, 'clock' | 'observe' | 'backboneRttMs'>;

  constructor(call: Pick<AgentCall, 'clock' | 'observe' | 'backboneRttMs'>) {
    this.#call = call;
  }

  started({ number: turn, cause }: Turn): void {
    this.#call.observe({ type: 'turn-started', turn, cause, atMs: this.#call.clock.now() });
  }

  ended({ number: turn }: Turn, by: string, atMs: number): void {
    this.#call.observe({ type: 'turn-ended', turn, by, atMs });
  }

  settled(turn: Turn): void {
    const { clock, observe } = this.#call;
    const reason = turn.signal.aborted ? turn.signal.reason : null;
    const timeline = timelineOf(turn, this.#call.backboneRttMs(), reason !== null);
    observe({ type: 'turn-settled', turn: turn.number, reason, atMs: clock.now(), timeline });
  }

  /** @param voice the last window of the sound over the agent */
  interruption(turn: Turn | null, outcome: 'paused' | 'confirmed' | 'rejected', voice: VoiceFrame | null): void {
    const atMs = this.#call.clock.now();
    const soundAtMs =
      voice === null ? atMs : voice.receivedAtMs - ((voice.position - voice.segmentStart) * 1_000) / EAR_SAMPLE_RATE;
    this.#call.observe({ type: 'interruption', turn: turn?.number ?? 0, outcome, soundAtMs, atMs });
  }

  speculation(turn: Turn | null, outcome: 'taken' | 'dropped' | 'misheard'): void {
    if (turn === null) return;
    this.#call.observe({ type: 'speculation', turn: turn.number, outcome, atMs: this.#call.clock.now() });
  }

  idle({ number: turn }: Turn, outcome: 'prompted' | 'ended'): void {
    this.#call.observe({ type: 'idle', turn, outcome, atMs: this.#call.clock.now() });
  }
}
