/**
 * A call without a network: an ear that a test speaks into and a mouth that a test plays from, in stream time. Nothing
 * here waits for a clock, so a test of thirty seconds of talk takes as long as its computing.
 */
import {
  type AgentCall,
  type ClientEvent,
  type ClientMessage,
  type Confinement,
  type DataTouch,
  EAR_FRAME_SAMPLES,
  EAR_SAMPLE_RATE,
  type Ear,
  type EarFrame,
  type Heard,
  type Mouth,
  type MouthEvents,
  type Observation,
  type Participants,
  type SessionEnd,
  type Speaker,
} from '../../src/agent/index.ts';
import { type Clock, systemClock } from '../../src/clock.ts';
import { type Logger, silentLogger } from '../../src/telemetry/index.ts';

export class MemoryEar implements Ear {
  readonly sampleRate = EAR_SAMPLE_RATE;
  readonly #clock: Clock;
  readonly #listeners = new Set<(frame: EarFrame) => void>();
  /** Who is heard from now on; null: there is but one caller. */
  speaker: Speaker | null = null;
  /** Somebody else speaks meanwhile. */
  othersWait = false;
  #position = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get position(): number {
    return this.#position;
  }

  get listenerCount(): number {
    return this.#listeners.size;
  }

  onFrame(listener: (frame: EarFrame) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Deliver whole frames at once; the last one is filled up with silence. */
  push(pcm: Int16Array): void {
    for (let at = 0; at < pcm.length; at += EAR_FRAME_SAMPLES) {
      const frame = new Int16Array(EAR_FRAME_SAMPLES);
      frame.set(pcm.subarray(at, at + EAR_FRAME_SAMPLES));
      const position = this.#position;
      this.#position += EAR_FRAME_SAMPLES;
      for (const listener of [...this.#listeners]) {
        const speaker = this.speaker ?? undefined;
        listener({
          pcm: frame,
          position,
          receivedAtMs: this.#clock.now(),
          origin: 'received',
          ...(speaker && { speaker, othersWait: this.othersWait }),
        });
      }
    }
  }

  /** As `push`, letting the agent keep up: 100 ms at a time. */
  async hear(pcm: Int16Array): Promise<void> {
    const step = EAR_SAMPLE_RATE / 10;
    for (let at = 0; at < pcm.length; at += step) {
      this.push(pcm.subarray(at, at + step));
      for (let turns = 0; turns < 4; turns++) await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** Silence with a little noise in it, as a microphone gives. */
  hearSilence(ms: number): Promise<void> {
    return this.hear(roomNoise((ms * EAR_SAMPLE_RATE) / 1_000));
  }
}

/** Repeatable noise of a quiet room, some -70 dBFS. */
export function roomNoise(samples: number, amplitude = 12): Int16Array {
  const pcm = new Int16Array(samples);
  let seed = 1;
  for (let index = 0; index < samples; index++) {
    seed = (seed * 1_103_515_245 + 12_345) & 0x7fffffff;
    pcm[index] = Math.round(((seed / 0x7fffffff) * 2 - 1) * amplitude);
  }
  return pcm;
}

interface MemoryUtterance {
  readonly number: number;
  readonly chunks: Int16Array[];
  sampleRate: number;
  writtenMs: number;
  playedMs: number;
  finished: boolean;
  started: boolean;
  over: boolean;
}

export class MemoryMouth implements Mouth {
  readonly #clock: Clock;
  readonly #listeners = new Map<keyof MouthEvents, Set<(event: never) => void>>();
  readonly #utterances: MemoryUtterance[] = [];
  /** Play everything as soon as it is written. */
  autoPlay = false;
  flushes = 0;
  paused = false;
  /** How often it was paused, and went on. */
  pauses = 0;
  resumes = 0;
  yielding = false;
  readonly #changed: () => void;

  constructor(clock: Clock, changed: () => void = () => {}) {
    this.#clock = clock;
    this.#changed = changed;
  }

  yields(on: boolean): void {
    this.yielding = on;
  }

  open(): number {
    const number = this.#utterances.length + 1;
    this.#utterances.push({
      number,
      chunks: [],
      sampleRate: 16_000,
      writtenMs: 0,
      playedMs: 0,
      finished: false,
      started: false,
      over: false,
    });
    return number;
  }

  write(utterance: number, pcm: Int16Array, sampleRate: number): void {
    const target = this.#get(utterance);
    if (target.over) return;
    target.chunks.push(pcm.slice());
    target.sampleRate = sampleRate;
    target.writtenMs += (pcm.length * 1_000) / sampleRate;
    if (!target.started) {
      target.started = true;
      this.#emit('started', { utterance, atMs: this.#clock.now() });
    }
    if (this.autoPlay) queueMicrotask(() => this.play(Number.POSITIVE_INFINITY));
    this.#changed();
  }

  finish(utterance: number): void {
    this.#get(utterance).finished = true;
    if (this.autoPlay) queueMicrotask(() => this.play(Number.POSITIVE_INFINITY));
  }

  pause(): void {
    if (!this.paused) this.pauses++;
    this.paused = true;
  }

  resume(): void {
    if (!this.paused) return;
    this.paused = false;
    this.resumes++;
    this.#changed();
    if (this.autoPlay) this.play(Number.POSITIVE_INFINITY);
  }

  flush(): Heard[] {
    this.paused = false;
    this.flushes++;
    const open = this.#utterances.filter((each) => !each.over && each.writtenMs > 0);
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

  get listenerCount(): number {
    return [...this.#listeners.values()].reduce((sum, all) => sum + all.size, 0);
  }

  /** Let `ms` of what was written be played; nothing is while it is paused. */
  play(ms: number): void {
    if (this.paused) return;
    let left = ms;
    for (const each of this.#utterances) {
      if (each.over || each.writtenMs === 0) continue;
      const step = Math.min(left, each.writtenMs - each.playedMs);
      each.playedMs += step;
      left -= step;
      if (step > 0) this.#emit('progressed', heardOf(each));
      if (each.finished && each.playedMs >= each.writtenMs) {
        each.over = true;
        this.#emit('ended', { ...heardOf(each), flushed: false });
      } else if (!each.finished) return;
    }
  }

  get utteranceCount(): number {
    return this.#utterances.length;
  }

  /** Everything that was written to an utterance. */
  written(utterance: number): { pcm: Int16Array; sampleRate: number } {
    const { chunks, sampleRate } = this.#get(utterance);
    const pcm = new Int16Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
    let at = 0;
    for (const chunk of chunks) {
      pcm.set(chunk, at);
      at += chunk.length;
    }
    return { pcm, sampleRate };
  }

  #get(utterance: number): MemoryUtterance {
    const found = this.#utterances[utterance - 1];
    if (!found) throw new Error(`no utterance ${utterance}`);
    return found;
  }

  #emit<E extends keyof MouthEvents>(event: E, ...args: MouthEvents[E]): void {
    for (const listener of [...(this.#listeners.get(event) ?? [])]) listener(args[0] as never);
  }
}

function heardOf({ number, playedMs, writtenMs, finished }: MemoryUtterance): Heard {
  return { utterance: number, playedMs, writtenMs, complete: finished && playedMs >= writtenMs };
}

export interface MemoryCallOptions {
  clock?: Clock;
  log?: Logger;
  backboneRttMs?: number | null;
  confinement?: Confinement | null;
  participants?: Participants;
}

export class MemoryCall implements AgentCall {
  readonly sessionId = 'memory';
  readonly room = 'memory';
  readonly metadata = {};
  readonly clock: Clock;
  readonly log: Logger;
  readonly ear: MemoryEar;
  readonly mouth: MemoryMouth;
  /** What the agent told the client, in order. */
  readonly events: ClientEvent[] = [];
  /** What was told to observers, in order. */
  readonly observations: Observation[] = [];
  /** What was told for the residency record, in order. */
  readonly touches: DataTouch[] = [];
  readonly confinement: Confinement | null;
  end: SessionEnd | null = null;
  readonly #controller = new AbortController();
  readonly participants?: Participants;
  readonly #messages = new Set<(message: ClientMessage, from?: Speaker) => void>();
  readonly #waiting = new Set<() => void>();
  readonly #backboneRttMs: number | null;

  constructor(options: MemoryCallOptions = {}) {
    this.clock = options.clock ?? systemClock;
    this.log = options.log ?? silentLogger;
    this.ear = new MemoryEar(this.clock);
    this.mouth = new MemoryMouth(this.clock, () => this.#wake());
    this.#backboneRttMs = options.backboneRttMs ?? null;
    this.confinement = options.confinement ?? null;
    if (options.participants) this.participants = options.participants;
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  backboneRttMs(): number | null {
    return this.#backboneRttMs;
  }

  send = (event: ClientEvent): void => {
    this.events.push(event);
    this.#wake();
  };

  touched(touch: DataTouch): void {
    this.touches.push(touch);
  }

  observe = (observation: Observation): void => {
    this.observations.push(observation);
    this.#wake();
  };

  #wake(): void {
    for (const look of [...this.#waiting]) look();
  }

  onMessage(listener: (message: ClientMessage, from?: Speaker) => void): () => void {
    this.#messages.add(listener);
    return () => this.#messages.delete(listener);
  }

  get messageListenerCount(): number {
    return this.#messages.size;
  }

  /** The client writes to the agent. */
  type(text: string, from?: Speaker): void {
    for (const listener of [...this.#messages]) listener({ type: 'text', text }, from);
  }

  hangUp = (end: SessionEnd): void => {
    if (this.end !== null) return;
    this.end = end;
    this.#controller.abort(end);
    this.#wake();
  };

  /** The caller leaves. */
  leave(): void {
    this.hangUp({ code: 'caller-left', reason: 'The caller left.' });
  }

  /** Resolves as soon as `ready` answers with something other than undefined; looked at after each event and write. */
  until<T>(ready: () => T | undefined, what = 'what the test waits for', timeoutMs = 15_000): Promise<T> {
    return new Promise((resolve, reject) => {
      const settle = () => {
        clearTimeout(timer);
        this.#waiting.delete(look);
      };
      const look = () => {
        const value = ready();
        if (value === undefined) return;
        settle();
        resolve(value);
      };
      const timer = setTimeout(() => {
        settle();
        reject(new Error(`${what} did not come; events: ${JSON.stringify(this.events.slice(-12))}`));
      }, timeoutMs);
      this.#waiting.add(look);
      look();
    });
  }

  /** The final words of one side in a turn, once they are there. */
  said(role: 'caller' | 'agent', turn: number): Promise<string> {
    return this.until(() => {
      const last = this.events.findLast(
        (event) => event.type === 'transcript' && event.role === role && event.turn === turn && event.final,
      );
      return last?.type === 'transcript' ? last.text : undefined;
    }, `final words of the ${role} in turn ${turn}`);
  }
}
