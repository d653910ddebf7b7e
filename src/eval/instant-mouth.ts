/**
 * A mouth whose every sound is heard the moment it is written: for calls that are typed. Owns the account of what was
 * heard; there is no sound behind it.
 */
import type { Heard, Mouth, MouthEvents } from '../agent/index.ts';
import type { Clock } from '../clock.ts';

interface Utterance {
  readonly number: number;
  writtenMs: number;
  playedMs: number;
  started: boolean;
  finished: boolean;
  over: boolean;
}

export class InstantMouth implements Mouth {
  readonly #clock: Clock;
  readonly #utterances: Utterance[] = [];
  readonly #listeners = new Map<keyof MouthEvents, Set<(event: never) => void>>();
  #paused = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  open(): number {
    const number = this.#utterances.length + 1;
    this.#utterances.push({ number, writtenMs: 0, playedMs: 0, started: false, finished: false, over: false });
    return number;
  }

  write(utterance: number, pcm: Int16Array, sampleRate: number): void {
    const target = this.#get(utterance);
    if (target.over) return;
    target.writtenMs += (pcm.length * 1_000) / sampleRate;
    if (!target.started) {
      target.started = true;
      this.#emit('started', { utterance, atMs: this.#clock.now() });
    }
    queueMicrotask(() => this.#play());
  }

  finish(utterance: number): void {
    this.#get(utterance).finished = true;
    queueMicrotask(() => this.#play());
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#play();
  }

  yields(): void {}

  flush(): Heard[] {
    this.#paused = false;
    const open = this.#utterances.filter(({ over, writtenMs }) => !over && writtenMs > 0);
    for (const each of open) each.over = true;
    for (const each of open) this.#emit('ended', { ...heardOf(each), flushed: true });
    return open.map(heardOf);
  }

  heard(utterance: number): Heard {
    return heardOf(this.#get(utterance));
  }

  get bufferedMs(): number {
    return this.#utterances.reduce((sum, each) => sum + (each.over ? 0 : each.writtenMs - each.playedMs), 0);
  }

  on<E extends keyof MouthEvents>(event: E, listener: (...args: MouthEvents[E]) => void): () => void {
    const all = this.#listeners.get(event) ?? new Set();
    this.#listeners.set(event, all);
    all.add(listener as (event: never) => void);
    return () => all.delete(listener as (event: never) => void);
  }

  #play(): void {
    if (this.#paused) return;
    for (const each of this.#utterances) {
      if (each.over) continue;
      if (each.playedMs < each.writtenMs) {
        each.playedMs = each.writtenMs;
        this.#emit('progressed', heardOf(each));
      }
      if (!each.finished || each.over) continue;
      each.over = true;
      this.#emit('ended', { ...heardOf(each), flushed: false });
    }
  }

  #get(utterance: number): Utterance {
    const found = this.#utterances[utterance - 1];
    if (!found) throw new RangeError(`there is no utterance ${utterance}`);
    return found;
  }

  #emit<E extends keyof MouthEvents>(event: E, ...args: MouthEvents[E]): void {
    for (const listener of [...(this.#listeners.get(event) ?? [])]) listener(args[0] as never);
  }
}

function heardOf({ number, playedMs, writtenMs, finished }: Utterance): Heard {
  return { utterance: number, playedMs, writtenMs, complete: finished && playedMs >= writtenMs };
}
