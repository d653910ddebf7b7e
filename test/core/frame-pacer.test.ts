import { describe, expect, it } from 'vitest';
import { FramePacer } from '../../src/core/frame-pacer.ts';

describe('FramePacer', () => {
  it('lets the first frame go at once and makes the next ones due every 20 ms', () => {
    const pacer = new FramePacer(5_000);
    expect(pacer.isDue(1_000)).toBe(true);
    expect(pacer.startsSpurt(1_000)).toBe(true);
    expect(pacer.take(1_000)).toBe(5_000);
    expect(pacer.dueMs).toBe(1_020);
    expect(pacer.startsSpurt(1_020)).toBe(false);
    expect(pacer.isDue(1_019)).toBe(false);
    expect(pacer.take(1_020)).toBe(5_960);
    expect(pacer.dueMs).toBe(1_040);
  });

  it('keeps the timestamps of a spurt together when a frame is a little late, and its schedule', () => {
    const pacer = new FramePacer(0);
    pacer.take(1_000);
    expect(pacer.take(1_075)).toBe(960);
    expect(pacer.dueMs).toBe(1_040);
  });

  it('advances the timestamp by the silence between spurts', () => {
    const pacer = new FramePacer(0);
    pacer.take(1_000);
    expect(pacer.startsSpurt(1_500)).toBe(true);
    expect(pacer.take(1_500)).toBe(25 * 960);
    expect(pacer.dueMs).toBe(1_520);
  });

  it('does not stray from the clock over many spurts of odd lengths', () => {
    const pacer = new FramePacer(0);
    let now = 1_000;
    let timestamp = 0;
    for (let spurt = 0; spurt < 10_000; spurt++) {
      timestamp = pacer.take(now);
      expect(Math.abs(timestamp / 48 - (now - 1_000))).toBeLessThanOrEqual(10);
      now += 97.3;
    }
  });

  it('never gives a timestamp twice, nor one before the last', () => {
    const pacer = new FramePacer(0);
    let last = -1;
    for (const now of [0, 0, 0, 0, 0, 150, 150, 1_000, 1_001]) {
      const timestamp = pacer.take(now);
      expect(timestamp).toBeGreaterThan(last);
      last = timestamp;
    }
  });

  it('lets a frame of a jittering real-time source lead by up to 20 ms, so the delay of its first frame does not stick', () => {
    const pacer = new FramePacer(0);
    // The first frame was 15 ms late, the others are on time.
    pacer.take(1_015);
    for (let frame = 1; frame < 1_000; frame++) {
      const now = 1_000 + frame * 20;
      expect(pacer.mayLead(now)).toBe(true);
      expect(pacer.take(now)).toBe(frame * 960);
    }
  });

  it('does not let a source faster than real time lead by more than 20 ms', () => {
    const pacer = new FramePacer(0);
    pacer.take(1_000);
    expect(pacer.mayLead(1_000)).toBe(true);
    pacer.take(1_000);
    expect(pacer.mayLead(1_000)).toBe(false);
    expect(pacer.mayLead(1_020)).toBe(true);
  });

  it('follows a source whose clock is 200 ppm fast without making it wait', () => {
    const pacer = new FramePacer(0);
    let waited = 0;
    for (let frame = 0; frame < 180_000; frame++) {
      const now = frame * 20 * (1 - 0.0002);
      if (!pacer.mayLead(now)) waited += 1;
      pacer.take(now);
    }
    expect(waited).toBe(0);
  });
});
