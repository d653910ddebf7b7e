import { describe, expect, it } from 'vitest';
import {
  applyNote,
  EMPTY_JOURNAL,
  type JournalState,
  resumedCall,
  resumedState,
  type WireNote,
} from '../../../src/agent/journal/index.ts';

const summed = (...notes: WireNote[]): JournalState => notes.reduce(applyNote, EMPTY_JOURNAL);
const caller = (at: number, turn: number, text: string): WireNote => ({
  type: 'context',
  change: { at, removed: 0, added: [{ role: 'caller', turn, text }] },
});
const WORDS = ['one', 'two', 'three', 'four'];
/** A word each half second. */
const spoken = WORDS.map((text, index) => ({ text, startMs: index * 500, endMs: index * 500 + 400 }));
const COUNTING: WireNote[] = [
  caller(0, 1, 'count'),
  { type: 'heard', turn: 1, packet: 77 },
  { type: 'reply', turn: 1, text: 'One two three four. Five\n six.' },
  { type: 'sentence', turn: 1, text: 'One two three four.' },
  { type: 'utterance', turn: 1, utterance: 2 },
  { type: 'sound', turn: 1, ms: 2_000, words: spoken },
  { type: 'sentence-ended', turn: 1 },
  { type: 'stretch', utterance: 2, atMs: 0, timestamp: 0xffff_ff00 },
  { type: 'reply-ended', turn: 1, hangUp: null },
];
const at = (ms: number) => (0xffff_ff00 + ms * 48) % 0x1_0000_0000;

describe('resumedCall()', () => {
  it.each([
    [0, '', 'One two three four. Five\n six.'],
    [399, '', 'One two three four. Five\n six.'],
    [400, 'One', 'two three four. Five\n six.'],
    [1_000, 'One two', 'three four. Five\n six.'],
    [1_900, 'One two three four.', 'Five\n six.'],
  ])('goes on with the first word that was not played to its end: %i ms', (ms, heard, rest) => {
    const { saying, conversation, nextTurn } = resumedCall(summed(...COUNTING), at(ms));
    expect(saying).toEqual({ turn: 1, heard, rest, complete: true, hangUp: null });
    expect(conversation.entries.slice(1).map((entry) => 'text' in entry && entry.text)).toEqual(heard ? [heard] : []);
    expect(nextTurn).toBe(2);
  });

  it('counts what was played over the pauses of the mouth', () => {
    const paused = summed(...COUNTING, { type: 'stretch', utterance: 2, atMs: 900, timestamp: at(5_000) });
    expect(resumedCall(paused, at(4_000)).saying).toMatchObject({ heard: 'One two' });
    expect(resumedCall(paused, at(5_499)).saying).toMatchObject({ heard: 'One two' });
    expect(resumedCall(paused, at(5_500)).saying).toMatchObject({ heard: 'One two three' });
    expect(resumedCall(paused, null).saying).toMatchObject({ heard: '' });
  });

  it('answers what was heard and has no answer, also when the answer had hardly begun to be made', () => {
    const heard = COUNTING.slice(0, 2);
    expect(resumedCall(summed(...heard), null)).toMatchObject({ unanswered: { turn: 1, text: 'count' }, saying: null });
    const begun = summed(...heard, { type: 'reply', turn: 1, text: 'One ' });
    expect(resumedCall(begun, null)).toMatchObject({ unanswered: { turn: 1, text: 'count' }, saying: null });
    const over = summed(...COUNTING, { type: 'reply-over', turn: 1 });
    expect(resumedCall(over, null)).toMatchObject({ unanswered: null, saying: null });
  });

  it('leaves out words of a turn that is not certain: they are heard again', () => {
    const presumed = summed(caller(0, 1, 'count'), { type: 'reply', turn: 1, text: 'One.' });
    expect(resumedCall(presumed, null)).toMatchObject({
      conversation: { entries: [] },
      unanswered: null,
      saying: null,
    });
  });

  it('does not run a tool again that was under way: its fate is unknown', () => {
    const tool = {
      role: 'tool',
      turn: 1,
      callId: 'c',
      name: 'pay',
      arguments: '{}',
      result: '',
      pending: true,
    } as const;
    const begun = summed(...COUNTING.slice(0, 2), { type: 'context', change: { at: 1, removed: 0, added: [tool] } });
    const { conversation, unanswered } = resumedCall(begun, null);
    expect(conversation.entries[1]).toMatchObject({ role: 'tool', name: 'pay' });
    expect(conversation.entries[1]).not.toHaveProperty('pending');
    expect(JSON.stringify(conversation.entries[1])).toContain('not known');
    expect(unanswered).toEqual({ turn: 1, text: 'count' });
  });

  it('takes a script back by the step that will be made again, and only by that', () => {
    const step: WireNote = { type: 'script', turn: 1, before: 'before', after: 'after' };
    expect(resumedCall(summed(...COUNTING, step), at(1_000)).script).toBe('after');
    expect(resumedCall(summed(...COUNTING.slice(0, 2), step), null).script).toBe('before');
    expect(resumedCall(summed(caller(0, 1, 'count'), step), null).script).toBe('before');
    expect(resumedCall(summed(...COUNTING), null).script).toBe(undefined);
  });

  it('begins the next journal with what the agent goes on with', () => {
    const state = summed(...COUNTING);
    const resumed = resumedCall(state, at(1_000));
    const next = resumedState(state, resumed);
    expect(next).toMatchObject({ consumed: 77, heardTurn: 1, reply: null });
    expect(resumedCall(next, null)).toMatchObject({
      conversation: resumed.conversation,
      saying: null,
      unanswered: null,
    });
  });

  it('ends the call where the answer that was cut would have', () => {
    const farewell = summed(...COUNTING.slice(0, -1), { type: 'reply-ended', turn: 1, hangUp: 'done' });
    expect(resumedCall(farewell, at(1_000)).saying).toMatchObject({ hangUp: 'done' });
  });
});
