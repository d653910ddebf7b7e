/** Calls outlive their core: each of a few real calls hears every word once, whatever happens to the node. */
import { describe, expect, test } from 'vitest';
import { redisMissing } from '../../support/redis-server.ts';
import { chaos, nothingLost, sound } from './chaos-cli.ts';

describe.skipIf(redisMissing() !== null).concurrent('calls go on, with no word lost or repeated', () => {
  test('when their core is killed', async () => {
    const result = await chaos('kill-core', 4);
    expect(sound(result)).toEqual(nothingLost(4));
    // Nobody could have gone on at once: a run that struck nothing would say so.
    expect(result.gapMs.p99).toBeGreaterThan(100);
  });

  test('when their core stands still without a word, and comes back while another one speaks', async () => {
    const result = await chaos('stale-core', 3);
    expect(sound(result)).toEqual(nothingLost(3));
    expect(result.notes).toContain('3 of 3 calls had moved when it came back.');
  });
});
