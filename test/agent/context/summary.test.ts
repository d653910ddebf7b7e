import { describe, expect, test } from 'vitest';
import { estimateTokens, summarizable, transcriptOf } from '../../../src/agent/context/index.ts';
import type { ConversationEntry } from '../../../src/agent/index.ts';

const caller = (turn: number): ConversationEntry => ({ role: 'caller', turn, text: `question ${turn}` });
const agent = (turn: number): ConversationEntry => ({
  role: 'agent',
  turn,
  text: `answer ${turn}`,
  interrupted: false,
});
const tool = (turn: number, pending?: true): ConversationEntry => ({
  ...{ role: 'tool', turn, callId: `c${turn}`, name: 'look', arguments: '{}', result: 'seen' },
  ...(pending && { pending }),
});

describe('what of a context can be summarized', () => {
  const talk = [agent(0), caller(1), tool(1), agent(1), caller(2), agent(2), caller(3), agent(3)];

  test('is the oldest, so that what stays begins with the caller and is no shorter than wanted', () => {
    expect(summarizable(talk, 2)).toEqual(talk.slice(0, 6));
    expect(summarizable(talk, 3)).toEqual(talk.slice(0, 4));
    expect(summarizable(talk, 4)).toEqual(talk.slice(0, 4));
    expect(summarizable(talk, 5)).toEqual([]);
  });

  test('is nothing when it would gain nothing', () => {
    expect(summarizable([], 0)).toEqual([]);
    expect(summarizable([caller(1), agent(1)], 0)).toEqual([]);
    expect(summarizable(talk, 100)).toEqual([]);
  });

  test('ends before a tool that still runs', () => {
    const running = [agent(0), caller(1), agent(1), caller(2), tool(2, true), agent(2), caller(3), agent(3)];
    expect(summarizable(running, 2)).toEqual(running.slice(0, 3));
  });
});

test('tokens are a quarter of the characters of words, arguments and answers', () => {
  expect(estimateTokens([])).toBe(0);
  expect(estimateTokens([{ role: 'caller', turn: 1, text: 'x'.repeat(400) }])).toBe(100);
  expect(estimateTokens([tool(1)])).toBe(3);
});

test('a transcript is plain lines', () => {
  expect(
    transcriptOf([
      { role: 'summary', turn: 0, text: 'They met.' },
      caller(1),
      tool(1),
      { role: 'agent', turn: 1, text: 'It is', interrupted: true },
    ]),
  ).toBe(
    'Before that: They met.\nCaller: question 1\nTool look({}) answered: seen\nAgent: It is [the caller spoke over the rest]',
  );
});
