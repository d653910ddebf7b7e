/** How a node waits for its sessions before it ends. */
import { describe, expect, test } from 'vitest';
import { drain, Occupancy } from '../../src/roles/drain.ts';
import { silentLogger } from '../../src/telemetry/index.ts';
import { FakeClock } from '../support/fake-clock.ts';

function draining(sessions: number) {
  const clock = new FakeClock();
  const occupancy = new Occupancy();
  occupancy.changed(sessions);
  const cut = new AbortController();
  const { signal } = cut;
  let result: string | null = null;
  const done = drain({ occupancy, settleMs: 2_500, timeoutMs: 20_000, clock, log: silentLogger, signal }).then(
    (found) => {
      result = found;
    },
  );
  return { clock, occupancy, cut, done, result: () => result };
}

describe('drain()', () => {
  test('ends when the last session has', async () => {
    const { clock, occupancy, result } = draining(2);
    await clock.advanceAsync(5_000, 500);
    occupancy.changed(1);
    await clock.advanceAsync(5_000, 500);
    expect(result()).toBeNull();
    occupancy.changed(0);
    await clock.advanceAsync(1);
    expect(result()).toBe('empty');
    expect(clock.pendingCount).toBe(0);
  });

  test('waits a while although there is no session, for one may be on its way', async () => {
    const { clock, occupancy, result } = draining(0);
    await clock.advanceAsync(2_000, 500);
    occupancy.changed(1);
    await clock.advanceAsync(3_000, 500);
    expect(result()).toBeNull();
    occupancy.changed(0);
    await clock.advanceAsync(1);
    expect(result()).toBe('empty');
  });

  test('is over at its bound, whatever still runs', async () => {
    const { clock, result } = draining(1);
    await clock.advanceAsync(19_500, 500);
    expect(result()).toBeNull();
    await clock.advanceAsync(500, 500);
    expect(result()).toBe('timeout');
  });

  test('is over at once when it is cut short', async () => {
    const { clock, cut, done, result } = draining(1);
    cut.abort();
    await done;
    expect(result()).toBe('cut-short');
    expect(clock.pendingCount).toBe(0);
  });
});

describe('Occupancy', () => {
  test('is empty again and again', async () => {
    const occupancy = new Occupancy();
    await occupancy.emptied;
    occupancy.changed(1);
    const { emptied } = occupancy;
    occupancy.changed(2);
    occupancy.changed(0);
    await emptied;
    occupancy.changed(3);
    expect(occupancy.sessions).toBe(3);
    let isEmpty = false;
    void occupancy.emptied.then(() => {
      isEmpty = true;
    });
    await Promise.resolve();
    expect(isEmpty).toBe(false);
  });
});
