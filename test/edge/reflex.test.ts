import { describe, expect, test } from 'vitest';
import { buildRtp, parseRtp } from '../../src/backbone/index.ts';
import { DownlinkWriter } from '../../src/edge/downlink-writer.ts';
import { EdgeMetrics } from '../../src/edge/edge-metrics.ts';
import { type Ducked, Reflex, type ReflexSettings } from '../../src/edge/reflex.ts';
import { createMetrics, silentLogger } from '../../src/telemetry/index.ts';
import { metricValue } from '../backbone/support/workers.ts';
import { FakeClock } from '../support/fake-clock.ts';

const SETTINGS: ReflexSettings = {
  onsetMs: 80,
  marginDb: 12,
  minDbov: -50,
  shortSoundMs: 400,
  resumeAfterMs: 200,
  answerTimeoutMs: 1_000,
  rejectsToRaise: 2,
};
const QUIET = -70;
const LOUD = -25;

/** A call at a POP in steps of 20 ms: the agent speaks all the time, the caller is as loud as the test says. */
class Rig {
  readonly clock = new FakeClock(0);
  readonly registry = createMetrics({ processMetrics: false });
  readonly ducked: (Ducked & { atMs: number })[] = [];
  /** Times at which voice of the agent left. */
  readonly voiceAtMs: number[] = [];
  readonly writer: DownlinkWriter;
  readonly reflex: Reflex;
  #input: ReturnType<DownlinkWriter['bind']>;
  #packet = 0;
  #frame = 0;
  agentSpeaks = true;

  constructor(settings: Partial<ReflexSettings> = {}) {
    this.writer = new DownlinkWriter({
      ssrc: 5,
      clock: this.clock,
      write: (packet) => {
        if (parseRtp(packet)?.payload.toString() === 'voice') this.voiceAtMs.push(this.clock.now());
      },
      onPlayed: () => {},
    });
    this.reflex = new Reflex({
      settings: { ...SETTINGS, ...settings },
      writer: this.writer,
      clock: this.clock,
      log: silentLogger,
      metrics: new EdgeMetrics(this.registry),
      pathRttMs: () => 200,
      onDucked: (ducked) => this.ducked.push({ ...ducked, atMs: this.clock.now() }),
    });
    this.#input = this.writer.bind(1);
    this.reflex.arm(1, true);
    this.hear(QUIET, 1_000);
  }

