import { describe, expect, test } from 'vitest';
import { type CallState, type CallStateEvent, isLive, transition } from '../../web/src/client/call-state.ts';
import { failureOf } from '../../web/src/client/failure.ts';

const IDLE: CallState = { name: 'idle' };
const CONNECTED: CallState = { name: 'connected', agent: 'echo' };
const END = { code: 'agent-hung-up', reason: 'Goodbye.' } as const;
const FAILURE = failureOf('SERVER_UNREACHABLE', 'No answer.');

function follow(state: CallState, ...events: CallStateEvent[]): CallState {
  return events.reduce(transition, state);
}

const lost = (link: 'signaling' | 'media', atMs = 5_000): CallStateEvent => ({
  type: 'link-lost',
  link,
  atMs,
  deadlineMs: atMs + 30_000,
});

describe('a join', () => {
  test('goes from idle through its steps to connected', () => {
    const joining = follow(IDLE, { type: 'join-requested', agent: 'echo' });
    expect(joining).toEqual({ name: 'joining', agent: 'echo', step: 'microphone' });
    const media = follow(joining, { type: 'join-advanced', step: 'session' }, { type: 'join-advanced', step: 'media' });
    expect(media).toEqual({ name: 'joining', agent: 'echo', step: 'media' });
    expect(follow(media, { type: 'connected' })).toEqual(CONNECTED);
  });

  test('that is cancelled leaves nothing behind', () => {
    expect(follow(IDLE, { type: 'join-requested', agent: 'echo' }, { type: 'cancelled' })).toEqual(IDLE);
  });

  test('that fails keeps the agent, so that it can be tried again', () => {
    const failed = follow(IDLE, { type: 'join-requested', agent: 'echo' }, { type: 'failed', failure: FAILURE });
    expect(failed).toEqual({ name: 'failed', agent: 'echo', failure: FAILURE });
    expect(follow(failed, { type: 'join-requested', agent: 'echo' }).name).toBe('joining');
  });

  test('is not begun a second time while a call is live', () => {
    expect(follow(CONNECTED, { type: 'join-requested', agent: 'other' })).toBe(CONNECTED);
  });
});

describe('a loss', () => {
  test('of signaling leaves the media up, and is over when signaling is back', () => {
    const reconnecting = follow(CONNECTED, lost('signaling'));
    expect(reconnecting).toEqual({
      name: 'reconnecting',
      agent: 'echo',
      signaling: 'down',
      media: 'up',
      lostAtMs: 5_000,
      deadlineMs: 35_000,
      attempt: 0,
    });
    expect(follow(reconnecting, { type: 'link-restored', link: 'media' })).toBe(reconnecting);
    expect(follow(reconnecting, { type: 'link-restored', link: 'signaling' })).toEqual(CONNECTED);
  });

  test('of both is over only when both are back, and counts from the first', () => {
    const both = follow(CONNECTED, lost('media', 5_000), lost('signaling', 9_000));
    expect(both).toMatchObject({ signaling: 'down', media: 'down', lostAtMs: 5_000, deadlineMs: 35_000 });
    const half = follow(both, { type: 'link-restored', link: 'signaling' });
    expect(half).toMatchObject({ name: 'reconnecting', signaling: 'up', media: 'down' });
    expect(follow(half, { type: 'link-restored', link: 'media' })).toEqual(CONNECTED);
  });

  test('counts its attempts', () => {
    const reconnecting = follow(CONNECTED, lost('signaling'), { type: 'attempt-begun', attempt: 3 });
    expect(reconnecting).toMatchObject({ name: 'reconnecting', attempt: 3 });
  });

  test('means nothing before the call is connected', () => {
    expect(follow(IDLE, lost('media'))).toBe(IDLE);
  });
});

describe('an end', () => {
  test.each([['joining'], ['connected'], ['reconnecting']])('comes from %s with its reason', (name) => {
    const states: Record<string, CallState> = {
      joining: follow(IDLE, { type: 'join-requested', agent: 'echo' }),
      connected: CONNECTED,
      reconnecting: follow(CONNECTED, lost('media')),
    };
    expect(isLive(states[name]!)).toBe(true);
    expect(follow(states[name]!, { type: 'session-ended', end: END })).toEqual({
      name: 'ended',
      agent: 'echo',
      end: END,
    });
  });

  test('is not turned into a failure by what breaks afterwards', () => {
    const ended = follow(CONNECTED, { type: 'session-ended', end: END });
    expect(follow(ended, { type: 'failed', failure: FAILURE })).toBe(ended);
    expect(follow(ended, lost('media'), { type: 'connected' })).toBe(ended);
  });

  test('can be dismissed, a live call can not', () => {
    expect(follow(CONNECTED, { type: 'session-ended', end: END }, { type: 'dismissed' })).toEqual(IDLE);
    expect(follow(CONNECTED, { type: 'dismissed' })).toBe(CONNECTED);
  });
});
