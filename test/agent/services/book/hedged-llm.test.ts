import { describe, expect, test } from 'vitest';
import { FIRST_RESPONSE_MS, puppetLine, settled } from './puppets.ts';

const AFTER_MS = 200;

describe('a language model with a second request after 200 ms', () => {
  test('is asked alone when its first word comes in time, and may pause after it', async () => {
    const { ask, puppets, clock, hedges, outcomes } = puppetLine(['a', 'b'], AFTER_MS);
    const asked = ask();
    await settled();
    clock.advance(AFTER_MS - 1);
    puppets[0]!.requests[0]!.say('We ');
    await settled();
    clock.advance(10_000);
    await settled();
    puppets[0]!.requests[0]!.say('are open.');
    puppets[0]!.requests[0]!.end();
    await settled();
    expect(asked).toMatchObject({ words: 'We are open.', end: 'whole' });
    expect(puppets[1]!.requests).toEqual([]);
    expect(await hedges()).toEqual({});
    expect(outcomes()).toEqual(['a ok']);
    expect(clock.pendingCount).toBe(0);
  });

  test('loses to the next one of the list, and is ended before a word of that is handed on', async () => {
    const { ask, puppets, clock, hedges, outcomes, changes, breakers } = puppetLine(['a', 'b', 'c'], AFTER_MS);
    const asked = ask();
    await settled();
    clock.advance(AFTER_MS);
    await settled();
    const [slow, fast] = [puppets[0]!.requests[0]!, puppets[1]!.requests[0]!];
    expect(fast.request.instructions).toBe('Be brief.');
    fast.say('Until ten.');
    await settled();
    expect(slow.isAborted).toBe(true);
    expect(asked.words).toBe('Until ten.');
    slow.say('too late');
    fast.count(9, 3);
    fast.end();
    await settled();
    expect(asked).toMatchObject({ words: 'Until ten.', usages: 1, end: 'whole' });
    expect(outcomes()).toEqual(['a aborted', 'b ok']);
    expect(changes).toEqual([]);
    expect(await hedges()).toEqual({ 'a>b second': 1 });
    // Its connection was ended with its answer: it gets another for the next request.
    expect(puppets.map(({ warmings }) => warmings)).toEqual([1, 0, 0]);
    expect(puppets[2]!.requests).toEqual([]);
    expect(breakers.map(({ state }) => state)).toMatchObject([{ inRow: 0 }, { inRow: 0 }, { inRow: 0 }]);
    expect(clock.pendingCount).toBe(0);
  });

  test('wins when its own word comes first after all: the second is ended, and its tools are never called', async () => {
    const { ask, puppets, clock, hedges, outcomes } = puppetLine(['a', 'b'], AFTER_MS);
    const asked = ask();
    await settled();
    clock.advance(AFTER_MS);
    await settled();
    const [first, second] = [puppets[0]!.requests[0]!, puppets[1]!.requests[0]!];
    first.call('book_table');
    second.call('book_table');
    first.end();
    await settled();
    expect(second.isAborted).toBe(true);
    expect(asked).toMatchObject({ calls: ['book_table'], end: 'whole' });
    expect(await hedges()).toEqual({ 'a>b first': 1 });
    expect(outcomes().sort()).toEqual(['a ok', 'b aborted']);
    expect(puppets.map(({ warmings }) => warmings)).toEqual([0, 1]);
  });

  test('is replaced as ever when it fails before that: the next one is then the first', async () => {
    const { ask, puppets, clock, hedges, changes } = puppetLine(['a', 'b', 'c'], AFTER_MS);
    const asked = ask();
    await settled();
    clock.advance(AFTER_MS - 1);
    puppets[0]!.requests[0]!.fail('It broke.');
    await settled();
    expect(changes).toEqual(['a > b: ERR_SERVICE_FAILED']);
    clock.advance(AFTER_MS - 1);
    await settled();
    expect(puppets[2]!.requests).toEqual([]);
    clock.advance(1);
    await settled();
    puppets[2]!.requests[0]!.say('Hello.');
    puppets[2]!.requests[0]!.end();
    await settled();
    expect(asked).toMatchObject({ words: 'Hello.', end: 'whole' });
    expect(await hedges()).toEqual({ 'b>c second': 1 });
  });

  test.each([
    ['first', 0, 1],
    ['second', 1, 0],
  ] as const)(
    'goes on with the other when the %s fails while both are under way, and says nothing of it',
    async (_, failing, other) => {
      const { ask, puppets, clock, outcomes, changes, breakers } = puppetLine(['a', 'b', 'c'], AFTER_MS);
      const asked = ask();
      await settled();
      clock.advance(AFTER_MS);
      await settled();
      puppets[failing]!.requests[0]!.fail('It broke.');
      await settled();
      expect(asked.end).toBeNull();
      puppets[other]!.requests[0]!.say('Hello.');
      puppets[other]!.requests[0]!.end();
      await settled();
      expect(asked).toMatchObject({ words: 'Hello.', end: 'whole' });
      expect(outcomes()).toEqual([`${'ab'[failing]} ERR_SERVICE_FAILED`, `${'ab'[other]} ok`]);
      expect(breakers[failing]!.state).toMatchObject({ inRow: 1 });
      expect(changes).toEqual([]);
      expect(puppets[2]!.requests).toEqual([]);
    },
  );

  test('does not go back in the middle of an answer to one that failed before the other began to speak', async () => {
    const { ask, puppets, clock } = puppetLine(['a', 'b'], AFTER_MS);
    const asked = ask();
    await settled();
    clock.advance(AFTER_MS);
    await settled();
    puppets[0]!.requests[0]!.fail('a broke.');
    await settled();
    puppets[1]!.requests[0]!.say('We are');
    await settled();
    puppets[1]!.requests[0]!.fail('b broke.');
    await settled();
    expect(asked.end).toMatchObject({ message: 'b broke.' });
    expect(puppets[0]!.requests.length).toBe(1);
  });

  test('goes on past both when both fail', async () => {
    const { ask, puppets, clock, hedges, changes } = puppetLine(['a', 'b', 'c'], AFTER_MS);
    const asked = ask();
    await settled();
    clock.advance(AFTER_MS);
    await settled();
    puppets[1]!.requests[0]!.fail('b broke.');
    await settled();
    puppets[0]!.requests[0]!.fail('a broke.');
    await settled();
    puppets[2]!.requests[0]!.say('Hello.');
    puppets[2]!.requests[0]!.end();
    await settled();
    expect(asked).toMatchObject({ words: 'Hello.', end: 'whole' });
    expect(changes).toEqual(['a > c: ERR_SERVICE_FAILED']);
    expect(await hedges()).toEqual({ 'a>b failed': 1 });
    expect(puppets[0]!.requests.length + puppets[1]!.requests.length).toBe(2);
  });

  test('fails with the last failure when no other is left', async () => {
    const { ask, puppets, clock } = puppetLine(['a', 'b'], AFTER_MS);
    const asked = ask();
    await settled();
    clock.advance(AFTER_MS);
    await settled();
    puppets[0]!.requests[0]!.fail('a broke.');
    await settled();
    puppets[1]!.requests[0]!.fail('b broke.');
    await settled();
    expect(asked.end).toMatchObject({ code: 'ERR_SERVICE_FAILED', message: 'b broke.' });
    expect(clock.pendingCount).toBe(0);
  });

  test.each(['before the second', 'with both under way', 'in the middle of the words'])(
    'ends all at once when the caller speaks over it %s',
    async (when) => {
      const { ask, puppets, clock, outcomes, breakers, hedges } = puppetLine(['a', 'b'], AFTER_MS);
      const turn = new AbortController();
      const asked = ask(turn.signal);
      await settled();
      if (when !== 'before the second') clock.advance(AFTER_MS);
      await settled();
      if (when === 'in the middle of the words') puppets[1]!.requests[0]!.say('Well, ');
      await settled();
      turn.abort('interrupted');
      await settled();
      expect(asked.end).toBe('interrupted');
      const requests = puppets.flatMap((puppet) => puppet.requests);
      expect(requests.length).toBe(when === 'before the second' ? 1 : 2);
      expect(requests.every(({ isAborted }) => isAborted)).toBe(true);
      expect(outcomes()).toEqual(requests.map((_, index) => `${'ab'[index]} aborted`));
      expect(breakers.map(({ state }) => state)).toMatchObject([{ inRow: 0 }, { inRow: 0 }]);
      expect(await hedges()).toEqual(
        { 'before the second': {}, 'with both under way': { 'a>b dropped': 1 } }[when] ?? { 'a>b second': 1 },
      );
      expect(clock.pendingCount).toBe(0);
    },
  );

  test('fails over in the middle of an answer without a second request, back to the slower one if need be', async () => {
    const { ask, puppets, clock, changes, hedges } = puppetLine(['a', 'b'], AFTER_MS);
    const asked = ask();
    await settled();
    clock.advance(AFTER_MS);
    await settled();
    puppets[1]!.requests[0]!.say('We are');
    await settled();
    puppets[1]!.requests[0]!.fail('b broke.');
    await settled();
    const again = puppets[0]!.requests[1]!;
    expect(again.request).toMatchObject({ said: 'We are' });
    clock.advance(AFTER_MS * 2);
    await settled();
    expect(puppets.map(({ requests }) => requests.length)).toEqual([2, 1]);
    again.say('open.');
    again.end();
    await settled();
    expect(asked).toMatchObject({ words: 'We are open.', end: 'whole' });
    expect(changes).toEqual(['b > a: ERR_SERVICE_FAILED']);
    expect(await hedges()).toEqual({ 'a>b second': 1 });
  });

  test('passes over a service that is left alone, and asks none that is only tried a second time', async () => {
    const { ask, puppets, clock, breakers } = puppetLine(['a', 'b', 'c'], AFTER_MS);
    breakers[1]!.begin()!.failed({ refused: true, waitMs: null });
    ask();
    await settled();
    clock.advance(AFTER_MS);
    await settled();
    expect(puppets.map(({ requests }) => requests.length)).toEqual([1, 0, 1]);

    const alone = puppetLine(['a'], AFTER_MS);
    alone.breakers[0]!.begin()!.failed({ refused: false, waitMs: 5_000 });
    alone.clock.advance(5_000);
    const trial = alone.ask();
    await settled();
    alone.clock.advance(AFTER_MS);
    await settled();
    expect(alone.puppets[0]!.requests.length).toBe(1);
    alone.puppets[0]!.requests[0]!.say('Hello.');
    alone.puppets[0]!.requests[0]!.end();
    await settled();
    expect(trial).toMatchObject({ words: 'Hello.', end: 'whole' });
  });

  test('gives up the first when its time is over, and waits on for the second', async () => {
    const { ask, puppets, clock, outcomes } = puppetLine(['a', 'b'], AFTER_MS);
    const asked = ask();
    await settled();
    clock.advance(AFTER_MS);
    await settled();
    clock.advance(FIRST_RESPONSE_MS - AFTER_MS);
    await settled();
    expect(outcomes()).toEqual(['a ERR_SERVICE_TIMEOUT']);
    clock.advance(FIRST_RESPONSE_MS);
    await settled();
    puppets[1]!.requests[0]!.say('Hello.');
    puppets[1]!.requests[0]!.end();
    await settled();
    expect(asked).toMatchObject({ words: 'Hello.', end: 'whole' });
  });

  test('that hangs in every request is left alone in the end, though each was outrun before its time', async () => {
    const { ask, puppets, clock, breakers } = puppetLine(['a', 'b'], AFTER_MS);
    let count = 0;
    for (; breakers[0]!.passes && count < 50; count++) {
      ask();
      await settled();
      clock.advance(AFTER_MS);
      await settled();
      clock.advance(50);
      puppets[1]!.requests[count]!.say('Hello.');
      puppets[1]!.requests[count]!.end();
      await settled();
    }
    // Each is silent for 250 ms, four of them for as long as one may be, and three such failures in a row are too many.
    expect(count).toBe(12);
    expect(breakers[1]!.passes).toBe(true);
  });
});

