import { describe, expect, it } from 'vitest';
import { MouthRig, settled } from './support/mouth-rig.ts';

/** A frame is 960 ticks of 48 kHz. */
const FRAME = 960;

/** One that speaks for so many frames, the last of which is reported as played where `played` says. */
async function speaking(frames: number, played: number): Promise<{ rig: MouthRig; utterance: number }> {
  const rig = new MouthRig();
  const utterance = rig.mouth.open();
  await rig.write(utterance, 4_000);
  rig.clock.advance((frames - 1) * 20);
  expect(rig.sent).toHaveLength(frames);
  if (played > 0) rig.mouth.played(played * FRAME);
  return { rig, utterance };
}

describe('a mouth whose caller comes back by another POP', () => {
  it('sends again what was not reported as played, with the same numbers and 20 ms apart, and then goes on', async () => {
    const { rig } = await speaking(20, 15);
    rig.mouth.detach();
    rig.clock.advance(1_500);
    rig.sent.length = 0;
    rig.mouth.rewind();
    expect(rig.totals.mouthFramesAgain).toBe(5);
    const backAtMs = rig.clock.now();
    rig.attach();
    rig.clock.advance(160);
    expect(rig.sent.map(({ timestamp }) => timestamp / FRAME)).toEqual([15, 16, 17, 18, 19, 20, 21, 22, 23]);
    expect(rig.sent.map(({ sequenceNumber }) => sequenceNumber)).toEqual([15, 16, 17, 18, 19, 20, 21, 22, 23]);
    for (const [index, { atMs }] of rig.sent.entries()) {
      expect(atMs - backAtMs - index * 20).toBeGreaterThanOrEqual(0);
      expect(atMs - backAtMs - index * 20).toBeLessThan(5);
    }
  });

  it('keeps the pauses between what it sends again', async () => {
    const rig = new MouthRig();
    await rig.say(60);
    rig.clock.advance(500);
    await rig.say(60);
    rig.clock.advance(100);
    const before = rig.sent.map(({ atMs }) => atMs - rig.sent[0]!.atMs);
    rig.mouth.detach();
    rig.sent.length = 0;
    rig.clock.advance(1_000);
    rig.mouth.rewind();
    rig.attach();
    rig.clock.advance(1_000);
    const again = rig.sent.map(({ atMs }) => atMs - rig.sent[0]!.atMs);
    expect(again).toHaveLength(before.length);
    for (const [index, atMs] of again.entries()) expect(Math.abs(atMs - before[index]!)).toBeLessThan(10);
  });

  it('is told by the new POP how far it is, and counts all of it as heard at the end', async () => {
    const { rig, utterance } = await speaking(20, 15);
    rig.mouth.finish(utterance);
    rig.mouth.detach();
    rig.mouth.rewind();
    rig.attach();
    rig.clock.advance(4_200);
    const last = rig.sent.at(-1)!;
    rig.mouth.played(last.timestamp + FRAME);
    expect(rig.events.at(-1)).toBe(`ended ${utterance} 4000/4000 complete`);
    expect(rig.totals.mouthBadReports).toBe(0);
  });

  it('does not believe a POP that claims to have played what it was not sent', async () => {
    const { rig, utterance } = await speaking(20, 15);
    rig.mouth.detach();
    rig.mouth.rewind();
    rig.attach();
    expect(rig.sent.at(-1)?.timestamp).toBe(15 * FRAME);
    // The former POP was sent 20, this one 16.
    rig.mouth.played(19 * FRAME);
    expect(rig.totals.mouthBadReports).toBe(1);
    expect(rig.mouth.heard(utterance).playedMs).toBe(300);
    rig.mouth.played(16 * FRAME);
    expect(rig.mouth.heard(utterance).playedMs).toBe(320);
    rig.clock.advance(1_000);
    rig.mouth.played(0x7000_0000);
    expect(rig.totals.mouthBadReports).toBe(2);
  });

  it('sends nothing again that was cut off, nor after a flush on the way', async () => {
    const { rig } = await speaking(20, 15);
    rig.mouth.flush();
    rig.mouth.detach();
    rig.sent.length = 0;
    rig.mouth.rewind();
    rig.attach();
    rig.clock.advance(500);
    expect(rig.sent).toEqual([]);
    await rig.say(200, 7);
    rig.clock.advance(60);
    rig.mouth.detach();
    rig.mouth.rewind();
    rig.attach();
    rig.mouth.flush();
    rig.sent.length = 0;
    rig.clock.advance(500);
    expect(rig.sent).toEqual([]);
  });

  it('sends again no more than the last three seconds', async () => {
    const { rig } = await speaking(180, 0);
    rig.mouth.detach();
    rig.sent.length = 0;
    rig.mouth.rewind();
    expect(rig.totals.mouthFramesAgain).toBe(150);
    rig.attach();
    expect(rig.sent[0]?.timestamp).toBe(30 * FRAME);
  });

  it('waits with it while the agent pauses', async () => {
    const { rig } = await speaking(20, 15);
    rig.mouth.detach();
    rig.mouth.rewind();
    rig.mouth.pause();
    rig.attach();
    rig.sent.length = 0;
    rig.clock.advance(500);
    expect(rig.sent).toEqual([]);
    rig.mouth.resume();
    rig.clock.advance(40);
    await settled();
    expect(rig.sent.map(({ timestamp }) => timestamp / FRAME)).toEqual([15, 16, 17]);
  });
});
