import { expect, test } from 'vitest';
import type { TurnTimeline } from '../../src/agent/client-events.ts';
import { axisMs, grade, medianTotalMs, waterfall, withTurn } from '../../web/src/client/turns.ts';

const TIMELINE: TurnTimeline = {
  turn: 3,
  endpointingMs: 200,
  sttMs: 80,
  llmMs: 150,
  ttsMs: 60,
  mouthMs: 10,
  backboneRttMs: 140,
  totalMs: 500,
  interrupted: false,
};

const durations = (record: Parameters<typeof waterfall>[0]) =>
  Object.fromEntries(waterfall(record).parts.map((part) => [part.name, [part.startMs, part.durationMs]]));

test('parts follow one another, and the network comes last with both round trips', () => {
  expect(durations({ timeline: TIMELINE, callerRttMs: 24 })).toEqual({
    endpointing: [0, 200],
    stt: [200, 80],
    llm: [280, 150],
    tts: [430, 60],
    mouth: [490, 10],
    network: [500, 164],
  });
  expect(waterfall({ timeline: TIMELINE, callerRttMs: 24 })).toMatchObject({
    totalMs: 664,
    serverMs: 500,
    networkComplete: true,
  });
});

test('time that no part accounts for is shown as other', () => {
  expect(durations({ timeline: { ...TIMELINE, totalMs: 620 }, callerRttMs: 0 }).other).toEqual([500, 120]);
});

test('parts that nobody measured take no room and stay unknown', () => {
  const parts = durations({ timeline: { ...TIMELINE, sttMs: null, llmMs: null, totalMs: 270 }, callerRttMs: 0 });
  expect(parts.stt).toEqual([200, null]);
  expect(parts.tts).toEqual([200, 60]);
  expect(parts.other).toBeUndefined();
});

test('parts that overlap stay within the total', () => {
  const { parts } = waterfall({ timeline: { ...TIMELINE, totalMs: 400 }, callerRttMs: 0 });
  const ends = parts.filter((part) => part.name !== 'network').map((part) => part.startMs + (part.durationMs ?? 0));
  expect(Math.max(...ends)).toBe(400);
});

test('a round trip that was not measured is left out and said to be', () => {
  expect(waterfall({ timeline: TIMELINE, callerRttMs: null })).toMatchObject({ totalMs: 640, networkComplete: false });
  const neither = waterfall({ timeline: { ...TIMELINE, backboneRttMs: null }, callerRttMs: null });
  expect(neither).toMatchObject({ totalMs: 500, networkComplete: false });
  expect(neither.parts.at(-1)).toEqual({ name: 'network', startMs: 500, durationMs: null });
});

test('the axis is a second, or the longest turn in steps of 250 ms', () => {
  const long = waterfall({ timeline: { ...TIMELINE, totalMs: 1_300 }, callerRttMs: 0 });
  expect(axisMs([])).toBe(1_000);
  expect(axisMs([waterfall({ timeline: TIMELINE, callerRttMs: 24 })])).toBe(1_000);
  expect(axisMs([long])).toBe(1_500);
});

test('totals are graded by the guides, which belong to the better side', () => {
  expect([0, 500, 501, 800, 801].map(grade)).toEqual(['immediate', 'immediate', 'natural', 'natural', 'late']);
});

test('the median is the middle total, or the mean of the middle two', () => {
  const of = (...totals: number[]) =>
    totals.map((totalMs) => waterfall({ timeline: { ...TIMELINE, totalMs, backboneRttMs: 0 }, callerRttMs: 0 }));
  expect(medianTotalMs(of())).toBeNull();
  expect(medianTotalMs(of(900, 300, 600))).toBe(600);
  expect(medianTotalMs(of(900, 300, 600, 700))).toBe(650);
});

test('turns are kept in order, and a later word on a turn keeps the round trip of its time', () => {
  const first = withTurn([], { timeline: TIMELINE, callerRttMs: 24 });
  const two = withTurn(first, { timeline: { ...TIMELINE, turn: 2 }, callerRttMs: 30 });
  expect(two.map((record) => record.timeline.turn)).toEqual([2, 3]);
  const again = withTurn(two, { timeline: { ...TIMELINE, interrupted: true }, callerRttMs: 99 });
  expect(again).toHaveLength(2);
  expect(again[1]).toMatchObject({ callerRttMs: 24, timeline: { interrupted: true } });
});

test('a turn without endpointing answered no speech', () => {
  expect(waterfall({ timeline: TIMELINE, callerRttMs: 0 }).spoken).toBe(true);
  expect(waterfall({ timeline: { ...TIMELINE, endpointingMs: null }, callerRttMs: 0 }).spoken).toBe(false);
});
