/** A clock that stands still until a test advances it; timers fire in order, at their own time. */
import type { Clock, Timer } from '../../src/clock.ts';

interface Pending {
  at: number;
  order: number;
  callback: () => void;
}

export class FakeClock implements Clock {
  #nowMs: number;
  #order = 0;
  #pending: Pending[] = [];
  readonly #epochMs: number;

  constructor(nowMs = 1_000, epochMs = Date.UTC(2026, 0, 1, 12, 0, 0)) {
    this.#nowMs = nowMs;
    this.#epochMs = epochMs - nowMs;
  }

  now(): number {
    return this.#nowMs;
  }

  date(): Date {
    return new Date(this.#epochMs + this.#nowMs);
  }

  setTimeout(callback: () => void, delayMs: number): Timer {
    const entry: Pending = { at: this.#nowMs + Math.max(0, delayMs), order: this.#order++, callback };
    this.#pending.push(entry);
    return {
      cancel: () => {
        this.#pending = this.#pending.filter((other) => other !== entry);
      },
    };
  }

  /** Timers that wait. */
  get pendingCount(): number {
    return this.#pending.length;
  }

  /** Let `ms` pass, firing what falls due. */
  advance(ms: number): void {
    const end = this.#nowMs + ms;
    for (;;) {
      const next = this.#pending.filter((entry) => entry.at <= end).sort((a, b) => a.at - b.at || a.order - b.order)[0];
      if (!next) break;
      this.#pending = this.#pending.filter((entry) => entry !== next);
      this.#nowMs = Math.max(this.#nowMs, next.at);
      next.callback();
    }
    this.#nowMs = end;
  }

  /** As `advance`, in steps, letting promises settle between them. */
  async advanceAsync(ms: number, stepMs = 1): Promise<void> {
    for (let passed = 0; passed < ms; passed += stepMs) {
      this.advance(Math.min(stepMs, ms - passed));
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}
