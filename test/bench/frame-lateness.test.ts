import { describe, expect, it } from 'vitest';
import { FrameLateness } from '../../bench/fake-pop/frame-lateness.ts';

function latenesses(arrivals: readonly (readonly [number: number, atMs: number])[]): (number | null)[] {
  const lateness = new FrameLateness();
  return arrivals.map(([number, atMs]) => lateness.take(number, atMs));
}

describe('lateness of frames', () => {
  it('is nothing for frames that come 20 ms apart', () => {
    const lates = latenesses([
      [7, 100],
      [8, 120],
      [9, 140],
    ]);
    expect(lates).toEqual([0, 0, 0]);
  });

  it('is measured against the most punctual frame so far, so that a late first one hides none', () => {
    const lates = latenesses([
      [1, 115],
      [2, 120],
      [3, 155],
    ]);
    expect(lates).toEqual([0, 0, 15]);
  });

  it('counts a stall in mid-speech in full, and on until the sender has caught up', () => {
    const lates = latenesses([
      [1, 100],
      [2, 320],
      [3, 321],
      [4, 322],
      [5, 342],
    ]);
    expect(lates).toEqual([0, 200, 181, 162, 162]);
  });

  it('begins anew after a pause of more than a second', () => {
    const lates = latenesses([
      [1, 100],
      [2, 1_105],
      [3, 1_126],
    ]);
    expect(lates).toEqual([0, 0, 1]);
  });

  it('counts what is missing and what comes out of order', () => {
    const lateness = new FrameLateness();
    for (const [number, atMs] of [
      [10, 0],
      [12, 40],
      [11, 41],
      [14, 80],
    ] as const)
      lateness.take(number, atMs);
    expect(lateness).toMatchObject({ received: 3, lost: 2, disordered: 1 });
  });
});
