/** The loudness of both voices for the dial. Owns the AudioContext, which browsers let sound only after a gesture. */
import { AudioLevel } from '../client/audio-level.ts';

export class Levels {
  #context: AudioContext | null = null;
  #caller: { stream: MediaStream; level: AudioLevel } | null = null;
  #agent: { stream: MediaStream; level: AudioLevel } | null = null;

  /** To be called from a gesture, if there is one. */
  wake(): void {
    this.#context ??= new AudioContext({ latencyHint: 'interactive' });
    // Refused without a gesture: the next one comes here again.
    if (this.#context.state === 'suspended') this.#context.resume().catch(() => {});
  }

  listen(caller: MediaStream | null, agent: MediaStream | null): void {
    if (caller || agent) this.wake();
    this.#caller = this.#renew(this.#caller, caller);
    this.#agent = this.#renew(this.#agent, agent);
  }

  /** 0..1 each. */
  read(): { caller: number; agent: number } {
    return { caller: this.#caller?.level.read() ?? 0, agent: this.#agent?.level.read() ?? 0 };
  }

  #renew(
    held: { stream: MediaStream; level: AudioLevel } | null,
    stream: MediaStream | null,
  ): { stream: MediaStream; level: AudioLevel } | null {
    if (held?.stream === stream) return held;
    held?.level.close();
    if (!stream || !this.#context) return null;
    return { stream, level: new AudioLevel(this.#context, stream) };
  }
}
