import { describe, expect, it } from 'vitest';
import { ReorderBuffer } from '../../src/core/reorder-buffer.ts';
import { FakeClock } from '../support/fake-clock.ts';

function setUp(waitMs = 40) {
  const clock = new FakeClock();
  /** `5` a packet, `5-2` a packet with two lost before it, `restart`. */
  const out: string[] = [];
  const buffer = new ReorderBuffer<number>({
    clock,
    waitMs,
    sink: {
      packet: (item, _arrivedAtMs, lost) => out.push(lost > 0 ? `${item}-${lost}` : `${item}`),
      restarted: () => out.push('restart'),
    },
  });
  const push = (...numbers: number[]) => {
    for (const number of numbers) buffer.push(number & 0xffff, number);
  };
  return { clock, out, buffer, push };
}

describe('ReorderBuffer', () => {
  it('passes packets in order at once, without a timer', () => {
    const { clock, out, push } = setUp();
    push(10, 11, 12);
    expect(out).toEqual(['10', '11', '12']);
    expect(clock.pendingCount).toBe(0);
  });

  it('holds back what comes after a hole and lets it go when the hole is filled', () => {
    const { clock, out, buffer, push } = setUp();
    push(1, 3, 4);
    expect(out).toEqual(['1']);
    expect(buffer.waiting).toBe(2);
    push(2);
    expect(out).toEqual(['1', '2', '3', '4']);
    expect(buffer.counts).toMatchObject({ reordered: 1, lost: 0 });
    expect(clock.pendingCount).toBe(0);
  });

  it('declares a hole lost when a later packet has waited for the time, not before', () => {
    const { clock, out, buffer, push } = setUp(40);
    push(1, 3);
    clock.advance(39);
    expect(out).toEqual(['1']);
    clock.advance(1);
    expect(out).toEqual(['1', '3-1']);
    expect(buffer.counts.lost).toBe(1);
  });

  it('gives each hole its own deadline', () => {
    const { clock, out, push } = setUp(40);
    push(1, 3);
    clock.advance(20);
    push(5);
    clock.advance(20);
    expect(out).toEqual(['1', '3-1']);
    clock.advance(19);
    expect(out).toEqual(['1', '3-1']);
    clock.advance(1);
    expect(out).toEqual(['1', '3-1', '5-1']);
  });

  it('does not begin the wait anew when an earlier packet of the same hole comes', () => {
    const { clock, out, push } = setUp(40);
    push(1, 7);
    clock.advance(30);
    push(5);
    clock.advance(10);
    expect(out).toEqual(['1', '5-3', '7-1']);
  });

  it('declares a hole lost at once when nothing is to be waited for', () => {
    const { out, push } = setUp(0);
    push(1, 4);
    expect(out).toEqual(['1', '4-2']);
  });

  it('drops and counts late and duplicate packets apart', () => {
    const { clock, out, buffer, push } = setUp(40);
    push(1, 3, 3);
    clock.advance(40);
    push(2, 3, 1);
    expect(out).toEqual(['1', '3-1']);
    expect(buffer.counts).toMatchObject({ late: 1, duplicate: 3 });
  });

  it('counts on over the end of the numbers', () => {
    const { out, push } = setUp();
    push(65_534, 65_536, 65_535, 65_537);
    expect(out).toEqual(['65534', '65535', '65536', '65537']);
  });

  it('finds holes over the end of the numbers', () => {
    const { clock, out, push } = setUp(40);
    push(65_535, 65_537);
    clock.advance(40);
    expect(out).toEqual(['65535', '65537-1']);
  });

  it('drops a packet from before the first one as late', () => {
    const { out, buffer, push } = setUp();
    push(5, 4, 6);
    expect(out).toEqual(['5', '6']);
    expect(buffer.counts.late).toBe(1);
  });

  it.each([20_000, 40_000])('takes a jump to %i for a new start and lets out what waited', (to) => {
    const { clock, out, buffer, push } = setUp();
    push(10, 12, to, to + 1);
    expect(out).toEqual(['10', '12-1', 'restart', `${to}`, `${to + 1}`]);
    expect(buffer.counts.restarts).toBe(1);
    expect(clock.pendingCount).toBe(0);
  });

  it('takes many late packets in a row for a sender that began anew a little behind', () => {
    const { out, buffer, push } = setUp();
    push(2_000);
    push(...Array.from({ length: 30 }, (_, index) => 1_000 + index));
    expect(out.slice(0, 3)).toEqual(['2000', 'restart', '1025']);
    expect(buffer.counts.late).toBe(25);
  });

  it('holds back no more than a bounded number of packets', () => {
    const { out, buffer, push } = setUp(10_000);
    push(0, ...Array.from({ length: 600 }, (_, index) => index + 2));
    expect(buffer.waiting).toBeLessThan(512);
    expect(out.slice(0, 3)).toEqual(['0', '2-1', '3']);
  });

  it('says how many are missing in a hole that is wider than what it can hold', () => {
    const { clock, out, push } = setUp(40);
    push(0, 2_000);
    clock.advance(40);
    expect(out).toEqual(['0', '2000-1999']);
  });

  it('restarts on demand and says nothing after close', () => {
    const { clock, out, buffer, push } = setUp(40);
    push(1, 3);
    buffer.restart();
    push(500, 502);
    buffer.close();
    clock.advance(100);
    push(503);
    expect(out).toEqual(['1', '3-1', 'restart', '500']);
    expect(clock.pendingCount).toBe(0);
  });

  it('hands out every packet once and in order under random loss, doubling and delay', () => {
    const { clock, out, push } = setUp(40);
    let seed = 7;
    const random = () => {
      seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
      return seed / 2_147_483_648;
    };
    const sent = new Set<number>();
    for (let number = 65_000; number < 67_000; number++) {
      if (number > 65_000 && random() < 0.1) continue;
      sent.add(number);
      const copies = random() < 0.1 ? 2 : 1;
      for (let copy = 0; copy < copies; copy++) {
        // The first one is on time: what comes before the first is late by definition.
        const delayMs = number === 65_000 ? 0 : random() * 35;
        clock.setTimeout(() => push(number), delayMs);
      }
      clock.advance(20);
    }
    clock.advance(200);
    const numbers = out.map((text) => Number(text.split('-')[0]));
    expect(numbers).toEqual([...sent]);
    const lost = out.reduce((sum, text) => sum + Number(text.split('-')[1] ?? 0), 0);
    const last = numbers.at(-1) as number;
    expect(lost).toBe(last - 65_000 + 1 - sent.size);
  });
});
