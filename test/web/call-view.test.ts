import { expect, test } from 'vitest';
import type { ClientEvent, TurnTimeline } from '../../src/agent/client-events.ts';
import { type CallView, IDLE_VIEW, VIEW_LIMITS, withAgentEvent } from '../../web/src/client/call-view.ts';

const say = (
  id: string,
  text: string,
  more: Partial<Extract<ClientEvent, { type: 'transcript' }>> = {},
): ClientEvent => ({
  type: 'transcript',
  id,
  turn: 1,
  role: 'agent',
  text,
  final: true,
  ...more,
});

const follow = (...events: ClientEvent[]): CallView => events.reduce(withAgentEvent, IDLE_VIEW);

test('a line grows in place while it is spoken', () => {
  const view = follow(
    say('a', 'what', { role: 'caller', final: false }),
    say('b', 'It is'),
    say('a', 'what time is it', { role: 'caller' }),
  );
  expect(view.transcript.map(({ text, final }) => [text, final])).toEqual([
    ['what time is it', true],
    ['It is', true],
  ]);
});

test('an interrupted line keeps what was heard of it', () => {
  const view = follow(say('a', 'one two three four'), say('a', 'one two', { interrupted: true }));
  expect(view.transcript).toMatchObject([{ text: 'one two', interrupted: true }]);
});

test('events that come twice after a resume change nothing', () => {
  const notice: ClientEvent = { type: 'notice', level: 'warning', code: 'slow', text: 'The model is slow today.' };
  const once = follow(say('a', 'Hello.'), notice);
  const twice = follow(say('a', 'Hello.'), notice, say('a', 'Hello.'), notice);
  expect(twice.transcript).toEqual(once.transcript);
  expect(twice.notices).toEqual(once.notices);
});

test('the oldest lines go when there are too many', () => {
  const lines = Array.from({ length: VIEW_LIMITS.transcriptLines + 5 }, (_, index) => say(`l${index}`, String(index)));
  const view = follow(...lines);
  expect(view.transcript).toHaveLength(VIEW_LIMITS.transcriptLines);
  expect(view.transcript[0]?.text).toBe('5');
});

test('a turn is recorded with the round trip that was measured then', () => {
  const timeline = { turn: 1, totalMs: 500 } as TurnTimeline;
  const measured = { ...IDLE_VIEW, network: { rttMs: 20, packetsReceived: 0, packetsLost: 0, protocol: null } };
  expect(withAgentEvent(measured, { type: 'turn', timeline }).turns).toEqual([{ timeline, callerRttMs: 20 }]);
});
