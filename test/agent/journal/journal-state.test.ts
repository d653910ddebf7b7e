import { describe, expect, it } from 'vitest';
import {
  applyNote,
  EMPTY_JOURNAL,
  type JournalState,
  notesOf,
  type WireNote,
} from '../../../src/agent/journal/index.ts';

const CALLER = { role: 'caller', turn: 1, text: 'what time is it' } as const;
const TOOL = {
  role: 'tool',
  turn: 1,
  callId: 'c1',
  name: 'clock',
  arguments: '{}',
  result: 'runs',
  pending: true,
} as const;

const NOTES: WireNote[] = [
  { type: 'context', change: { at: 0, removed: 0, added: [CALLER] } },
  { type: 'heard', turn: 1, packet: 120 },
  { type: 'context', change: { at: 1, removed: 0, added: [TOOL] } },
  { type: 'script', turn: 1, before: { step: 1 }, after: { step: 2 } },
  { type: 'reply', turn: 1, text: 'It is ten. ' },
  { type: 'reply', turn: 1, text: 'Anything else?' },
  { type: 'sentence', turn: 1, text: 'It is ten.' },
  { type: 'utterance', turn: 1, utterance: 4 },
  { type: 'sound', turn: 1, ms: 400, words: [{ text: 'It', startMs: 0, endMs: 200 }] },
  { type: 'stretch', utterance: 4, atMs: 0, timestamp: 4_294_967_000 },
  { type: 'sound', turn: 1, ms: 200, words: [] },
  { type: 'sentence-ended', turn: 1 },
  { type: 'reply-ended', turn: 1, hangUp: null },
];

const summed = (notes: readonly WireNote[], state: JournalState = EMPTY_JOURNAL) => notes.reduce(applyNote, state);

describe('applyNote()', () => {
  it('adds notes up to the context, the words that are being said, and where they lie on the time line', () => {
    expect(summed(NOTES)).toEqual({
      context: [CALLER, TOOL],
      consumed: 120,
      heardTurn: 1,
      answeredTurn: -1,
      messages: 0,
      script: { turn: 1, before: { step: 1 }, after: { step: 2 } },
      reply: {
        turn: 1,
        text: 'It is ten. Anything else?',
        ended: true,
        hangUp: null,
        utterance: 4,
        sentences: [{ text: 'It is ten.', ms: 600, ended: true, words: [{ text: 'It', startMs: 0, endMs: 200 }] }],
        stretches: [{ atMs: 0, timestamp: 4_294_967_000 }],
      },
    });
  });

  it('forgets an answer that is over, and not the next one for it', () => {
    const over = summed([{ type: 'reply-over', turn: 1 }], summed(NOTES));
    expect(over).toMatchObject({ reply: null, answeredTurn: 1 });
    const next = summed(
      [
        { type: 'reply', turn: 3, text: 'So' },
        { type: 'reply-over', turn: 1 },
      ],
      over,
    );
    expect(next).toMatchObject({ reply: { turn: 3, text: 'So' }, answeredTurn: 1 });
  });

  it('ignores stretches of another utterance, and never goes back on what was heard', () => {
    const state = summed(NOTES);
    expect(summed([{ type: 'stretch', utterance: 9, atMs: 0, timestamp: 5 }], state)).toEqual(state);
    const later = summed(
      [
        { type: 'listened', packet: 90 },
        { type: 'heard', turn: 0, packet: null },
      ],
      state,
    );
    expect(later).toEqual(state);
  });

  it('leaves the state that it is given as it was', () => {
    const state = summed(NOTES);
    const before = structuredClone(state);
    summed(
      [
        { type: 'sound', turn: 1, ms: 20, words: [] },
        { type: 'context', change: { at: 0, removed: 2, added: [] } },
      ],
      state,
    );
    expect(state).toEqual(before);
  });
});

describe('notesOf()', () => {
  it('tells a state from the start', () => {
    expect(summed(notesOf(summed(NOTES)))).toEqual(summed(NOTES));
    expect(notesOf(EMPTY_JOURNAL)).toEqual([]);
    const long = summed([
      {
        type: 'context',
        change: { at: 0, removed: 0, added: Array.from({ length: 50 }, (_, turn) => ({ ...CALLER, turn })) },
      },
      { type: 'listened', packet: 7 },
    ]);
    expect(summed(notesOf(long))).toEqual(long);
  });
});
