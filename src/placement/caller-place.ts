/**
 * Where a caller is, by IP address (geoip-lite). The database lives in a thread that starts with the first public
 * address; until it is loaded the answer is "unknown yet", so neither start-up nor a session request ever waits for
 * it. Guesses nothing: what is not known is null and `how` says why.
 */
import { Worker } from 'node:worker_threads';
import { type Clock, systemClock } from '../clock.ts';
import { addressKind, plainAddress } from './address-kind.ts';
import type { Coordinates } from './regions.ts';

export interface CallerPlace {
  /** ISO 3166-1 alpha-2, or null. */
  country: string | null;
  city: string | null;
  /** Degrees; the middle of the area that the address is known to be of, or null. */
  at: Coordinates | null;
  /** Kilometers around `at` that the caller is within, or null. */
  withinKm: number | null;
  /** For people: where this comes from, or why it is not known. */
  how: string;
}

export interface CallerPlacesOptions {
  clock?: Clock;
  /** Longest that a look-up may keep a session request. @defaultValue 50 */
  lookupTimeoutMs?: number;
  /** Starts the database's thread; tests bring their own. */
  startWorker?: () => PlaceWorker;
}

/** The part of a worker thread that is used here. */
export type PlaceWorker = Pick<Worker, 'postMessage' | 'terminate' | 'unref'> & {
  on(event: 'message' | 'error' | 'exit', listener: (value: unknown) => void): unknown;
};

const DEFAULT_LOOKUP_TIMEOUT_MS = 50;
/** Look-ups under way at once; more are answered "busy". */
const MAX_PENDING = 1_000;

type State = { phase: 'idle' } | { phase: 'loading' | 'ready'; worker: PlaceWorker } | { phase: 'failed' | 'closed' };

interface WorkerAnswer {
  ready?: true;
  id?: number;
  country?: string | null;
  city?: string | null;
  at?: Coordinates | null;
  withinKm?: number | null;
}

export class CallerPlaces implements AsyncDisposable {
  readonly #clock: Clock;
  readonly #lookupTimeoutMs: number;
  readonly #startWorker: () => PlaceWorker;
  readonly #pending = new Map<number, (place: CallerPlace) => void>();
  #state: State = { phase: 'idle' };
  #nextId = 1;

  constructor(options: CallerPlacesOptions = {}) {
    this.#clock = options.clock ?? systemClock;
    this.#lookupTimeoutMs = options.lookupTimeoutMs ?? DEFAULT_LOOKUP_TIMEOUT_MS;
    this.#startWorker = options.startWorker ?? (() => new Worker(new URL('./geoip-worker.ts', import.meta.url)));
  }

  /** The caller's place by `address`; never rejects, never takes longer than the look-up timeout. */
  async place(address: string): Promise<CallerPlace> {
    const kind = addressKind(address);
    if (kind !== 'public') return nowhere(`the address is ${kind}`);
    if (this.#state.phase === 'idle') this.#load();
    const state = this.#state;
    if (state.phase === 'loading') return nowhere('unknown yet: the place database is being loaded');
    if (state.phase !== 'ready') return nowhere('the place database could not be loaded');
    if (this.#pending.size >= MAX_PENDING) return nowhere('the place database is busy');
    return new Promise((resolve) => {
      const id = this.#nextId++;
      const settle = (place: CallerPlace) => {
        timer.cancel();
        this.#pending.delete(id);
        resolve(place);
      };
      const timer = this.#clock.setTimeout(
        () => settle(nowhere('the place database did not answer in time')),
        this.#lookupTimeoutMs,
      );
      this.#pending.set(id, settle);
      state.worker.postMessage({ id, address: plainAddress(address) });
    });
  }

  /** Have the database loaded before the first caller comes, where rules go by country. Idempotent. */
  load(): void {
    if (this.#state.phase === 'idle') this.#load();
  }

  /** Stops the thread; look-ups under way are answered. Idempotent. */
  async close(): Promise<void> {
    const state = this.#state;
    this.#state = { phase: 'closed' };
    this.#settleAll('the POP is shutting down');
    if (state.phase === 'loading' || state.phase === 'ready') await state.worker.terminate();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #load(): void {
    const worker = this.#startWorker();
    this.#state = { phase: 'loading', worker };
    worker.unref();
    worker.on('message', (message) => this.#onMessage(message as WorkerAnswer));
    worker.on('error', () => this.#fail());
    worker.on('exit', () => this.#fail());
  }

  #onMessage(message: WorkerAnswer): void {
    if (message.ready && this.#state.phase === 'loading') {
      this.#state = { phase: 'ready', worker: this.#state.worker };
      return;
    }
    if (message.id === undefined) return;
    const country = message.country ?? null;
    const how = country === null ? 'the place database does not know the address' : 'geoip-lite, by address';
    const { city = null, at = null, withinKm = null } = message;
    this.#pending.get(message.id)?.({ country, city, at, withinKm, how });
  }

  #fail(): void {
    if (this.#state.phase === 'closed') return;
    this.#state = { phase: 'failed' };
    this.#settleAll('the place database could not be loaded');
  }

  #settleAll(how: string): void {
    for (const settle of [...this.#pending.values()]) settle(nowhere(how));
  }
}

function nowhere(how: string): CallerPlace {
  return { country: null, city: null, at: null, withinKm: null, how };
}
