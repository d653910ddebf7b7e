import { describe, expect, it } from 'vitest';
import type { NodeClock, TickListener } from '../../src/core/node-clock.ts';
import { AntipodeError } from '../../src/errors.ts';
import { MouthRig, settled } from './support/mouth-rig.ts';

/** A ticker that ticks when the test says so. */
class HandTicker {
  readonly subscriptions: { tick: TickListener; phaseMs: number | undefined; active: boolean }[] = [];

  subscribe(tick: TickListener, phaseMs?: number): () => void {
    const subscription = { tick, phaseMs, active: true };
    this.subscriptions.push(subscription);
    return () => {
      subscription.active = false;
    };
  }
}

describe('CallMouth', () => {
  it('sends what is due at a tick whose timer fired a little early', async () => {
    const ticker = new HandTicker();
    const rig = new MouthRig({ nodeClock: ticker as unknown as NodeClock });
    await rig.say(100);
    rig.clock.advance(19.6);
    ticker.subscriptions.at(-1)?.tick(20);
    expect(rig.sent.map((frame) => frame.timestamp)).toEqual([0, 960]);
  });

  it('moves its ticks to the phase of a spurt that began between two of them', async () => {
    const ticker = new HandTicker();
    const rig = new MouthRig({ nodeClock: ticker as unknown as NodeClock });
    const utterance = rig.mouth.open();
    await rig.write(utterance, 100);
    // The process stalls: no tick comes, and the next thing that happens is that more is written.
    rig.clock.advance(95);
    await rig.write(utterance, 100);
    expect(rig.times()).toEqual([0, 95]);
    // There was sound to send, so the stall is a late frame and no underrun.
    expect(rig.totals).toMatchObject({ mouthLateFrames: 1, mouthUnderruns: 0 });
    expect(ticker.subscriptions.slice(-2).map(({ phaseMs, active }) => [phaseMs, active])).toEqual([
      [20, false],
      [115, true],
    ]);
  });

  it('sends the first frame at once and the rest every 20 ms, with numbers and timestamps that follow on', async () => {
    const rig = new MouthRig();
    rig.clock.advance(3);
    await rig.say(100);
    expect(rig.times()).toEqual([3]);
    rig.clock.advance(200);
    const times = rig.times();
    // 100 ms and a frame of silence that brings out what the encoder holds.
    expect(times.length).toBe(6);
    for (let index = 1; index < times.length; index++) {
      const late = (times[index] as number) - (3 + index * 20);
      expect(late).toBeGreaterThanOrEqual(0);
      expect(late).toBeLessThan(5);
    }
    expect(rig.sent.map((frame) => frame.timestamp)).toEqual([0, 960, 1_920, 2_880, 3_840, 4_800]);
    expect(rig.sent.map((frame) => frame.sequenceNumber)).toEqual([0, 1, 2, 3, 4, 5]);
    expect(rig.sent.map((frame) => frame.marker)).toEqual([true, false, false, false, false, false]);
    expect(rig.totals).toMatchObject({ mouthFrames: 6, mouthUnderruns: 0, mouthLateFrames: 0 });
    expect(rig.nodeClock.subscribers).toBe(0);
  });

  it('fills the last frame up with silence', async () => {
    const rig = new MouthRig();
    await rig.say(30, 9);
    rig.clock.advance(100);
    expect(rig.sent.map(({ first, last }) => [first, last])).toEqual([
      [9, 9],
      [9, 0],
    ]);
  });

  it('speaks utterances one after the other, however they were written', async () => {
    const rig = new MouthRig();
    const first = rig.mouth.open();
    const second = rig.mouth.open();
    expect([first, second]).toEqual([1, 2]);
    await rig.write(second, 40, 2);
    rig.mouth.finish(second);
    rig.clock.advance(100);
    expect(rig.sent).toEqual([]);
    await rig.write(first, 40, 1);
    rig.clock.advance(200);
    expect(rig.sent.map((frame) => frame.first)).toEqual([1, 1]);
    rig.mouth.finish(first);
    rig.clock.advance(200);
    expect(rig.sent.map((frame) => frame.first)).toEqual([1, 1, 2, 2, 0]);
    expect(rig.events.filter((event) => event.startsWith('started'))).toEqual(['started 1', 'started 2']);
  });

  it('goes from one waiting utterance to the next without a gap', async () => {
    const rig = new MouthRig();
    await rig.say(30, 1);
    await rig.say(30, 2);
    rig.clock.advance(200);
    expect(rig.sent.map((frame) => [frame.first, frame.timestamp, frame.marker])).toEqual([
      [1, 0, true],
      [1, 960, false],
      [2, 1_920, false],
      [2, 2_880, false],
    ]);
  });

  it('lets the timestamp follow the clock over the silence between utterances', async () => {
    const rig = new MouthRig();
    await rig.say(30);
    rig.clock.advance(1_000);
    await rig.say(30);
    expect(rig.sent.map((frame) => [frame.timestamp, frame.marker])).toEqual([
      [0, true],
      [960, false],
      [48_000, true],
    ]);
    expect(rig.totals.mouthUnderruns).toBe(0);
  });

  it('counts an utterance that runs dry, sends nothing meanwhile, and goes on at the clock’s timestamp', async () => {
    const rig = new MouthRig();
    const utterance = rig.mouth.open();
    await rig.write(utterance, 40, 1);
    rig.clock.advance(500);
    expect(rig.sent.length).toBe(2);
    await rig.write(utterance, 20, 2);
    expect(rig.sent.at(-1)).toMatchObject({ atMs: 500, timestamp: 24_000, marker: true, first: 2 });
    expect(rig.totals.mouthUnderruns).toBe(1);
  });

  it('sends frames that come in real time as they come, each at once', async () => {
    const rig = new MouthRig();
    const utterance = rig.mouth.open();
    await rig.write(utterance, 20);
    const wrote: number[] = [0];
    for (const jitterMs of [4, 11, 0, 7, 15, 2, 9, 0, 13, 1]) {
      const at = wrote.length * 20 + jitterMs;
      rig.clock.advance(at - rig.clock.now());
      await rig.write(utterance, 20);
      wrote.push(at);
    }
    expect(rig.times()).toEqual(wrote);
    expect(rig.sent.map((frame) => frame.timestamp)).toEqual(wrote.map((_, index) => index * 960));
    expect(rig.sent.filter((frame) => frame.marker).length).toBe(1);
  });

  it('paces what comes faster than real time, one frame ahead at the most', async () => {
    const rig = new MouthRig();
    const utterance = rig.mouth.open();
    for (let chunk = 0; chunk < 50; chunk++) await rig.write(utterance, 20);
    expect(rig.sent.length).toBeLessThanOrEqual(2);
    for (let passed = 0; passed < 900; passed += 20) {
      rig.clock.advance(20);
      expect(rig.sent.length * 20 - rig.clock.now()).toBeLessThanOrEqual(40);
    }
    expect(rig.sent.length).toBeGreaterThanOrEqual(44);
  });

  it('encodes at the rate that Opus takes, and resamples others to the next one above', async () => {
    const rig = new MouthRig();
    for (const rate of [8_000, 24_000, 22_050, 44_100]) {
      await rig.say(100, 5, rate);
      rig.clock.advance(500);
    }
    expect(rig.encoders.made).toEqual([8_000, 24_000, 48_000]);
    expect(rig.sent.map((frame) => frame.samples)).toEqual([
      ...Array.from({ length: 6 }, () => 160),
      ...Array.from({ length: 12 }, () => 480),
      ...Array.from({ length: 6 }, () => 960),
    ]);
  });

  it('maps played reports to milliseconds of each utterance', async () => {
    const rig = new MouthRig();
    const first = await rig.say(90);
    const second = await rig.say(50);
    expect(rig.mouth.heard(first)).toEqual({ utterance: 1, playedMs: 0, writtenMs: 90, complete: false });
    rig.clock.advance(300);
    rig.mouth.played(1_920);
    expect(rig.mouth.heard(first).playedMs).toBe(40);
    expect(rig.mouth.heard(second).playedMs).toBe(0);
    rig.mouth.played(5 * 960 + 960);
    expect(rig.mouth.heard(first)).toEqual({ utterance: 1, playedMs: 90, writtenMs: 90, complete: true });
    expect(rig.mouth.heard(second)).toEqual({ utterance: 2, playedMs: 20, writtenMs: 50, complete: false });
    rig.mouth.played(8 * 960);
    expect(rig.events).toEqual([
      'started 1',
      'started 2',
      'progressed 1 40/90',
      'progressed 1 90/90 complete',
      'progressed 2 20/50',
      'ended 1 90/90 complete',
      'progressed 2 50/50 complete',
      'ended 2 50/50 complete',
    ]);
  });

  it('does not count the silence of an underrun as heard', async () => {
    const rig = new MouthRig();
    const utterance = rig.mouth.open();
    await rig.write(utterance, 40);
    rig.clock.advance(1_000);
    await rig.write(utterance, 40);
    rig.clock.advance(100);
    rig.mouth.played(48_000);
    expect(rig.mouth.heard(utterance).playedMs).toBe(40);
    rig.mouth.played(48_960);
    expect(rig.mouth.heard(utterance).playedMs).toBe(60);
    rig.mouth.played(49_920);
    expect(rig.mouth.heard(utterance).playedMs).toBe(80);
  });

  it('reads reports over the end of the 32-bit timestamps', async () => {
    const rig = new MouthRig({ firstTimestamp: 2 ** 32 - 960 });
    const utterance = await rig.say(50);
    rig.clock.advance(100);
    expect(rig.sent.map((frame) => frame.timestamp)).toEqual([2 ** 32 - 960, 0, 960]);
    rig.mouth.played(960);
    expect(rig.mouth.heard(utterance).playedMs).toBe(40);
    rig.mouth.played(1_920);
    expect(rig.mouth.heard(utterance).complete).toBe(true);
  });

  it('ignores reports of what was never sent, and older ones', async () => {
    const rig = new MouthRig();
    const utterance = await rig.say(90);
    rig.clock.advance(300);
    rig.mouth.played(99_999);
    expect(rig.totals.mouthBadReports).toBe(1);
    rig.mouth.played(2 * 960);
    rig.mouth.played(960);
    expect(rig.mouth.heard(utterance).playedMs).toBe(40);
  });

  it('flushes all that was not sent and tells the POP where to cut', async () => {
    const rig = new MouthRig();
    const first = await rig.say(500, 1);
    const second = await rig.say(500, 2);
    rig.clock.advance(95);
    const sent = rig.sent.length;
    expect(sent).toBe(5);
    rig.mouth.played(3 * 960);
    rig.events.length = 0;
    const heard = rig.mouth.flush();
    expect(heard).toEqual([
      { utterance: first, playedMs: 60, writtenMs: 500, complete: false },
      { utterance: second, playedMs: 0, writtenMs: 500, complete: false },
    ]);
    expect(rig.flushes).toEqual([5 * 960]);
    expect(rig.events).toEqual(['ended 1 60/500 flushed', 'ended 2 0/500 flushed']);
    expect(rig.mouth.bufferedMs).toBe(0);
    rig.clock.advance(1_000);
    expect(rig.sent.length).toBe(sent);
    expect(rig.nodeClock.subscribers).toBe(0);
  });

  it('takes the writer’s last word on what was flushed, and no later one', async () => {
    const rig = new MouthRig();
    const first = await rig.say(500, 1);
    rig.clock.advance(95);
    rig.mouth.played(2 * 960);
    rig.mouth.flush();
    rig.mouth.played(4 * 960);
    expect(rig.mouth.heard(first).playedMs).toBe(80);
    rig.clock.advance(500);
    const second = await rig.say(100, 2);
    rig.clock.advance(200);
    const next = rig.sent.at(-1)?.timestamp as number;
    rig.mouth.played(next + 960);
    expect(rig.mouth.heard(first)).toMatchObject({ playedMs: 80, complete: false });
    expect(rig.mouth.heard(second).complete).toBe(true);
  });

  it('flushes what is still being played though all was sent', async () => {
    const rig = new MouthRig();
    await rig.say(90);
    rig.clock.advance(300);
    rig.mouth.played(960);
    expect(rig.mouth.flush()).toEqual([{ utterance: 1, playedMs: 20, writtenMs: 90, complete: false }]);
    expect(rig.flushes).toEqual([5 * 960]);
  });

  it('flushes nothing twice, nor when there is nothing', async () => {
    const rig = new MouthRig();
    expect(rig.mouth.flush()).toEqual([]);
    await rig.say(90);
    rig.clock.advance(300);
    rig.mouth.played(5 * 960);
    expect(rig.mouth.flush()).toEqual([]);
    await rig.say(90);
    rig.mouth.flush();
    rig.mouth.flush();
    expect(rig.flushes.length).toBe(1);
  });

  it('drops what a synthesizer still writes into a flushed utterance, and speaks the next one', async () => {
    const rig = new MouthRig();
    const first = rig.mouth.open();
    await rig.write(first, 100, 1);
    rig.clock.advance(30);
    rig.mouth.flush();
    const before = rig.sent.length;
    await rig.write(first, 100, 1);
    rig.mouth.finish(first);
    rig.clock.advance(200);
    expect(rig.sent.length).toBe(before);
    await rig.say(30, 2);
    rig.clock.advance(100);
    expect(rig.sent.slice(before).map((frame) => frame.first)).toEqual([2, 2]);
    const flushedBefore = rig.flushes[0] as number;
    expect(rig.sent[before]?.timestamp).toBeGreaterThanOrEqual(flushedBefore);
  });

  it('begins the next utterance with an encoder that has forgotten what was cut off', async () => {
    const rig = new MouthRig();
    await rig.say(500, 1);
    rig.clock.advance(30);
    const { frames } = rig.encoders;
    rig.mouth.flush();
    expect(rig.encoders.frames).toBe(frames + 1);
  });

  it('ends an utterance with what is known when the POP never reports, and counts it', async () => {
    const rig = new MouthRig();
    await rig.say(50);
    rig.clock.advance(2_030);
    expect(rig.events).toEqual(['started 1']);
    rig.clock.advance(100);
    expect(rig.events).toEqual(['started 1', 'ended 1 0/50']);
    expect(rig.totals.mouthUnconfirmed).toBe(1);
  });

  it('waits on while the POP’s reports make progress', async () => {
    const rig = new MouthRig();
    await rig.say(90);
    rig.clock.advance(1_500);
    rig.mouth.played(960);
    rig.clock.advance(1_500);
    rig.mouth.played(1_920);
    rig.clock.advance(1_900);
    expect(rig.events.at(-1)).toBe('progressed 1 40/90');
    rig.clock.advance(200);
    expect(rig.events.at(-1)).toBe('ended 1 40/90');
  });

  it('ends an utterance of which nothing was written', () => {
    const rig = new MouthRig();
    const utterance = rig.mouth.open();
    rig.mouth.finish(utterance);
    rig.mouth.finish(utterance);
    expect(rig.events).toEqual(['ended 1 0/0 complete']);
    expect(rig.clock.pendingCount).toBe(0);
  });

  it('holds its words while there is no way to the POP, and says them when there is one again', async () => {
    const rig = new MouthRig();
    await rig.say(90, 3);
    rig.clock.advance(25);
    const before = rig.sent.length;
    rig.mouth.detach();
    rig.clock.advance(1_000);
    expect(rig.sent.length).toBe(before);
    rig.attach();
    rig.clock.advance(200);
    expect(rig.sent.length).toBe(5);
    expect(rig.sent[before]).toMatchObject({ sequenceNumber: before, marker: true, first: 3 });
    expect(rig.sent[before]?.timestamp).toBeGreaterThanOrEqual(1_020 * 48);
    expect(rig.totals.mouthUnderruns).toBe(0);
  });

  it('goes on in its new phase after a stall, without a burst', async () => {
    const rig = new MouthRig();
    await rig.say(400);
    rig.clock.advance(50);
    rig.nodeClock.subscribe(() => {}, 0);
    // No tick for 200 ms: the node clock then calls three times at once.
    const stalled = rig.clock.now() + 200;
    const now = rig.clock.now.bind(rig.clock);
    rig.clock.now = () => Math.max(now(), stalled);
    const before = rig.sent.length;
    rig.clock.advance(20);
    expect(rig.sent.length - before).toBeLessThanOrEqual(2);
    rig.clock.advance(600);
    expect(rig.sent.length).toBe(21);
  });

  it('refuses what an agent must not do, with a code', async () => {
    const rig = new MouthRig({ maxBufferedMs: 1_000 });
    const refused = (run: () => void) => {
      try {
        run();
      } catch (error) {
        return (error as AntipodeError).code;
      }
      return null;
    };
    const pcm = new Int16Array(320);
    expect(refused(() => rig.mouth.write(9, pcm, 16_000))).toBe('ERR_AGENT_FAILED');
    const utterance = rig.mouth.open();
    for (const rate of [7_999, 48_001, Number.NaN, 16_000.5]) {
      expect(refused(() => rig.mouth.write(utterance, pcm, rate))).toBe('ERR_AGENT_FAILED');
    }
    expect(refused(() => rig.mouth.write(utterance, new Int16Array(16_001), 16_000))).toBe('ERR_AGENT_FAILED');
    await rig.write(utterance, 900);
    expect(refused(() => rig.mouth.write(utterance, new Int16Array(16_000), 16_000))).toBe('ERR_AGENT_FAILED');
    rig.mouth.finish(utterance);
    expect(refused(() => rig.mouth.write(utterance, pcm, 16_000))).toBe('ERR_AGENT_FAILED');
    expect(rig.faults).toEqual([]);
  });

  it('knows how much is written and not sent', async () => {
    const rig = new MouthRig();
    await rig.say(100);
    expect(rig.mouth.bufferedMs).toBe(80);
    rig.clock.advance(45);
    expect(rig.mouth.bufferedMs).toBe(40);
    rig.clock.advance(200);
    expect(rig.mouth.bufferedMs).toBe(0);
  });

  it('copies what is written', async () => {
    const rig = new MouthRig();
    const utterance = rig.mouth.open();
    const pcm = new Int16Array(640).fill(4);
    rig.mouth.write(utterance, pcm, 16_000);
    pcm.fill(0);
    await settled();
    rig.clock.advance(100);
    expect(rig.sent.map((frame) => frame.first)).toEqual([4, 4]);
  });

  it('lets a listener flush and speak again from within an event', async () => {
    const rig = new MouthRig();
    let cut = false;
    rig.on('started', () => {
      if (cut) return;
      cut = true;
      rig.mouth.flush();
      const next = rig.mouth.open();
      rig.mouth.write(next, new Int16Array(640).fill(8), 16_000);
    });
    await rig.say(200, 1);
    rig.clock.advance(300);
    expect(rig.sent.map((frame) => frame.first)).toEqual([1, 8, 8]);
  });

  it('reports a listener that throws', async () => {
    const rig = new MouthRig();
    const error = new Error('broken');
    rig.on('started', () => {
      throw error;
    });
    await rig.say(20);
    expect(rig.faults).toEqual([error]);
  });

  it('leaves nothing behind when it closes, and is silent after it', async () => {
    const rig = new MouthRig();
    const utterance = await rig.say(200);
    rig.clock.advance(30);
    const before = rig.sent.length;
    rig.mouth.close();
    rig.mouth.close();
    rig.mouth.write(utterance, new Int16Array(320), 16_000);
    rig.mouth.write(rig.mouth.open(), new Int16Array(320), 16_000);
    rig.clock.advance(5_000);
    expect(rig.sent.length).toBe(before);
    expect(rig.encoders.closed).toBe(1);
    expect(rig.clock.pendingCount).toBe(0);
    expect(rig.mouth.flush()).toEqual([]);
  });

  it('remembers a bounded number of ended utterances', async () => {
    const rig = new MouthRig();
    for (let count = 0; count < 300; count++) rig.mouth.finish(rig.mouth.open());
    expect(rig.mouth.heard(300).complete).toBe(true);
    expect(() => rig.mouth.heard(1)).toThrow(AntipodeError);
  });
});
