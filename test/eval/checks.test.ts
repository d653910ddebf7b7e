import { describe, expect, test } from 'vitest';
import { type Check, checkCall, checkLatency, checkTurn, fitsArguments } from '../../src/eval/checks.ts';
import type { CallRecord, Line, ToolUse, TurnRecord } from '../../src/eval/eval-call.ts';

const line = (role: Line['role'], turn: number, text: string): Line => ({
  ...{ role, turn, text, atMs: turn * 1_000, endMs: turn * 1_000 + 500, final: true, interrupted: false },
});
const tool = (name: string, turn: number, given: unknown): ToolUse => ({
  ...{ name, turn, atMs: turn * 1_000, arguments: given, outcome: 'ok', tookMs: 3 },
});
const turn = (said: string, latencyMs: number | null, silentAfterMs: number | null = null): TurnRecord => ({
  ...{ said, atMs: 0, endMs: 0, latencyMs, silentAfterMs, sound: null },
});

const record: CallRecord = {
  turns: [turn('a table please', 420), turn('for two', null, 310)],
  lines: [
    line('agent', 0, 'Welcome.'),
    line('caller', 1, 'a table please'),
    line('agent', 1, 'One moment.'),
    line('agent', 1, 'For how   many people?'),
    line('caller', 2, 'for two'),
  ],
  tools: [tool('find', 1, { day: 'Friday' }), tool('book', 2, { people: 2, when: { day: 'Friday', hour: 7 } })],
  notices: [],
  endedBy: 'caller',
  durationMs: 3_000,
  audio: null,
  callerLateMs: null,
  failure: null,
};

/** Paths of what did not come. */
const missed = (checks: readonly Check[]) => checks.filter(({ problem }) => problem !== null).map(({ path }) => path);

describe('the words of an answer', () => {
  test('are those of its turn, compared without capitals and line breaks', () => {
    const checks = checkTurn({ contains: ['MOMENT. for how many'], matches: ['people\\?$'] }, record, 1);
    expect(checks).toHaveLength(2);
    expect(missed(checks)).toEqual([]);
    expect(missed(checkTurn({ contains: ['Welcome'] }, record, 1))).toEqual(['turns.0.contains']);
    expect(missed(checkCall({ contains: ['welcome'] }, record))).toEqual([]);
  });

  test('that must not be there are found, and quoted', () => {
    const [check] = checkTurn({ not: ['how many'] }, record, 1);
    expect(check?.problem).toBe('the agent said "One moment. For how   many people?"');
  });

  test('of the caller count for nothing', () => {
    expect(missed(checkCall({ contains: ['for two'] }, record))).toEqual(['call.contains']);
  });

  test('come in their order or not', () => {
    expect(missed(checkCall({ inOrder: ['welcome', 'moment', 'people'] }, record))).toEqual([]);
    expect(missed(checkCall({ inOrder: ['people', 'moment'] }, record))).toEqual(['call.inOrder']);
    expect(missed(checkCall({ inOrder: ['moment', 'moment'] }, record))).toEqual(['call.inOrder']);
  });

  test('of a turn that was never held are missed', () => {
    expect(checkTurn({ not: ['anything'] }, record, 3)[0]?.problem).toBe('the call was over before it');
  });
});

describe('tools', () => {
  const tools = (expected: NonNullable<Parameters<typeof checkCall>[0]['tools']>) =>
    missed(checkCall({ tools: expected }, record));

  test('were called with these arguments among others', () => {
    expect(tools({ called: ['find', { name: 'book', arguments: { when: { day: '/^fri/' } } }] })).toEqual([]);
    expect(tools({ called: [{ name: 'book', arguments: { people: 3 } }] })).toEqual(['call.tools.called.0']);
    expect(tools({ called: [{ name: 'book', arguments: { name: 'Ann' } }] })).toEqual(['call.tools.called.0']);
  });

  test('were called in an order, so often, not at all', () => {
    expect(tools({ called: ['find', 'book'], inOrder: true })).toEqual([]);
    expect(tools({ called: ['book', 'find'], inOrder: true })).toEqual(['call.tools.called.1']);
    expect(tools({ called: ['book', 'find'] })).toEqual([]);
    expect(tools({ called: [{ name: 'find', times: 2 }] })).toEqual(['call.tools.called.0']);
    expect(tools({ notCalled: ['cancel'] })).toEqual([]);
    expect(tools({ notCalled: ['book'] })).toEqual(['call.tools.notCalled']);
    expect(tools({ atMost: 1 })).toEqual(['call.tools.atMost']);
  });

  test('of another turn are not of this one', () => {
    expect(missed(checkTurn({ tools: { called: ['book'] } }, record, 1))).toEqual(['turns.0.tools.called.0']);
    expect(missed(checkTurn({ tools: { called: ['book'] } }, record, 2))).toEqual([]);
  });

  test.each([
    [{ a: [1, 2] }, { a: [1, 2], b: 3 }, true],
    [{ a: [1] }, { a: [1, 2] }, false],
    [{ a: null }, { a: null }, true],
    [{ a: null }, {}, false],
    [{ a: 'x' }, { a: 'X' }, false],
    [{ a: '/x/' }, { a: 'aXb' }, true],
    [{ toString: 'x' }, {}, false],
  ])('%j in %j: %j', (wanted, given, fits) => {
    expect(fitsArguments(wanted, given)).toBe(fits);
  });
});

describe('times', () => {
  test('are within their budgets, and an answer that never came is not', () => {
    expect(missed(checkTurn({ withinMs: 420 }, record, 1))).toEqual([]);
    expect(checkTurn({ withinMs: 419 }, record, 1)[0]?.problem).toBe('it took 420 ms');
    expect(checkTurn({ withinMs: 5_000 }, record, 2)[0]?.problem).toBe('it never came');
    expect(missed(checkTurn({ silentWithinMs: 310 }, record, 2))).toEqual([]);
    expect(missed(checkTurn({ silentWithinMs: 300 }, record, 2))).toEqual(['turns.1.silentWithinMs']);
  });

  test('of all turns are held against p50 and p95', () => {
    expect(missed(checkLatency({ p50Ms: 500, p95Ms: 800 }, { p50Ms: 500, p95Ms: 801 }))).toEqual([
      'call.latency.p95Ms',
    ]);
    expect(missed(checkLatency({ p50Ms: 500 }, { p50Ms: null, p95Ms: null }))).toEqual(['call.latency.p50Ms']);
  });
});

test('who hung up is told', () => {
  expect(missed(checkCall({ endedBy: 'caller' }, record))).toEqual([]);
  expect(checkCall({ endedBy: 'agent' }, record)[0]?.problem).toBe('it was ended by caller');
});
