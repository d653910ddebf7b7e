/** Calls outlive a network between POP and core that carries nothing any more. */
import { describe, expect, test } from 'vitest';
import { redisMissing } from '../../support/redis-server.ts';
import { chaos, nothingLost, sound } from './chaos-cli.ts';

describe.skipIf(redisMissing() !== null)('calls go on, with no word lost or repeated', () => {
  test('when their POP and their core do not reach each other, without a connection closing', async () => {
    const result = await chaos('partition', 3, '--seconds', '5');
    expect(sound(result)).toEqual(nothingLost(3));
    // It takes a silence to be noticed: a cut that cut nothing would not be.
    expect(result.gapMs.p99).toBeGreaterThan(300);
  });
});
