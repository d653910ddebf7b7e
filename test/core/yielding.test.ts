/** When a session pauses for another core, by what its agent and its journal say. */
import { describe, expect, test } from 'vitest';
import { EMPTY_JOURNAL, type JournalReply, type JournalState, type WireNote } from '../../src/agent/journal/index.ts';
import { JournalWriter } from '../../src/core/journal-writer.ts';
import { YieldGate } from '../../src/core/yield-gate.ts';
import { hasBegun, isBetweenTurns, msToSentenceEnd } from '../../src/core/yield-moment.ts';
import { Yielding } from '../../src/core/yielding.ts';
import { silentLogger } from '../../src/telemetry/index.ts';
import { FakeClock } from '../support/fake-clock.ts';

function session(gate = new YieldGate()) {
  const clock = new FakeClock();
  const did: string[] = [];
  const told: unknown[] = [];
  const journal = new JournalWriter({ send: () => true });
  const mouth = { bufferedMs: 0, heard: () => ({ utterance: 1, playedMs: 300, writtenMs: 0, complete: false }) };
  const run = {
    mouth,
    pause: () => void did.push('pause'),
    goOn: () => void did.push('go on'),
    close: async () => void did.push('close'),
  };
  const ear = {
    position: 160_000,
    packetBefore: (position: number) => position / 320,
    hold: () => void did.push('hold'),
    goOn: () => void did.push('hear'),
  };
  const tell = (_event: string, { notes, atTurnBoundary, refused }: Record<string, unknown>) =>
    void told.push(refused ?? [notes, atTurnBoundary]);
  const parts = { seat: { ear, journal, tell }, run, gate, clock, log: silentLogger };
  const yielding = new Yielding({ ...parts, onForgotten: () => did.push('forgotten') } as never);
  const note = (...notes: WireNote[]) => {
    for (const one of notes) journal.note(one);
  };
  return { clock, yielding, did, told, note, mouth, soon: () => new Promise((resolve) => setImmediate(resolve)) };
}

const HEARD: WireNote = { type: 'heard', turn: 0, packet: 40 };
const SAYS: WireNote[] = [
  { type: 'reply', turn: 0, text: 'One two. Three four.' },
  { type: 'utterance', turn: 0, utterance: 1 },
  { type: 'sentence', turn: 0, text: 'One two.' },
  { type: 'sound', turn: 0, ms: 800, words: [] },
  { type: 'sentence-ended', turn: 0 },
  { type: 'sentence', turn: 0, text: 'Three four.' },
];
const OVER: WireNote = { type: 'reply-over', turn: 0 };

describe('a session that is to yield', () => {
  test('pauses at once between turns, and notes that the silence was heard but for the last half second', () => {
    const { yielding, did, told, note } = session();
    note(HEARD, ...SAYS, OVER);
    yielding.rests(true);
    yielding.ask({ withinMs: 1_000, cut: false });
    expect(did).toEqual(['hold', 'pause']);
    // Nine notes: those above, and that nothing was said up to packet (160000 - 8000) / 320.
    expect(told).toEqual([[9, true]]);
  });

  test('waits until the agent rests, nothing is being said and no tool runs', async () => {
    const { yielding, did, told, note, soon } = session();
    const tool = { role: 'tool', turn: 0, callId: 'c', name: 't', arguments: '{}', result: '' } as const;
    note(HEARD, ...SAYS, { type: 'context', change: { at: 0, removed: 0, added: [{ ...tool, pending: true }] } });
    yielding.ask({ withinMs: 60_000, cut: false });
    yielding.rests(true);
    await soon();
    note(OVER);
    yielding.noted();
    await soon();
    expect(told).toEqual([]);
    note({ type: 'context', change: { at: 0, removed: 1, added: [{ ...tool, result: 'done' }] } });
    yielding.noted();
    expect(did).toEqual([]); // not within what the agent does just now
    await soon();
    expect(did).toEqual(['hold', 'pause']);
  });

  test('says that no pause came, and goes on', () => {
    const { clock, yielding, did, told } = session();
    yielding.ask({ withinMs: 1_000, cut: false });
    clock.advance(999);
    expect(told).toEqual([]);
    clock.advance(1);
    expect([told, did]).toEqual([['No pause between turns came in time.'], []]);
    yielding.rests(true);
    expect(did).toEqual([]);
  });

  test('is cut off at the end of the sentence that is being said', () => {
    const { clock, yielding, did, told, note } = session();
    note(HEARD, ...SAYS);
    yielding.ask({ withinMs: 1_000, cut: true });
    // 300 of the 800 ms were played by then.
    clock.advance(1_499);
    expect(did).toEqual([]);
    clock.advance(1);
    expect(did).toEqual(['hold', 'pause', 'close']);
    expect(told).toEqual([[7, false]]);
    expect(() => yielding.cancel()).toThrow(expect.objectContaining({ code: 'ERR_HANDOVER_REFUSED' }));
  });

  test('goes on as if nothing had happened when it stays', () => {
    const { clock, yielding, did } = session();
    yielding.rests(true);
    yielding.ask({ withinMs: 1_000, cut: true });
    yielding.cancel();
    expect(did).toEqual(['hold', 'pause', 'go on', 'hear']);
    clock.advance(100_000);
    expect(did.length).toBe(4);
    expect(clock.pendingCount).toBe(0);
  });

  test('is not forgotten for ever', () => {
    const { clock, yielding, did } = session();
    yielding.rests(true);
    yielding.ask({ withinMs: 1_000, cut: false });
    clock.advance(30_000);
    expect(did.at(-1)).toBe('forgotten');
  });

  test('waits for its turn while others move, and takes it when one is gone', () => {
    const gate = new YieldGate({ maxPaused: 1 });
    const [first, second] = [session(gate), session(gate)];
    for (const { yielding } of [first, second]) {
      yielding.rests(true);
      yielding.ask({ withinMs: 1_000, cut: false });
    }
    expect([first.told.length, second.told.length, gate.paused]).toEqual([1, 0, 1]);
    first.yielding.close();
    expect([second.told.length, gate.paused]).toEqual([1, 1]);
    second.yielding.close();
    second.yielding.close();
    expect(gate.paused).toBe(0);
  });
});

describe('a moment to yield', () => {
  const state = (change: Partial<JournalState>): JournalState => ({ ...EMPTY_JOURNAL, ...change });
  const reply = (sentences: JournalReply['sentences']): JournalReply => ({
    ...{ turn: 1, text: '', ended: false, hangUp: null, utterance: 1, stretches: [], sentences },
  });

  test('is between turns when nothing is being said and no tool runs', () => {
    expect(isBetweenTurns(EMPTY_JOURNAL)).toBe(true);
    expect(isBetweenTurns(state({ reply: reply([]) }))).toBe(false);
    expect([hasBegun(EMPTY_JOURNAL), hasBegun(state({ answeredTurn: 0 }))]).toEqual([false, true]);
  });

  test('is the end of the sentence that sounds, where that is known', () => {
    const [first, open] = [
      { text: 'One.', ms: 500, ended: true, words: [] },
      { text: 'Two.', ms: 400, ended: false, words: [] },
    ];
    expect(msToSentenceEnd(reply([first, open]), 200)).toBe(300);
    expect(msToSentenceEnd(reply([first, open]), 700)).toBe(null);
    expect(msToSentenceEnd(reply([first, { ...open, ended: true }]), 700)).toBe(200);
    expect(msToSentenceEnd(reply([first]), 500)).toBe(null);
    expect(msToSentenceEnd(null, 0)).toBe(null);
  });
});