  /** The caller is this loud for so long; null: nothing comes. */
  hear(dbov: number | null, ms: number): this {
    for (let passed = 0; passed < ms; passed += 20) {
      if (this.agentSpeaks) this.#say();
      const level = { dbov: dbov ?? 0, voice: true, atMs: this.clock.now(), durationMs: 20 };
      if (dbov !== null) this.reflex.heard(level, ++this.#packet);
      this.clock.advance(20);
    }
    return this;
  }

  takeOver(epoch: number): void {
    this.#input = this.writer.bind(epoch);
  }

  /** The core cuts the agent off after what it has said up to now. */
  flush(): void {
    this.writer.flush((this.#frame + 1) * 960);
    this.reflex.flushed();
  }

  /** Longest time without voice that began after `afterMs`, and when it began. */
  silence(afterMs = 0): { fromMs: number; ms: number } {
    const times = [...this.voiceAtMs.filter((atMs) => atMs >= afterMs), this.clock.now()];
    const gaps = times.slice(1).map((atMs, index) => ({ fromMs: times[index]!, ms: atMs - times[index]! }));
    return gaps.reduce((longest, gap) => (gap.ms > longest.ms ? gap : longest));
  }

  counted(outcome: string): Promise<number> {
    return metricValue(this.registry, 'antipode_edge_reflex_ducks_total', { outcome });
  }

  #say(): void {
    this.#frame += 1;
    const [sequenceNumber, timestamp] = [this.#frame, this.#frame * 960];
    const payload = Buffer.from('voice');
    this.#input.push(buildRtp({ payloadType: 100, marker: false, sequenceNumber, timestamp, ssrc: 7, payload }));
  }
}

describe('Reflex', () => {
  test('silences the agent 60 ms after the first loud packet, and tells the core where', () => {
    const rig = new Rig().hear(LOUD, 300);
    expect(rig.voiceAtMs.at(-1)).toBe(1_060);
    expect(rig.ducked).toEqual([{ epoch: 1, duck: 1, timestamp: 55 * 960, uplinkPacket: 54, atMs: 1_060 }]);
  });

  test('lets it go on where it stopped once the core says no, without a frame lost', async () => {
    const rig = new Rig().hear(LOUD, 500);
    rig.reflex.answered(1, 'rejected');
    rig.hear(QUIET, 1_000);
    expect(rig.silence()).toEqual({ fromMs: 1_060, ms: 440 });
    expect(rig.writer.stats()).toMatchObject({ flushed: 0, overflow: 0 });
    expect(rig.voiceAtMs).toHaveLength(54 + 51);
    expect(await rig.counted('rejected')).toBe(1);
  });

  test('a cough: the agent goes on 200 ms after its last loud packet, whatever the core needs', async () => {
    const rig = new Rig().hear(LOUD, 200).hear(QUIET, 400);
    expect(rig.silence()).toEqual({ fromMs: 1_060, ms: 320 });
    expect(await rig.counted('rejected')).toBe(0);
    rig.reflex.answered(1, 'rejected');
    expect(await rig.counted('rejected')).toBe(1);
  });

  test('an interruption: the flush ends it, and nothing that was held is heard', async () => {
    const rig = new Rig().hear(LOUD, 800);
    rig.flush();
    rig.agentSpeaks = false;
    rig.hear(LOUD, 1_000);
    expect(rig.voiceAtMs.at(-1)).toBe(1_060);
    expect(await rig.counted('confirmed')).toBe(1);
  });

  test('without an answer the agent goes on after the time to answer and the way there and back', async () => {
    const rig = new Rig().hear(LOUD, 2_000);
    expect(rig.silence()).toEqual({ fromMs: 1_060, ms: 1_200 });
    expect(await rig.counted('timed_out')).toBe(1);
    const held = await rig.registry.getSingleMetric('antipode_edge_reflex_held_seconds')?.get();
    expect(held?.values).toContainEqual(expect.objectContaining({ value: 1.2, metricName: `${held?.name}_sum` }));
  });

  test('does nothing for an agent that its core does not let be silenced', () => {
    const rig = new Rig();
    rig.reflex.arm(1, false);
    rig.hear(LOUD, 1_000);
    expect(rig.ducked).toEqual([]);
    rig.reflex.arm(2, true);
    expect(rig.hear(LOUD, 1_000).ducked).toEqual([]);
  });

  test('does nothing while the agent is silent', () => {
    const rig = new Rig();
    rig.agentSpeaks = false;
    rig.hear(QUIET, 100);
    rig.hear(LOUD, 1_000);
    expect(rig.ducked).toEqual([]);
  });

  test('forgets a duck of a core that another one replaced', async () => {
    const rig = new Rig().hear(LOUD, 200);
    rig.takeOver(2);
    rig.hear(QUIET, 100);
    rig.reflex.answered(1, 'rejected');
    expect(await rig.counted('superseded')).toBe(1);
    expect(rig.reflex.stats()).toMatchObject({ armed: false, ducks: 1 });
    expect(rig.voiceAtMs.at(-1)).toBe(1_280);
    rig.reflex.arm(2, true);
    rig.hear(LOUD, 100);
    expect(rig.ducked.at(-1)).toMatchObject({ epoch: 2, duck: 2 });
  });

  test('a caller on speakers, whose microphone hears the agent loudly, is not ducked for long', () => {
    const rig = new Rig();
    for (let second = 0; second < 60; second++) {
      for (let step = 0; step < 50; step++) {
        // What the caller's microphone hears is what is played: nothing, while the agent is held.
        rig.hear(rig.writer.audible ? -35 : QUIET, 20);
        if (rig.ducked.length > 0 && rig.clock.now() - rig.ducked.at(-1)!.atMs === 360) {
          rig.reflex.answered(rig.ducked.length, 'rejected');
        }
      }
    }
    const ducks = rig.ducked.length;
    expect(ducks).toBeLessThan(8);
    expect(rig.ducked.filter(({ atMs }) => atMs > 5_000)).toEqual([]);
    // A caller who is clearly louder than the echo still silences it.
    expect(rig.hear(-15, 100).ducked).toHaveLength(ducks + 1);
  });

  test('stops holding an agent that is late already', () => {
    const rig = new Rig({ rejectsToRaise: 100 });
    for (let sound = 0; sound < 40; sound++) {
      rig.hear(LOUD, 300);
      rig.reflex.answered(rig.ducked.length, 'rejected');
      rig.hear(QUIET, 100);
    }
    expect(rig.writer.heldMs).toBeGreaterThan(2_500);
    expect(rig.writer.heldMs).toBeLessThan(3_500);
  });

  test('is off for a caller who tells no loudness, and says so once', async () => {
    const rig = new Rig();
    for (let packet = 0; packet < 200; packet++) rig.reflex.heardWithoutLevel();
    expect(rig.reflex.stats().level).toBe(true);
    const { reflex, registry } = silentFromTheStart();
    for (let packet = 0; packet < 200; packet++) reflex.heardWithoutLevel();
    expect(reflex.stats()).toMatchObject({ level: false, ducks: 0 });
    expect(await metricValue(registry, 'antipode_edge_reflex_unavailable_total', {})).toBe(1);
  });

  test('closed, it holds nothing and leaves no timer', () => {
    const rig = new Rig().hear(LOUD, 100);
    rig.reflex.close();
    rig.writer.close();
    rig.reflex.heard({ dbov: LOUD, voice: true, atMs: rig.clock.now(), durationMs: 20 }, 99);
    rig.reflex.answered(1, 'rejected');
    rig.reflex.close();
    expect(rig.reflex.stats()).toMatchObject({ ended: 1, rejected: 0 });
    expect(rig.clock.pendingCount).toBe(0);
  });
});

/** A caller of whom no packet told its loudness yet. */
function silentFromTheStart() {
  const clock = new FakeClock(0);
  const registry = createMetrics({ processMetrics: false });
  const writer = new DownlinkWriter({ ssrc: 5, clock, write: () => {}, onPlayed: () => {} });
  const reflex = new Reflex({
    settings: SETTINGS,
    writer,
    clock,
    log: silentLogger,
    metrics: new EdgeMetrics(registry),
    pathRttMs: () => null,
    onDucked: () => {},
  });
  return { reflex, registry };
}
