/** A room's ear on a fake clock, with participants whose every frame can be told from every other. */
import { EAR_FRAME_SAMPLES, type EarFrame } from '../../../src/agent/types.ts';
import { zeroTotals } from '../../../src/core/core-metrics.ts';
import { NodeClock } from '../../../src/core/node-clock.ts';
import { RoomEar } from '../../../src/core/room-ear.ts';
import { silentLogger } from '../../../src/telemetry/index.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const FRAME_MS = 20;
const LOUD = 3_000;

export class RoomRig {
  readonly clock = new FakeClock(0);
  readonly nodeClock = new NodeClock({ clock: this.clock, log: silentLogger });
  readonly totals = zeroTotals();
  readonly faults: unknown[] = [];
  readonly ear = new RoomEar({
    nodeClock: this.nodeClock,
    totals: this.totals,
    onFault: (error) => this.faults.push(error),
  });
  readonly heard: (EarFrame & { atMs: number })[] = [];
  readonly people: Person[] = [];

  constructor() {
    this.ear.onFrame((frame) => this.heard.push({ ...frame, atMs: this.clock.now() }));
  }

  join(name: string): Person {
    const person = new Person(name, this.clock);
    this.people.push(person);
    this.ear.join(name, { participantId: name.toLowerCase(), name }, person);
    return person;
  }

  leave(person: Person): void {
    this.people.splice(this.people.indexOf(person), 1);
    this.ear.leave(person.name);
  }

  /** Real time goes by; who speaks is loud. */
  pass(ms: number, ...speaking: readonly Person[]): void {
    for (let passed = 0; passed < ms; passed += FRAME_MS) {
      for (const person of this.people) if (!person.away) person.frame(speaking.includes(person));
      this.clock.advance(FRAME_MS);
    }
  }

  /** Who was heard speaking, one after the other, and for how long: `Ann 400, Bob 200`. */
  get story(): string {
    const parts: { name: string; ms: number }[] = [];
    for (const { pcm, speaker } of this.heard) {
      if (pcm[1] !== LOUD) continue;
      const last = parts.at(-1);
      if (last?.name === speaker?.name) last!.ms += FRAME_MS;
      else parts.push({ name: speaker?.name ?? '?', ms: FRAME_MS });
    }
    return parts.map(({ name, ms }) => `${name} ${ms}`).join(', ');
  }

  /** Numbers of the frames in which somebody was heard speaking. */
  framesOf(name: string): number[] {
    return this.heard.filter(({ pcm, speaker }) => pcm[1] === LOUD && speaker?.name === name).map(({ pcm }) => pcm[0]!);
  }
}

/** One caller: a seat's ear, in which each packet is a frame. */
export class Person {
  readonly name: string;
  away = false;
  readonly #clock: FakeClock;
  #listener: ((frame: EarFrame) => void) | null = null;
  #frames = 0;

  constructor(name: string, clock: FakeClock) {
    this.name = name;
    this.#clock = clock;
  }

  /** Number of the next frame. */
  get next(): number {
    return this.#frames;
  }

  onFrame(listener: (frame: EarFrame) => void): () => void {
    this.#listener = listener;
    return () => {
      this.#listener = null;
    };
  }

  packetBefore(position: number): number | null {
    return position < EAR_FRAME_SAMPLES ? null : position / EAR_FRAME_SAMPLES - 1;
  }

  frame(loud: boolean): void {
    const pcm = new Int16Array(EAR_FRAME_SAMPLES);
    if (loud) for (let index = 1; index < pcm.length; index++) pcm[index] = index % 2 === 1 ? LOUD : -LOUD;
    pcm[0] = this.#frames;
    this.give(pcm);
  }

  /** 20 ms of any sound; silence when there is none. */
  give(sound: Int16Array = new Int16Array(0)): void {
    const pcm = new Int16Array(EAR_FRAME_SAMPLES);
    pcm.set(sound);
    const position = this.#frames * EAR_FRAME_SAMPLES;
    this.#frames += 1;
    this.#listener?.({ pcm, position, receivedAtMs: this.#clock.now(), origin: 'received' });
  }
}
