import { expect, test } from 'vitest';
import { type Answer, hedged } from '../../../../src/agent/services/book/hedge.ts';
import { untilAborted } from '../../../../src/agent/until-aborted.ts';
import { FakeClock } from '../../../support/fake-clock.ts';

/** Says nothing until it is aborted. */
function silent(ended: string[], name: string) {
  return async function* (signal: AbortSignal): Answer<string> {
    try {
      await untilAborted(new Promise<never>(() => {}), signal);
      yield 'never';
      return null;
    } finally {
      ended.push(name);
    }
  };
}

async function* says(...words: string[]): Answer<string> {
  yield* words;
  return null;
}

test('a race whose second cannot even be chosen ends the first and says why', async () => {
  const clock = new FakeClock();
  const ended: string[] = [];
  const race = hedged<string>({
    clock,
    signal: new AbortController().signal,
    afterMs: 0,
    first: silent(ended, 'first'),
    second: () => {
      throw new Error('no list');
    },
    decided: () => expect.unreachable(),
  });
  await expect(race.next()).rejects.toThrow('no list');
  expect(ended).toEqual(['first']);
});

test('a race whose reader leaves is over on both sides', async () => {
  const clock = new FakeClock();
  const ended: string[] = [];
  const decided: unknown[] = [];
  const race = hedged<string>({
    clock,
    signal: new AbortController().signal,
    afterMs: 0,
    first: silent(ended, 'first'),
    second: () => () => says('one', 'two'),
    decided: (...how) => decided.push(how),
  });
  expect(await race.next()).toEqual({ done: false, value: 'one' });
  await race.return({ by: 'second', failure: null });
  expect(ended).toEqual(['first']);
  expect(decided).toEqual([['second', true]]);
  expect(clock.pendingCount).toBe(0);
});
