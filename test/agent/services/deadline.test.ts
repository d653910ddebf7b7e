import { expect, test } from 'vitest';
import { Deadline } from '../../../src/agent/services/deadline.ts';
import { FakeClock } from '../../support/fake-clock.ts';

/** Parts that come when a test says so. */
function parts() {
  const waiting: PromiseWithResolvers<IteratorResult<string>>[] = [];
  const iterable: AsyncIterable<string> = {
    [Symbol.asyncIterator]: () => ({
      next: () => {
        const next = Promise.withResolvers<IteratorResult<string>>();
        waiting.push(next);
        return next.promise;
      },
    }),
  };
  return {
    iterable,
    give: (value: string) => waiting.shift()!.resolve({ value, done: false }),
    end: () => waiting.shift()!.resolve({ value: undefined, done: true }),
  };
}

function begin(overrides: Partial<ConstructorParameters<typeof Deadline>[0]> = {}) {
  const clock = new FakeClock();
  const turn = new AbortController();
  const options = { service: 'Acme', clock, firstMs: 100, betweenMs: 1_000, signal: turn.signal, ...overrides };
  return { clock, turn, deadline: new Deadline(options) };
}

test('the first part has its own time, the others theirs, and the reader has none', async () => {
  const { clock, deadline } = begin();
  const source = parts();
  const reading = deadline.reading(source.iterable, (part) => part.toUpperCase());
  let next = reading.next();
  clock.advance(99);
  source.give('a');
  expect((await next).value).toBe('A');
  expect(clock.pendingCount).toBe(0);
  clock.advance(1_000_000);
  next = reading.next();
  clock.advance(999);
  expect(deadline.signal.aborted).toBe(false);
  source.give('b');
  expect((await next).value).toBe('B');
  next = reading.next();
  source.end();
  expect((await next).done).toBe(true);
  deadline.close();
  expect([clock.pendingCount, deadline.signal.aborted]).toEqual([0, false]);
});

test.each([
  ['first', 0, 100],
  ['next', 1, 1_000],
])('the %s part that does not come in time ends the request', async (_name, before, silentMs) => {
  const { clock, deadline } = begin();
  const source = parts();
  const reading = deadline.reading(source.iterable, (part) => part);
  let next = reading.next();
  for (let count = 0; count < before; count++) {
    source.give('part');
    await next;
    next = reading.next();
  }
  clock.advance(silentMs);
  expect(deadline.signal.aborted).toBe(true);
  expect(() => deadline.check()).toThrow(`Acme said nothing for ${silentMs} ms.`);
  source.give('too late');
  await expect(next).rejects.toMatchObject({ code: 'ERR_SERVICE_TIMEOUT' });
  expect(clock.pendingCount).toBe(0);
});

test('a turn that is over ends the request with its reason, and the first reason stays', () => {
  const { clock, turn, deadline } = begin();
  turn.abort('interrupted');
  deadline.stop('later');
  expect(deadline.reasonFor(new Error('what the library made of it'))).toBe('interrupted');
  expect(deadline.signal.reason).toBe('interrupted');
  expect(clock.pendingCount).toBe(0);
});

test('a turn that was over before arms nothing', () => {
  const { clock, deadline } = begin({ signal: AbortSignal.abort('over') });
  expect(() => deadline.check()).toThrow('over');
  expect(clock.pendingCount).toBe(0);
});

test('an answer that is not read to its end is given up', () => {
  const { clock, deadline } = begin();
  deadline.close();
  deadline.close();
  expect(deadline.signal.aborted).toBe(true);
  expect(clock.pendingCount).toBe(0);
});
