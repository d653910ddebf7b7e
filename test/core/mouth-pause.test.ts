import { describe, expect, it } from 'vitest';
import { MouthRig } from './support/mouth-rig.ts';

/** PCM whose every frame of 20 ms is told from the others: its samples are its number, from 1. */
function numbered(frames: number): Int16Array {
  return Int16Array.from({ length: frames * 320 }, (_, index) => 1 + Math.floor(index / 320));
}

function spoken(rig: MouthRig): number[] {
  return rig.sent.map((frame) => frame.first);
}

async function speaking(frames: number): Promise<{ rig: MouthRig; utterance: number }> {
  const rig = new MouthRig();
  const utterance = rig.mouth.open();
  rig.mouth.write(utterance, numbered(frames), 16_000);
  // The encoder is there one turn of the event loop later.
  await rig.write(utterance, 0);
  return { rig, utterance };
}

describe('a mouth that pauses', () => {
  it('sends nothing while it is paused and keeps what was not sent', async () => {
    const { rig } = await speaking(10);
    rig.clock.advance(45);
    expect(spoken(rig)).toEqual([1, 2, 3]);
    rig.mouth.pause();
    rig.clock.advance(5_000);
    expect(spoken(rig)).toEqual([1, 2, 3]);
    expect(rig.mouth.bufferedMs).toBe(140);
    expect(rig.nodeClock.subscribers).toBe(0);
    expect(rig.flushes).toEqual([]);
  });

  it('goes on where it stopped, without a hole or a repeat, as a new spurt at the clock’s timestamp', async () => {
    const { rig, utterance } = await speaking(10);
    rig.mouth.finish(utterance);
    rig.clock.advance(45);
    rig.mouth.pause();
    rig.clock.advance(955);
    rig.mouth.resume();
    expect(rig.sent.at(-1)).toMatchObject({ atMs: 1_000, first: 4, marker: true, timestamp: 48_000 });
    rig.clock.advance(400);
    // The last is the frame of silence that brings out what the encoder holds.
    expect(spoken(rig)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 0]);
    expect(rig.sent.map((frame) => frame.sequenceNumber)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    expect(rig.sent.filter((frame) => frame.marker)).toHaveLength(2);
    const after = rig.times().slice(3);
    for (const [index, atMs] of after.entries()) {
      expect(atMs - (1_000 + index * 20)).toBeGreaterThanOrEqual(0);
      expect(atMs - (1_000 + index * 20)).toBeLessThan(5);
    }
    expect(rig.totals).toMatchObject({ mouthFrames: 11, mouthUnderruns: 0, mouthLateFrames: 0 });
    expect(rig.faults).toEqual([]);
  });

  it('belongs to the same spurt after a pause shorter than a spurt’s grace', async () => {
    const { rig } = await speaking(10);
    rig.clock.advance(45);
    rig.mouth.pause();
    rig.clock.advance(30);
    rig.mouth.resume();
    rig.clock.advance(300);
    expect(spoken(rig)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    expect(rig.sent.map((frame) => frame.timestamp)).toEqual(Array.from({ length: 10 }, (_, index) => index * 960));
    expect(rig.totals).toMatchObject({ mouthUnderruns: 0, mouthLateFrames: 0 });
  });

  it('takes what is written meanwhile, of the utterance that speaks and of the next, and says it all', async () => {
    const { rig, utterance } = await speaking(3);
    rig.clock.advance(25);
    rig.mouth.pause();
    await rig.write(utterance, 40, 7);
    rig.mouth.finish(utterance);
    const next = rig.mouth.open();
    await rig.write(next, 40, 8);
    rig.mouth.finish(next);
    rig.clock.advance(500);
    expect(spoken(rig)).toEqual([1, 2]);
    expect(rig.events).toEqual(['started 1']);
    rig.mouth.resume();
    rig.clock.advance(500);
    // Each ends with the frame of silence that brings out what the encoder holds.
    expect(spoken(rig)).toEqual([1, 2, 3, 7, 7, 0, 8, 8, 0]);
    expect(rig.events).toEqual(['started 1', 'started 2']);
    expect(rig.totals.mouthUnderruns).toBe(0);
  });

  it('does not begin an utterance that is opened while it is paused', async () => {
    const rig = new MouthRig();
    rig.mouth.pause();
    await rig.say(40, 5);
    rig.clock.advance(200);
    expect(rig.sent).toEqual([]);
    rig.mouth.resume();
    expect(rig.sent[0]).toMatchObject({ atMs: 200, first: 5, marker: true });
  });

  it('goes on being paused when the way to the POP is replaced, and goes on speaking over the new one', async () => {
    const { rig } = await speaking(10);
    rig.clock.advance(25);
    rig.mouth.pause();
    rig.mouth.detach();
    rig.clock.advance(300);
    rig.attach();
    rig.clock.advance(300);
    expect(spoken(rig)).toEqual([1, 2]);
    rig.mouth.resume();
    rig.clock.advance(500);
    expect(spoken(rig)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  });

  it('waits for the way to the POP when it is resumed without one', async () => {
    const { rig } = await speaking(5);
    rig.clock.advance(25);
    rig.mouth.pause();
    rig.mouth.detach();
    rig.mouth.resume();
    rig.clock.advance(300);
    expect(spoken(rig)).toEqual([1, 2]);
    rig.attach();
    rig.clock.advance(300);
    expect(spoken(rig)).toEqual([1, 2, 3, 4, 5]);
  });

  it('ends its pause with a flush: what comes next is said at once', async () => {
    const { rig } = await speaking(10);
    rig.clock.advance(45);
    rig.mouth.pause();
    rig.clock.advance(100);
    const heard = rig.mouth.flush();
    expect(heard).toMatchObject([{ utterance: 1, writtenMs: 200, complete: false }]);
    expect(rig.flushes).toEqual([2_880]);
    await rig.say(20, 9);
    expect(rig.sent.at(-1)).toMatchObject({ atMs: 145, first: 9, marker: true });
    expect(spoken(rig)).toEqual([1, 2, 3, 9]);
  });

  it('hears of what was played during the pause, and ends the utterance only when its rest was said', async () => {
    const { rig, utterance } = await speaking(4);
    rig.mouth.finish(utterance);
    rig.clock.advance(25);
    rig.mouth.pause();
    rig.mouth.played(1_920);
    rig.clock.advance(10_000);
    expect(rig.events).toEqual(['started 1', 'progressed 1 40/80']);
    rig.mouth.resume();
    rig.clock.advance(200);
    rig.mouth.played(rig.sent.at(-1)!.timestamp + 960);
    expect(rig.events.at(-1)).toBe('ended 1 80/80 complete');
  });

  it('pauses twice as once, and resumes nothing that was not paused', async () => {
    const { rig } = await speaking(5);
    rig.mouth.resume();
    rig.clock.advance(25);
    expect(spoken(rig)).toEqual([1, 2]);
    rig.mouth.pause();
    rig.mouth.pause();
    rig.clock.advance(100);
    rig.mouth.resume();
    rig.mouth.resume();
    expect(spoken(rig)).toEqual([1, 2, 3]);
    rig.clock.advance(100);
    expect(spoken(rig)).toEqual([1, 2, 3, 4, 5]);
  });

  it('counts no underrun for an utterance that ran dry before the pause and was written to in it', async () => {
    const { rig, utterance } = await speaking(2);
    rig.clock.advance(25);
    rig.mouth.pause();
    rig.clock.advance(500);
    await rig.write(utterance, 20, 6);
    rig.mouth.resume();
    expect(rig.sent.at(-1)).toMatchObject({ atMs: 525, first: 6, marker: true });
    expect(rig.totals.mouthUnderruns).toBe(0);
  });

  it('is silent for good when it closes while it is paused', async () => {
    const { rig } = await speaking(5);
    rig.mouth.pause();
    rig.mouth.close();
    rig.mouth.resume();
    rig.clock.advance(500);
    expect(spoken(rig)).toEqual([1]);
    expect(rig.nodeClock.subscribers).toBe(0);
  });
});
