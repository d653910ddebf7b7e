/** Which calls leave a core that drains, and how often that is tried. */
import { describe, expect, test } from 'vitest';
import { DrainedCores } from '../../src/edge/drained-cores.ts';
import type { HandOverRequest } from '../../src/edge/hand-over.ts';
import { AntipodeError } from '../../src/errors.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { recordingLog } from '../support/recording-log.ts';

function pop(refusals = 0) {
  // As the process's clock: not in whole milliseconds.
  const clock = new FakeClock(1_000.1);
  const asked: { atMs: number; sessionId: string; request: HandOverRequest }[] = [];
  let left = refusals;
  const call = (sessionId: string, coreId = 'core-1') => ({
    ...{ sessionId, coreId, end: null as unknown },
    async handOver(request: HandOverRequest) {
      asked.push({ atMs: clock.now(), sessionId, request });
      if (left-- > 0) throw new AntipodeError('ERR_PLACEMENT_NO_CORE', 'Nobody.');
      const from = this.coreId;
      this.coreId = 'core-2';
      return { from, to: 'core-2', epoch: 2, gapMs: 1, atTurnBoundary: true };
    },
  });
  const calls = [call('s1'), call('s2'), call('elsewhere', 'core-9')];
  const { log, lines } = recordingLog();
  const drained = new DrainedCores({ calls: () => calls, clock, log });
  const startMs = clock.now();
  const asks = () => asked.map(({ atMs, sessionId }) => `${sessionId} ${Math.round(atMs - startMs)}`);
  return { clock, drained, calls, call, asked, asks, lines };
}

describe('the calls of a core that drains', () => {
  test('all move, and are cut off when no pause comes in time', async () => {
    const { clock, drained, asked, asks } = pop();
    drained.told('core-1', 8_000);
    await clock.advanceAsync(10_000, 500);
    expect(asks()).toEqual(['s1 0', 's2 0']);
    expect(asked.map(({ request }) => request)).toEqual([
      { reason: 'drain', withinMs: 5_500, cut: true },
      { reason: 'drain', withinMs: 5_500, cut: true },
    ]);
    expect(clock.pendingCount).toBe(0);
  });

  test('are tried again while there is time, and stay when nobody takes them, said in the log', async () => {
    const { clock, drained, asked, asks, lines } = pop(100);
    drained.told('core-1', 3_500);
    await clock.advanceAsync(1);
    await clock.advanceAsync(10_000, 100);
    // Each a second after the one before had failed.
    expect(asked.every(({ request }) => Number.isInteger(request.withinMs))).toBe(true);
    expect(asks().filter((line) => line.startsWith('s1'))).toEqual(['s1 0', 's1 1001', 's1 2001', 's1 3001']);
    const stays = lines.filter(({ message }) => message === 'a call stays at a core that drains: no other takes it');
    expect(stays.map(({ fields: { sessionId, code } }) => [sessionId, code])).toEqual([
      ['s1', 'ERR_PLACEMENT_NO_CORE'],
      ['s2', 'ERR_PLACEMENT_NO_CORE'],
    ]);
  });

  test('that stayed are tried anew when the core says it again', async () => {
    const { clock, drained, asks } = pop(2);
    drained.told('core-1', 500);
    await clock.advanceAsync(2_000, 100);
    expect(asks()).toEqual(['s1 0', 's2 0']);
    drained.told('core-1', 5_000);
    await clock.advanceAsync(100, 100);
    expect(asks()).toEqual(['s1 0', 's2 0', 's1 2000', 's2 2000']);
  });

  test('that open there meanwhile move as well, and none does once it takes sessions again', async () => {
    const { clock, drained, call, asks } = pop(1);
    drained.told('core-1', 8_000);
    await clock.advanceAsync(100, 100);
    drained.opened(call('late'));
    drained.told('core-1', null);
    drained.opened(call('later'));
    await clock.advanceAsync(10_000, 500);
    // The first was refused, and the core changed its mind before the next try.
    expect(asks()).toEqual(['s1 0', 's2 0', 'late 100']);
    expect(clock.pendingCount).toBe(0);
  });
});
