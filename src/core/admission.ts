/**
 * Whether a core takes one more session, and what it announces of its room: the limit that its measurements gave
 * (admission-control.ts), or a fixed one. Owns the timer, the gate and their metrics; running sessions are never touched.
 */
import type { Clock, Timer } from '../clock.ts';
import type { Config } from '../config/index.ts';
import { AntipodeError } from '../errors.ts';
import { counter, type Gauge, gauge, type Logger, type Registry } from '../telemetry/index.ts';
import {
  type AdmissionSettings,
  type AdmissionState,
  firstState,
  type LoadSample,
  nextState,
} from './admission-control.ts';

export type SessionPriority = 'normal' | 'high';

export interface AdmissionOptions {
  /** `auto`, or the sessions that it takes whatever it measures. */
  capacity: Config['core']['capacity'];
  settings: Config['core']['admission'];
  /** Of this node, whatever is measured. */
  maxSessions: number;
  /** What was measured since it was asked last. */
  sample: () => LoadSample;
  clock: Clock;
  log: Logger;
  metrics: Registry;
  /** The label of every metric. */
  nodeId: string;
}

/** Of a core, as its node's record tells it. */
export interface AnnouncedCapacity {
  sessions: number;
  /** Of these, kept for sessions of high priority. */
  reserved: number;
}

/** In coarse steps: each change of a record is read by every node that watches. */
export interface AnnouncedLoad {
  sessions: number;
  /** ms, in steps of 5, rounded up; null when nothing ticked. */
  latenessP99Ms: number | null;
  /** 0 to 1, in steps of 0.1. */
  utilization: number;
}

const INTERVAL_MS = 1_000;
const LATENESS_STEP_MS = 5;

export class Admission {
  readonly #options: AdmissionOptions;
  readonly #control: AdmissionSettings;
  readonly #gauges: Record<'limit' | 'open' | 'utilization' | 'lateness', Gauge.Internal<'core'>>;
  readonly #refused;
  #state: AdmissionState;
  #last: LoadSample | null = null;
  #timer: Timer | null = null;
  #closed = false;

  constructor(options: AdmissionOptions) {
    this.#options = options;
    const { settings, maxSessions } = options;
    this.#control = { ...settings, minSessions: Math.min(settings.minSessions, maxSessions), maxSessions };
    this.#state = firstState(this.#control);
    const { metrics, nodeId } = options;
    const gaugeOf = (name: string, help: string) => gauge(metrics, name, help, ['core']).labels({ core: nodeId });
    this.#gauges = {
      limit: gaugeOf('antipode_core_admission_limit', 'Sessions that the core may hold.'),
      open: gaugeOf(
        'antipode_core_admission_open',
        '1 while it takes new sessions up to that, 0 while it is strained.',
      ),
      utilization: gaugeOf('antipode_core_utilization', 'How busy the core was in the last second, 0 to 1.'),
      lateness: gaugeOf(
        'antipode_core_tick_lateness_p99_seconds',
        'How late the 20 ms ticker woke up in the last second, p99.',
      ),
    };
    this.#refused = counter(metrics, 'antipode_core_admissions_refused_total', 'Sessions refused, by why.', [
      'core',
      'reason',
    ]);
    this.#show();
    this.#schedule();
  }

  /** Sessions that it may hold while it is not strained. */
  get limit(): number {
    const { capacity, maxSessions } = this.#options;
    return capacity === 'auto' ? this.#state.limit : Math.min(capacity, maxSessions);
  }

  /** False while it is strained and takes no new sessions but the fewest. */
  get open(): boolean {
    return this.#options.capacity !== 'auto' || this.#state.open;
  }

  /** Kept for sessions of high priority. */
  get reserved(): number {
    return Math.floor(this.limit * this.#options.settings.reservedShare);
  }

  /** For the node's record, while `sessions` run: a strained core has room for no more than these. */
  announced(sessions: number): AnnouncedCapacity {
    if (this.open) return { sessions: this.limit, reserved: this.reserved };
    const { minSessions } = this.#control;
    return { sessions: Math.max(minSessions, Math.min(this.limit, sessions)), reserved: 0 };
  }

  load(sessions: number): AnnouncedLoad {
    const { latenessP99Ms = null, utilization = 0 } = this.#last ?? {};
    return {
      sessions,
      latenessP99Ms: latenessP99Ms === null ? null : Math.ceil(latenessP99Ms / LATENESS_STEP_MS) * LATENESS_STEP_MS,
      utilization: Math.round(utilization * 10) / 10,
    };
  }

  /**
   * Whether one more session may begin beside those that run. One that is taken over from another core has a caller who
   * speaks already: it is taken up to `maxSessions`.
   * @throws ERR_SESSION_LIMIT
   */
  demand(running: number, { takenOver, priority }: { takenOver: boolean; priority: SessionPriority }): void {
    const { maxSessions } = this.#options;
    if (running >= maxSessions) this.#refuse('full', `This core is full (${maxSessions} sessions).`);
    if (takenOver) return;
    if (!this.open && running >= this.#control.minSessions) {
      this.#refuse('strained', `This core has no time for more than its ${running} sessions.`);
    }
    if (running >= this.limit) this.#refuse('full', `This core is full (${this.limit} sessions).`);
    if (priority === 'normal' && running >= this.limit - this.reserved) {
      this.#refuse('reserved', `This core keeps its last ${this.reserved} slots for sessions of high priority.`);
    }
  }

  /** Idempotent. */
  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }

  #refuse(reason: 'full' | 'strained' | 'reserved', message: string): never {
    this.#refused.inc({ core: this.#options.nodeId, reason });
    throw new AntipodeError('ERR_SESSION_LIMIT', message);
  }

  #schedule(): void {
    if (this.#closed) return;
    this.#timer = this.#options.clock.setTimeout(() => {
      this.#take();
      this.#schedule();
    }, INTERVAL_MS);
  }

  #take(): void {
    const before = { limit: this.limit, open: this.open };
    const sample = this.#options.sample();
    this.#last = sample;
    this.#state = nextState(this.#state, sample, this.#control);
    this.#show();
    const { limit, open } = this;
    if (before.open && !open) this.#options.log.warn({ ...sample, limit }, 'the core is strained: no new sessions');
    else if (!before.open && open) this.#options.log.info({ ...sample, limit }, 'the core takes new sessions again');
    else if (before.limit !== limit) this.#options.log.debug({ ...sample, limit }, 'the limit of sessions moved');
  }

  #show(): void {
    this.#gauges.limit.set(this.limit);
    this.#gauges.open.set(this.open ? 1 : 0);
    this.#gauges.utilization.set(this.#last?.utilization ?? 0);
    this.#gauges.lateness.set((this.#last?.latenessP99Ms ?? 0) / 1_000);
  }
}
