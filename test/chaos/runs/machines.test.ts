/** Calls outlive the processes that carry their media, and do not notice what happens to the registry. */
import { describe, expect, test } from 'vitest';
import { redisMissing } from '../../support/redis-server.ts';
import { chaos, nothingLost, sound } from './chaos-cli.ts';

describe.skipIf(redisMissing() !== null).concurrent('calls go on', () => {
  test('when the media worker of their core is killed, and then that of their POP', async () => {
    const { survived, broken, toolsRunTwice, notes } = await chaos('kill-worker', 3);
    expect({ survived, broken, toolsRunTwice }).toEqual({ survived: 3, broken: [], toolsRunTwice: 0 });
    expect(notes).toContainEqual(expect.stringMatching(/^1 media worker of core-1/));
    expect(notes).toContainEqual(expect.stringMatching(/^1 media worker of pop-1/));
  });

  test('when Redis has lost all that it held and their core is killed after that', async () => {
    expect(sound(await chaos('redis-lost-data', 3))).toEqual(nothingLost(3));
  });
});
