/** Living calls go from one core to another, and nobody hears it. */
import { describe, expect, test } from 'vitest';
import { redisMissing } from '../../support/redis-server.ts';
import { chaos, nothingLost, sound } from './chaos-cli.ts';

describe.skipIf(redisMissing() !== null).concurrent('calls move, with no word lost or repeated', () => {
  test('when their core is told to stop, which it then does', async () => {
    expect(sound(await chaos('drain-core', 3))).toEqual(nothingLost(3));
  });

  test('when somebody says so', async () => {
    expect(sound(await chaos('move', 3))).toEqual(nothingLost(3));
  });
});