describe('a language model with a second request at once', () => {
  test('gives the answer of the faster one, whichever it is', async () => {
    const { ask, puppets, hedges, clock } = puppetLine(['a', 'b'], 0);
    for (const [index, faster] of [1, 0, 1].entries()) {
      const asked = ask();
      await settled();
      const [one, other] = [puppets[faster]!.requests[index]!, puppets[1 - faster]!.requests[index]!];
      one.say('Mine.');
      await settled();
      other.say('Not mine.');
      one.end();
      await settled();
      expect(asked).toMatchObject({ words: 'Mine.', end: 'whole' });
      expect(other.isAborted).toBe(true);
    }
    expect(await hedges()).toEqual({ 'a>b second': 2, 'a>b first': 1 });
    expect(clock.pendingCount).toBe(0);
  });

  test('is asked twice itself when the list has no other', async () => {
    const { ask, puppets, hedges, runs, breakers } = puppetLine(['a'], 0);
    const asked = ask();
    await settled();
    const [first, second] = puppets[0]!.requests;
    second!.say('Hello.');
    second!.count(9, 3);
    second!.end();
    await settled();
    expect(first!.isAborted).toBe(true);
    expect(asked).toMatchObject({ words: 'Hello.', end: 'whole' });
    expect(await hedges()).toEqual({ 'a>a second': 1 });
    expect(runs).toMatchObject([
      { service: 'a', outcome: 'aborted', firstAtMs: null, usage: {} },
      { service: 'a', outcome: 'ok', usage: { inputTokens: 9, outputTokens: 3 } },
    ]);
    expect(breakers[0]!.state).toMatchObject({ name: 'closed', inRow: 0 });
  });

  test('takes an answer without words for an answer', async () => {
    const { ask, puppets } = puppetLine(['a', 'b'], 0);
    const asked = ask();
    await settled();
    puppets[0]!.requests[0]!.end();
    await settled();
    expect(asked).toMatchObject({ words: '', end: 'whole' });
    expect(puppets[1]!.requests[0]!.isAborted).toBe(true);
  });

  test('proves nothing of the slower one, however often it is the slower', async () => {
    const { ask, puppets, clock, breakers } = puppetLine(['a', 'b'], 0);
    for (let count = 0; count < 30; count++) {
      ask();
      await settled();
      clock.advance(500);
      puppets[1]!.requests[count]!.say('Hello.');
      puppets[1]!.requests[count]!.end();
      await settled();
    }
    expect(breakers[0]!.state).toMatchObject({ name: 'closed', inRow: 0 });
  });
});

test('a language model without hedging is never asked twice', async () => {
  const { ask, puppets, clock } = puppetLine(['a', 'b'], null);
  ask();
  await settled();
  clock.advance(FIRST_RESPONSE_MS - 1);
  await settled();
  expect(puppets.map(({ requests }) => requests.length)).toEqual([1, 0]);
});
