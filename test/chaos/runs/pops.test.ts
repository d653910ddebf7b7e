/** Callers outlive their POP. */
import { describe, expect, test } from 'vitest';
import { redisMissing } from '../../support/redis-server.ts';
import { chaos } from './chaos-cli.ts';

describe.skipIf(redisMissing() !== null).concurrent('callers come back by another POP', () => {
  test('when theirs is killed, and talk on with the same agent', async () => {
    const result = await chaos('kill-pop', 3);
    expect(result).toMatchObject({ survived: 3, broken: [], toolsRunTwice: 0 });
    // What was said in the moment of the kill is nowhere: a word each way and call, at most.
    expect(result.callerWordsLost).toBeLessThanOrEqual(3);
    expect(result.agentWordsLost).toBeLessThanOrEqual(3);
    expect(result.agentWordsRepeated).toBeLessThanOrEqual(3);
  });

  test('when theirs is told to stop, which it then does', async () => {
    const { survived, broken, toolsRunTwice, agentWordsLost } = await chaos('drain-pop', 3);
    const expected = { survived: 3, broken: [], toolsRunTwice: 0, agentWordsLost: 0 };
    expect({ survived, broken, toolsRunTwice, agentWordsLost }).toEqual(expected);
  });
});
