import { describe, expect, test } from 'vitest';
import { PacketRing } from '../../src/edge/packet-ring.ts';

const packet = (size: number, fill: number) => Buffer.alloc(size, fill);

describe('PacketRing', () => {
  test('gives back what was put, by number and in any order', () => {
    const ring = new PacketRing({ seconds: 1 });
    ring.put(7, 100, packet(20, 7));
    ring.put(5, 110, packet(30, 5));
    expect(ring.get(7, 120)).toMatchObject({ number: 7, arrivedAtMs: 100, packet: packet(20, 7) });
    expect(ring.get(5, 120)?.packet).toEqual(packet(30, 5));
    expect(ring.get(6, 120)).toBeNull();
    expect(ring.newest).toBe(7);
  });

  test('forgets packets that are older than its seconds', () => {
    const ring = new PacketRing({ seconds: 2 });
    ring.put(1, 1_000, packet(10, 1));
    expect(ring.get(1, 3_000)).not.toBeNull();
    expect(ring.get(1, 3_001)).toBeNull();
  });

  test('is bounded by packets: the slot of an old number goes to a new one', () => {
    const ring = new PacketRing({ seconds: 1, packetsPerSecond: 10 });
    for (let number = 1; number <= 15; number++) ring.put(number, 0, packet(10, number));
    expect(ring.floor).toBe(6);
    expect(ring.get(5, 0)).toBeNull();
    expect(ring.get(6, 0)?.packet).toEqual(packet(10, 6));
    expect(ring.put(5, 0, packet(10, 5))).toBe(false);
  });

  test('is bounded by bytes: what was overwritten is gone, what was not is whole', () => {
    const ring = new PacketRing({ seconds: 1, packetsPerSecond: 100, bytesPerSecond: 1_000 });
    for (let number = 1; number <= 60; number++) ring.put(number, 0, packet(90 + (number % 7), number));
    const held = Array.from({ length: 60 }, (_, index) => ring.get(index + 1, 0)).filter((entry) => entry !== null);
    expect(held.length).toBeGreaterThanOrEqual(9);
    expect(held.length).toBeLessThanOrEqual(11);
    for (const entry of held) expect(entry.packet).toEqual(packet(90 + (entry.number % 7), entry.number));
    expect(held.at(-1)?.number).toBe(60);
  });

  test('refuses a packet that is longer than itself', () => {
    const ring = new PacketRing({ seconds: 1, bytesPerSecond: 100 });
    expect(ring.put(1, 0, packet(101, 1))).toBe(false);
    expect(ring.get(1, 0)).toBeNull();
  });
});
