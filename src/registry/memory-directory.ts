/** The session directory of a single process: homes with leases by the given clock. */
import type { Clock } from '../clock.ts';
import {
  type HeldHome,
  HOME_RETENTION_MS,
  type RenewOutcome,
  type SessionDirectory,
  type SessionHome,
} from './directory.ts';
import { demandZone, homeConflict, homeReleased } from './directory-errors.ts';

interface Entry {
  home: SessionHome;
  untilMs: number;
  released: boolean;
}

export class MemoryDirectory implements SessionDirectory {
  readonly #clock: Clock;
  readonly #zone: string;
  readonly #onReclaimed: (sessionId: string) => void;
  readonly #entries = new Map<string, Entry>();

  constructor(options: { clock: Clock; zone: string; onReclaimed: (sessionId: string) => void }) {
    this.#clock = options.clock;
    this.#zone = options.zone;
    this.#onReclaimed = options.onReclaimed;
  }

  async claim(sessionId: string, home: SessionHome, leaseMs: number): Promise<void> {
    demandZone(this.#zone, home.zone);
    const known = this.#current(sessionId);
    if (known !== null && (known.epoch !== home.epoch || known.core !== home.core)) {
      throw homeConflict(sessionId, home.epoch, known);
    }
    this.#put(sessionId, home, leaseMs);
  }

  async takeOver(
    sessionId: string,
    expectedEpoch: number,
    next: Omit<SessionHome, 'epoch'>,
    leaseMs: number,
  ): Promise<SessionHome> {
    demandZone(this.#zone, next.zone);
    const known = this.#current(sessionId);
    const home = { ...next, epoch: expectedEpoch + 1 };
    const done = known?.epoch === home.epoch && known.core === home.core && known.pop === home.pop;
    if (known !== null && known.epoch !== expectedEpoch && !done) throw homeConflict(sessionId, expectedEpoch, known);
    this.#put(sessionId, home, leaseMs);
    return home;
  }

  async renew(sessionId: string, home: SessionHome, leaseMs: number): Promise<RenewOutcome> {
    demandZone(this.#zone, home.zone);
    const known = this.#current(sessionId);
    const newer = known !== null && known.epoch > home.epoch;
    if (newer || (known?.epoch === home.epoch && known.core !== home.core)) {
      throw homeConflict(sessionId, home.epoch, known!);
    }
    const outcome: RenewOutcome = known?.epoch === home.epoch ? 'renewed' : 'reclaimed';
    this.#put(sessionId, home, leaseMs);
    if (outcome === 'reclaimed') this.#onReclaimed(sessionId);
    return outcome;
  }

  async release(sessionId: string, epoch: number): Promise<boolean> {
    const entry = this.#entries.get(sessionId);
    if (entry === undefined || entry.home.epoch > epoch) return entry === undefined;
    entry.released = true;
    entry.untilMs = this.#clock.now();
    return true;
  }

  async get(sessionId: string): Promise<HeldHome | null> {
    const entry = this.#entries.get(sessionId);
    if (entry === undefined || entry.released) return null;
    return { ...entry.home, leaseMs: Math.max(0, entry.untilMs - this.#clock.now()) };
  }

  clear(): void {
    this.#entries.clear();
  }

  /** @throws ERR_SESSION_ENDED */
  #current(sessionId: string): SessionHome | null {
    const entry = this.#entries.get(sessionId);
    if (entry?.released) throw homeReleased(sessionId);
    return entry?.home ?? null;
  }

  #put(sessionId: string, home: SessionHome, leaseMs: number): void {
    const nowMs = this.#clock.now();
    if (!this.#entries.has(sessionId)) {
      for (const [id, { untilMs }] of this.#entries) {
        if (untilMs + HOME_RETENTION_MS <= nowMs) this.#entries.delete(id);
      }
    }
    const generation = Math.max(home.generation ?? 0, this.#entries.get(sessionId)?.home.generation ?? 0);
    const stored = { ...home, ...(generation > 0 && { generation }) };
    this.#entries.set(sessionId, { home: stored, untilMs: nowMs + leaseMs, released: false });
  }
}
