import { describe, expect, test } from 'vitest';
import {
  type FloorEvent,
  type FloorState,
  TURN_TAKING_DEFAULTS,
  transition,
} from '../../../src/agent/turn-taking/transition.ts';

const OPEN: FloorState = { floor: 'open' };
const CALLER: FloorState = { floor: 'caller' };
const THINKS: FloorState = { floor: 'agent', audible: false };
const SPEAKS: FloorState = { floor: 'agent', audible: true };

const voice = (overrides: Partial<Extract<FloorEvent, { type: 'voice' }>> = {}): FloorEvent => ({
  type: 'voice',
  speaking: true,
  voicedMs: 64,
  silentMs: 0,
  turnMs: 0,
  ...overrides,
});
const step = (state: FloorState, event: FloorEvent) => transition(state, event, TURN_TAKING_DEFAULTS);

describe('turn-taking', () => {
  test('gives the floor to a caller who speaks when nobody does', () => {
    expect(step(OPEN, voice())).toEqual({ state: CALLER, actions: ['begin-speech'] });
  });

  test('leaves the floor open in silence', () => {
    expect(step(OPEN, voice({ speaking: false, silentMs: 5_000 }))).toEqual({ state: OPEN, actions: [] });
  });

  test("ends the caller's turn after 500 ms of silence and not before", () => {
    expect(step(CALLER, voice({ silentMs: 499 }))).toEqual({ state: CALLER, actions: [] });
    expect(step(CALLER, voice({ speaking: false, silentMs: 500 }))).toEqual({ state: THINKS, actions: ['end-turn'] });
  });

  test('ends a turn that has no silence in it after its bound', () => {
    expect(step(CALLER, voice({ turnMs: 30_000 }))).toEqual({ state: THINKS, actions: ['end-turn'] });
  });

  test('is silenced by 190 ms of voice, not by a cough', () => {
    expect(step(SPEAKS, voice({ voicedMs: 160 }))).toEqual({ state: SPEAKS, actions: [] });
    expect(step(SPEAKS, voice({ voicedMs: 192 }))).toEqual({ state: CALLER, actions: ['interrupt', 'begin-speech'] });
  });

  test('carries a turn on when the caller speaks before anything of the answer was heard', () => {
    expect(step(THINKS, voice({ voicedMs: 192 }))).toEqual({ state: CALLER, actions: ['continue', 'begin-speech'] });
  });

  test('answers a typed message at once, whoever has the floor', () => {
    expect(step(OPEN, { type: 'text' })).toEqual({ state: THINKS, actions: ['begin-text'] });
    for (const state of [CALLER, THINKS, SPEAKS]) {
      expect(step(state, { type: 'text' })).toEqual({ state: THINKS, actions: ['interrupt', 'begin-text'] });
    }
  });

  test('opens the floor when the answer has been played', () => {
    expect(step(THINKS, { type: 'audible' }).state).toEqual(SPEAKS);
    expect(step(SPEAKS, { type: 'settled' })).toEqual({ state: OPEN, actions: [] });
  });

  test('greets once', () => {
    expect(step(OPEN, { type: 'call-started' })).toEqual({ state: THINKS, actions: ['begin-call'] });
    expect(step(SPEAKS, { type: 'call-started' })).toEqual({ state: SPEAKS, actions: [] });
  });
});
