import { describe, expect, it } from 'vitest';
import type { ClientEvent } from '../../src/agent/client-events.ts';
import { RecentEvents } from '../../src/core/recent-events.ts';
import { FakeClock } from '../support/fake-clock.ts';

function transcript(text: string): ClientEvent {
  return { type: 'transcript', id: text, turn: 1, role: 'agent', text, final: true };
}

const CUSTOM: ClientEvent = { type: 'custom', name: 'once', data: 1 };

describe('RecentEvents', () => {
  it('tells another POP what was said in the last three seconds, but what may not come twice', () => {
    const clock = new FakeClock(0);
    const recent = new RecentEvents(clock);
    recent.add(transcript('old'), true);
    clock.advance(2_000);
    recent.add(transcript('new'), true);
    recent.add(CUSTOM, true);
    clock.advance(1_500);
    expect(recent.take()).toEqual([transcript('new')]);
    expect(recent.take()).toEqual([]);
  });

  it('tells all that nobody could hear, and what came just before that was known', () => {
    const clock = new FakeClock(0);
    const recent = new RecentEvents(clock);
    recent.add(transcript('just before'), true);
    clock.advance(1_000);
    recent.add(CUSTOM, false);
    recent.add(transcript('unheard'), false);
    clock.advance(20_000);
    recent.add(transcript('late'), false);
    expect(recent.take()).toEqual([transcript('just before'), CUSTOM, transcript('unheard'), transcript('late')]);
  });

  it('keeps no more than five hundred', () => {
    const recent = new RecentEvents(new FakeClock(0));
    for (let n = 0; n < 700; n++) recent.add(transcript(`${n}`), false);
    const told = recent.take();
    expect(told).toHaveLength(500);
    expect(told.at(-1)).toEqual(transcript('699'));
  });
});
