import { describe, expect, it } from 'vitest';
import {
  FRESH_SOCKET,
  MAX_STRIKES,
  type SocketInput,
  type SocketState,
  STRIKE_WINDOW_MS,
  transition,
} from '../../src/signaling/socket-state.ts';

function run(state: SocketState, ...inputs: SocketInput[]) {
  const effects = [];
  for (const input of inputs) {
    const step = transition(state, input);
    state = step.state;
    effects.push(...step.effects);
  }
  return { state, effects };
}

const join: SocketInput = { type: 'request', method: 'join', atMs: 0 };
const ping: SocketInput = { type: 'request', method: 'ping', atMs: 0 };
const entered: SocketInput = { type: 'entered' };
const bad = (atMs: number): SocketInput => ({ type: 'bad-frame', code: 'ERR_PROTOCOL_MALFORMED', atMs });

describe('the state of a signaling socket', () => {
  it('goes from fresh over entering to open, and handles requests there', () => {
    expect(run(FRESH_SOCKET, join).state.phase).toBe('entering');
    const { state, effects } = run(FRESH_SOCKET, join, entered, ping);
    expect(state.phase).toBe('open');
    expect(effects).toEqual([{ type: 'enter' }, { type: 'handle' }]);
  });

  it('closes with 4001 for anything but join and resume before it is open', () => {
    for (const before of [[], [join]]) {
      const { state, effects } = run(FRESH_SOCKET, ...before, ping);
      expect(state.phase).toBe('closed');
      expect(effects.slice(-2)).toEqual([
        { type: 'refuse', code: 'ERR_PROTOCOL_ORDER' },
        { type: 'close', closeCode: 4001 },
      ]);
    }
  });

  it('survives a second join with a strike', () => {
    const { state, effects } = run(FRESH_SOCKET, join, entered, join);
    expect(state).toEqual({ phase: 'open', strikes: { count: 1, lastAtMs: 0 } });
    expect(effects.at(-1)).toEqual({ type: 'refuse', code: 'ERR_PROTOCOL_ORDER' });
  });

  it('closes at the strike after MAX_STRIKES, unless the last one is long ago', () => {
    const strikes = Array.from({ length: MAX_STRIKES }, () => bad(1_000));
    const struck = run(FRESH_SOCKET, join, entered, ...strikes);
    expect(struck.state).toEqual({ phase: 'open', strikes: { count: MAX_STRIKES, lastAtMs: 1_000 } });
    expect(run(struck.state, bad(1_000 + STRIKE_WINDOW_MS)).effects.at(-1)).toEqual({ type: 'close', closeCode: 4001 });
    expect(run(struck.state, bad(1_001 + STRIKE_WINDOW_MS)).state).toMatchObject({ strikes: { count: 1 } });
  });

  it.each([
    ['ERR_TOKEN_EXPIRED', 4002],
    ['ERR_TOKEN_REPLAYED', 4002],
    ['ERR_PROTOCOL_VERSION', 4001],
    ['ERR_SESSION_ENDED', 4000],
    ['ERR_BACKBONE_CLOSED', 4000],
  ] as const)('closes after a final %s with %i', (code, closeCode) => {
    const { effects } = run(FRESH_SOCKET, join, { type: 'refused', code, final: true });
    expect(effects.slice(1)).toEqual([
      { type: 'refuse', code: null },
      { type: 'close', closeCode },
    ]);
  });

  it('may try again after a refusal that is not final', () => {
    const refused: SocketInput = { type: 'refused', code: 'ERR_MEDIA_WORKER_DIED', final: false };
    const { state, effects } = run(FRESH_SOCKET, join, refused);
    expect(state).toEqual(FRESH_SOCKET);
    expect(effects.at(-1)).toEqual({ type: 'await-join' });
  });

  it('heeds the join timeout only while nothing was asked', () => {
    expect(run(FRESH_SOCKET, { type: 'join-timeout' }).effects.at(-1)).toEqual({ type: 'close', closeCode: 4003 });
    expect(run(FRESH_SOCKET, join, { type: 'join-timeout' }).state.phase).toBe('entering');
  });

  it('closes once, whatever comes after', () => {
    const ends: SocketInput[] = [
      { type: 'flood' },
      { type: 'superseded' },
      { type: 'ended', shuttingDown: false },
      { type: 'closed' },
      entered,
      join,
      bad(0),
      { type: 'refused', code: 'ERR_INTERNAL', final: true },
    ];
    const { effects } = run(FRESH_SOCKET, join, entered, ...ends);
    expect(effects.filter((effect) => effect.type === 'close')).toEqual([{ type: 'close', closeCode: 4004 }]);
    expect(run(FRESH_SOCKET, join, entered, { type: 'superseded' }).effects.at(-1)).toEqual({
      type: 'close',
      closeCode: 4005,
    });
    expect(run(FRESH_SOCKET, { type: 'ended', shuttingDown: true }).effects).toEqual([
      { type: 'close', closeCode: 4006 },
    ]);
  });
});
