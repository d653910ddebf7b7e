import { describe, expect, test } from 'vitest';
import type { ClientEvent } from '../../src/agent/client-events.ts';
import {
  type CallView,
  IDLE_VIEW,
  VIEW_LIMITS,
  withAgentEvent,
  withPopChange,
} from '../../web/src/client/call-view.ts';
import { isPaused, momentWords, runningTools, spokenMoment } from '../../web/src/client/moments.ts';

const follow = (...events: ClientEvent[]): CallView => events.reduce(withAgentEvent, IDLE_VIEW);

const line = (id: string): ClientEvent => ({
  type: 'transcript',
  id,
  turn: 1,
  role: 'caller',
  text: 'words',
  final: true,
});
type ToolState = Extract<ClientEvent, { type: 'tool' }>['state'];
const tool = (id: string, state: ToolState, turn = 1): ClientEvent => {
  return { type: 'tool', id, turn, name: 'book_table', state, tookMs: state === 'running' ? null : 340 };
};
const sound = (outcome: 'paused' | 'confirmed' | 'rejected', turn = 1): ClientEvent => {
  return { type: 'interruption', turn, outcome };
};

describe('another machine', () => {
  test('is a note after the newest line, with the time for which the agent was away', () => {
    const view = follow(line('a'), { type: 'moved', reason: 'core-lost', gapMs: 412 }, line('b'), {
      type: 'moved',
      reason: 'placement',
      gapMs: 80,
    });
    expect(view.moments).toMatchObject([
      { kind: 'moved', key: 'moved-0', afterLine: 'a', gapMs: 412 },
      { kind: 'moved', key: 'moved-1', afterLine: 'b', gapMs: 80 },
    ]);
    expect(view.notices).toEqual([]);
  });

  test.each([
    ['core-lost', 'The agent’s machine was lost; another went on'],
    ['core-shutdown', 'The agent’s machine was stopped; another went on'],
    ['drain', 'The agent’s machine is being emptied; another went on'],
    ['order', 'The agent was moved to another machine and went on'],
    ['placement', 'The agent was moved to a better place and went on'],
  ] as const)('says why, also to who does not see it: %s', (reason, words) => {
    const [moment] = follow({ type: 'moved', reason, gapMs: 1_234 }).moments;
    expect(momentWords(moment!)).toBe(words);
    expect(spokenMoment(moment!)).toBe(`${words} after 1.2 s`);
  });

  test('that took over without a gap is told without one', () => {
    const [moment] = follow({ type: 'moved', reason: 'order', gapMs: 0 }).moments;
    expect(spokenMoment(moment!)).toBe('The agent was moved to another machine and went on');
  });
});

describe('another POP', () => {
  test('by which a lost caller came back is told with the time without sound', () => {
    const { moments } = withPopChange(IDLE_VIEW, { region: 'eu-central-1', gapMs: 640, sentAway: false });
    expect(moments.map((moment) => spokenMoment(moment))).toEqual(['You came back by eu-central-1 after 640 ms']);
  });

  test('to which a caller was sent is told as that', () => {
    const { moments } = withPopChange(IDLE_VIEW, { region: 'eu-central-1', gapMs: null, sentAway: true });
    expect(moments.map((moment) => spokenMoment(moment))).toEqual([
      'Your way in was closed; the call goes on by eu-central-1',
    ]);
  });
});

describe('a tool', () => {
  test('is shown while it runs and, in the same place, when it is done', () => {
    const running = follow(line('a'), tool('t', 'running'), line('b'));
    expect(runningTools(running.moments)).toEqual(['book_table']);
    expect(running.moments).toMatchObject([{ state: 'running', tookMs: null, afterLine: 'a' }]);
    const done = withAgentEvent(running, tool('t', 'ok'));
    expect(runningTools(done.moments)).toEqual([]);
    expect(done.moments).toMatchObject([{ state: 'ok', tookMs: 340, afterLine: 'a' }]);
  });

  test('with the id of one in another turn is another', () => {
    expect(follow(tool('t', 'ok', 1), tool('t', 'running', 2)).moments).toHaveLength(2);
  });

  test('that ended without having begun is shown as well', () => {
    const { moments } = follow(tool('t', 'unknown-tool'));
    expect(moments.map((moment) => momentWords(moment))).toEqual(['does not exist']);
  });
});

describe('a sound over the agent', () => {
  test('is a pause until it is known what it was', () => {
    const paused = follow(sound('paused'));
    expect(isPaused(paused.moments)).toBe(true);
    const rejected = withAgentEvent(paused, sound('rejected'));
    expect(isPaused(rejected.moments)).toBe(false);
    expect(rejected.moments.map((moment) => momentWords(moment))).toEqual(['Went on: the sound was not for the agent']);
  });

  test('that comes again in the turn is another moment, with a key of its own', () => {
    const { moments } = follow(sound('paused'), sound('rejected'), sound('paused'), sound('confirmed'));
    expect(moments).toMatchObject([{ outcome: 'rejected' }, { outcome: 'confirmed' }]);
    expect(new Set(moments.map(({ key }) => key)).size).toBe(2);
  });

  test('may cut the agent off without a pause before', () => {
    expect(follow(sound('confirmed')).moments).toMatchObject([{ outcome: 'confirmed', afterLine: null }]);
  });
});

test('a page that stays open keeps a bounded number of moments, the newest', () => {
  const events = Array.from({ length: VIEW_LIMITS.moments + 5 }, (_, index) => tool(`t${index}`, 'ok'));
  const { moments } = follow(...events);
  expect(moments).toHaveLength(VIEW_LIMITS.moments);
  expect(moments.at(-1)!.key).toBe(`tool-1-t${VIEW_LIMITS.moments + 4}`);
});

test('the newest usage replaces the one before', () => {
  const usage = (costUsd: number): ClientEvent => ({ type: 'usage', usage: { services: [], costUsd, unpriced: [] } });
  expect(follow(usage(1), usage(2)).usage?.costUsd).toBe(2);
});
