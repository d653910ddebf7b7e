import { describe, expect, test } from 'vitest';
import { insist } from '../../src/edge/insist.ts';
import { AntipodeError } from '../../src/errors.ts';
import { FakeClock } from '../support/fake-clock.ts';

const passing = () => new AntipodeError('ERR_BACKBONE_CLOSED', 'not now');
const final = () => new AntipodeError('ERR_SESSION_UNKNOWN', 'never');

/** Attempts that fail with what `failures` holds, one after the other, and then succeed; when each was made. */
async function setUp(failures: AntipodeError[], timeoutMs = 5_000) {
  const clock = new FakeClock(0);
  const stop = new AbortController();
  const atMs: number[] = [];
  const result = insist(
    async () => {
      atMs.push(clock.now());
      const failure = failures.shift();
      if (failure) throw failure;
      return 'done';
    },
    { clock, signal: stop.signal, timeoutMs },
  );
  result.catch(() => {});
  await new Promise((resolve) => setImmediate(resolve));
  return { clock, stop, atMs, answer: () => result };
}

describe('insist()', () => {
  test('answers at once when all is well', async () => {
    const { answer, atMs } = await setUp([]);
    expect(await answer()).toBe('done');
    expect(atMs).toEqual([0]);
  });

  test('tries again after a failure that may pass, each time later', async () => {
    const { clock, answer, atMs } = await setUp([passing(), passing(), passing()]);
    await clock.advanceAsync(1_000, 50);
    expect(await answer()).toBe('done');
    expect(atMs).toEqual([0, 100, 300, 700]);
  });

  test('gives up at once on a failure that stays', async () => {
    const { answer, atMs } = await setUp([final(), passing()]);
    await expect(answer()).rejects.toMatchObject({ code: 'ERR_SESSION_UNKNOWN' });
    expect(atMs).toEqual([0]);
  });

  test('gives up with the last failure when time is up', async () => {
    const { clock, answer, atMs } = await setUp(Array.from({ length: 20 }, passing), 1_000);
    await clock.advanceAsync(3_000, 50);
    await expect(answer()).rejects.toMatchObject({ code: 'ERR_BACKBONE_CLOSED' });
    expect(atMs).toEqual([0, 100, 300, 700]);
  });

  test('stops when it is told to, also while it waits', async () => {
    const { clock, stop, answer, atMs } = await setUp([passing(), passing()]);
    await clock.advanceAsync(150, 50);
    stop.abort(final());
    await expect(answer()).rejects.toMatchObject({ code: 'ERR_SESSION_UNKNOWN' });
    await clock.advanceAsync(2_000, 100);
    expect(atMs).toEqual([0, 100]);
    expect(clock.pendingCount).toBe(0);
  });
});
