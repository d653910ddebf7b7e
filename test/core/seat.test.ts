import { describe, expect, test } from 'vitest';
import type { CoreEventName } from '../../src/backbone/index.ts';
import { zeroTotals } from '../../src/core/core-metrics.ts';
import { NodeClock } from '../../src/core/node-clock.ts';
import { createOpusDecoder } from '../../src/core/opus-codec.ts';
import type { PopLink } from '../../src/core/pop-link.ts';
import { Seat, type WayToCaller } from '../../src/core/seat.ts';
import { silentLogger } from '../../src/telemetry/index.ts';
import { FakeClock } from '../support/fake-clock.ts';

const RTT_MS = 200;

/** A seat with a stream both ways, whose POP is a list of what it was told. */
async function setUp() {
  const clock = new FakeClock(0);
  const told: CoreEventName[] = [];
  const ways: boolean[] = [];
  const link = {
    nodeId: 'pop-1',
    connected: true,
    rttMs: () => RTT_MS,
    send: (event: CoreEventName) => void told.push(event),
  } as unknown as PopLink;
  const decoder = await createOpusDecoder();
  const seat = new Seat({
    ...{ sessionId: 's1', epoch: 1, link, clock, decoder, totals: zeroTotals(), reorderWaitMs: 40, log: silentLogger },
    nodeClock: new NodeClock({ clock, log: silentLogger }),
    openDownlink: async () => ({ stream: { producerId: 'p', ssrc: 1 }, send() {}, close() {} }) as never,
    agentStarted: () => false,
    onWay: (way: WayToCaller | null) => void ways.push(way !== null),
    onLost: () => {},
    onFault: (error) => {
      throw error;
    },
  });
  const uplink = { on() {}, removeAllListeners() {}, close() {}, id: 'p' };
  const open = {
    pipe: { onClose: () => () => {}, receive: async () => uplink },
    worker: { router: { rtpCapabilities: {} }, direct: { consume: async () => uplink } },
  };
  await seat.bind(open as never, { producerId: 'u', ssrc: 2 });
  return { clock, told, ways, seat };
}

const NOTE = { type: 'reply', turn: 1, text: 'Hello.' } as const;

describe('a seat whose POP does not confirm the journal', () => {
  test('is silent after a round trip and 300 ms, and speaks again when it is confirmed', async () => {
    const { clock, told, ways, seat } = await setUp();
    expect(ways.at(-1)).toBe(true);
    seat.journal.note(NOTE);
    seat.journal.flush();
    expect(told).toContain('session.journal');
    clock.advance(RTT_MS + 299);
    expect(ways.at(-1)).toBe(true);
    clock.advance(1);
    expect(ways.at(-1)).toBe(false);
    seat.journaled(1);
    expect(ways.at(-1)).toBe(true);
    seat.close();
    expect(clock.pendingCount).toBe(0);
  });

  test('speaks on while it is confirmed in time, however much is noted', async () => {
    const { clock, ways, seat } = await setUp();
    for (let note = 1; note <= 20; note++) {
      seat.journal.note({ ...NOTE, turn: note });
      seat.journal.flush();
      clock.advance(RTT_MS);
      seat.journaled(note);
    }
    clock.advance(60_000);
    expect(ways.slice(ways.indexOf(true))).toEqual([true]);
    seat.close();
  });
});
