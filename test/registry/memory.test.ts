import { describe, expect, it } from 'vitest';
import { MemoryRegistry } from '../../src/registry/index.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { describeRegistry } from './conformance.ts';

describeRegistry('memory', async () => {
  const clock = new FakeClock();
  return {
    registry: new MemoryRegistry({ clock }),
    slackMs: 1,
    pass: async (ms) => clock.advance(ms),
    unixMs: () => clock.date().getTime(),
  };
});

describe('MemoryRegistry', () => {
  it('keeps no more one-time ids than it was told, and drops expired ones before others', async () => {
    const clock = new FakeClock();
    const registry = new MemoryRegistry({ clock, maxOnceIds: 2 });
    const now = clock.date().getTime();
    await registry.claimOnce('long', now + 60_000);
    await registry.claimOnce('short', now + 1_000);
    clock.advance(1_000);
    await registry.claimOnce('third', now + 60_000);
    expect(await registry.claimOnce('long', now + 60_000)).toBe(false);
    expect(await registry.claimOnce('third', now + 60_000)).toBe(false);
  });
});
