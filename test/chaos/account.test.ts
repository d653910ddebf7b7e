import { describe, expect, test } from 'vitest';
import { accountOf, usualWaits } from './account.ts';
import { type AgentWord, type CallLog, emptyLog } from './caller/call-log.ts';
import type { LedgerEntry } from './services/ledger.ts';

const FAULT = { fromMs: 0, atMs: 10_000, usual: { plainMs: 700, toolMs: 1_300 } };
const LEDGER: LedgerEntry = { heard: [1, 2, 3, 4, 5], heardTwice: [], runs: [], requests: 1, turns: [] };

/** Words of 200 ms, 300 ms apart. */
function words(fromMs: number, numbers: readonly number[]): AgentWord[] {
  return numbers.map((number, index) => {
    const startMs = fromMs + 300 * index;
    return { number, ms: 200, startMs, endMs: startMs + 180 };
  });
}

function log(heard: AgentWord[], more: Partial<CallLog> = {}): CallLog {
  return { ...emptyLog(1), heard, ...more };
}

describe('the account of a call', () => {
  test('of one that nothing happened to is clean', () => {
    const heard = words(9_000, [1, 2, 3, 4, 5, 6, 7, 8]);
    const said = [1, 2, 3, 4, 5].map((number) => ({ number, atMs: 5_000 }));
    expect(accountOf(log(heard, { said }), LEDGER, FAULT)).toMatchObject({
      ...{ survived: true, callerWordsLost: [], agentWordsLost: [], agentWordsRepeated: [], toolsRunTwice: [] },
      ...{ gapMs: 20, gapIn: 'answer', otherWords: 0 },
    });
  });

  test('counts a word that was cut near its end and said again as neither lost nor repeated', () => {
    const [one, two, ...rest] = words(9_400, [1, 2, 3, 4, 5, 6, 7, 8]);
    const cut = { ...two!, ms: 180, endMs: two!.endMs - 20 };
    const again = words(10_600, [2]);
    const heard = [one!, cut, ...again, ...rest.map((word) => ({ ...word, startMs: word.startMs + 2_000 }))];
    expect(accountOf(log(heard), LEDGER, FAULT)).toMatchObject({ agentWordsLost: [], agentWordsRepeated: [] });
  });

  test('counts a word that was whole and is said again as repeated, and one of which half came as lost', () => {
    const half = { ...words(10_600, [3])[0]!, ms: 100 };
    const heard = [...words(9_000, [1, 2]), half, ...words(11_000, [4, 5, 2, 6, 7, 8])];
    expect(accountOf(log(heard), LEDGER, FAULT)).toMatchObject({ agentWordsLost: [3], agentWordsRepeated: [2] });
  });

  test('takes a word that goes on in another stream for one, also when a little of it came twice', () => {
    const [one, two, ...rest] = words(9_000, [1, 2, 3, 4, 5, 6, 7, 8]);
    const begun = { ...two!, ms: 140, endMs: 9_440 };
    const goesOn = { ...two!, ms: 80, startMs: 9_530, endMs: 9_590 };
    const heard = [one!, begun, goesOn, ...rest.map((word) => ({ ...word, startMs: word.startMs + 90 }))];
    expect(accountOf(log(heard), LEDGER, FAULT)).toMatchObject({ agentWordsLost: [], agentWordsRepeated: [] });
  });

  test('takes a word that was cut and said again in pieces for neither lost nor repeated', () => {
    const [one, two, ...rest] = words(9_000, [1, 2, 3, 4, 5, 6, 7, 8]);
    const cut = { ...two!, ms: 180, endMs: 9_460 };
    const pieces = [20, 80, 80].map((ms, index) => {
      const startMs = 10_200 + 90 * index;
      return { number: 2, ms, startMs, endMs: startMs + ms - 20 };
    });
    const heard = [one!, cut, ...pieces, ...rest.map((word) => ({ ...word, startMs: word.startMs + 1_000 }))];
    expect(accountOf(log(heard), LEDGER, FAULT)).toMatchObject({ agentWordsLost: [], agentWordsRepeated: [] });
  });

  test('takes the longest hole within an answer after the fault for the gap, not the pause between answers', () => {
    const heard = [
      ...words(5_000, [1, 2, 3, 4, 5, 6, 7, 8]),
      ...words(9_500, [9, 10]),
      ...words(10_700, [11, 12, 13, 14, 15, 16]),
    ];
    // n10 ended at 9980, and 100 ms of pause are its own.
    expect(accountOf(log(heard), LEDGER, FAULT)).toMatchObject({ gapMs: 620, gapIn: 'answer' });
  });

  test('takes what an answer came later than usual for a gap', () => {
    const turns = [{ fromMs: 8_000, toMs: 9_500, lastWord: 5 }];
    const heard = words(11_200, [1, 2, 3, 4, 5, 6, 7, 8]);
    expect(accountOf(log(heard, { turns }), LEDGER, FAULT)).toMatchObject({ gapMs: 1_000, gapIn: 'wait' });
  });

  test('knows words that the model never saw, and tools that really ran twice', () => {
    const said = [1, 2, 3].map((number) => ({ number, atMs: 6_001 }));
    const ledger = { ...LEDGER, heard: [1, 3], heardTwice: [3], runs: [10, 20, 20] };
    expect(accountOf(log([], { said }), ledger, FAULT)).toMatchObject({
      ...{ callerWordsLost: [2], callerWordsRepeated: [3], toolsRunTwice: [20] },
    });
  });

  test('counts nothing of before everything was calm', () => {
    const said = [1, 2].map((number) => ({ number, atMs: 3_000 * number }));
    const ledger = { ...LEDGER, heard: [] };
    const heard = [...words(2_000, [1, 3, 3, 4]), ...words(9_000, [5, 6, 8])];
    const fault = { ...FAULT, fromMs: 5_000 };
    expect(accountOf(log(heard, { said }), ledger, fault)).toMatchObject({
      ...{ callerWordsLost: [2], agentWordsLost: [7], agentWordsRepeated: [] },
    });
  });

  test('of a call that ended, or was never answered again, says that it did not survive', () => {
    const heard = words(7_000, [1, 2, 3, 4, 5, 6, 7, 8]);
    expect(accountOf(log(heard), LEDGER, FAULT)).toMatchObject({ survived: false, ended: null });
    const after = words(10_000, [1, 2, 3, 4, 5, 6, 7, 8]);
    const ended = 'agent-failed: gone';
    expect(accountOf(log(after, { ended }), LEDGER, FAULT)).toMatchObject({ survived: false, ended });
  });

  test('learns what is usual from all calls before the fault, with and without the tool', () => {
    const answered = (lastWord: number, waitMs: number) =>
      log(words(5_000 + waitMs, [1, 2]), { turns: [{ fromMs: 4_000, toMs: 5_000, lastWord }] });
    const logs = [answered(5, 600), answered(5, 700), answered(5, 900), answered(10, 1_250)];
    expect(usualWaits(logs, 10_000)).toEqual({ plainMs: 700, toolMs: 1_250 });
    expect(usualWaits(logs.slice(0, 3), 10_000)).toEqual({ plainMs: 700, toolMs: 1_300 });
  });
});
