import { describe, expect, it } from 'vitest';
import type { ClientEvent } from '../../src/agent/client-events.ts';
import { EventBacklog } from '../../src/signaling/event-backlog.ts';

const event = (text: string): ClientEvent => ({ type: 'notice', level: 'info', code: 'test', text });
const seqs = (backlog: EventBacklog) => backlog.entries.map((entry) => entry.seq);

describe('EventBacklog', () => {
  it('numbers events from one and keeps them until they are confirmed', () => {
    const backlog = new EventBacklog();
    for (const text of ['a', 'b', 'c']) backlog.add(event(text));
    expect(seqs(backlog)).toEqual([1, 2, 3]);
    expect(JSON.parse(backlog.entries[0]!.text)).toEqual({ event: 'agent', seq: 1, data: event('a') });
    backlog.confirm(2);
    expect(seqs(backlog)).toEqual([3]);
    backlog.confirm(1);
    expect(seqs(backlog)).toEqual([3]);
    backlog.confirm(99);
    expect(seqs(backlog)).toEqual([]);
    expect(backlog.add(event('d')).seq).toBe(4);
  });

  it('drops the oldest beyond its number, and says how many once', () => {
    const backlog = new EventBacklog({ maxEvents: 2 });
    for (const text of ['a', 'b', 'c', 'd']) backlog.add(event(text));
    expect(seqs(backlog)).toEqual([3, 4]);
    expect(backlog.takeDropped()).toBe(2);
    expect(backlog.takeDropped()).toBe(0);
  });

  it('drops the oldest beyond its size, and has room again once events are confirmed', () => {
    const backlog = new EventBacklog({ maxBytes: 1_000 });
    const add = () => backlog.add(event('x'.repeat(300)));
    for (let n = 0; n < 3; n++) add();
    expect(seqs(backlog)).toEqual([2, 3]);
    backlog.confirm(3);
    add();
    add();
    expect(seqs(backlog)).toEqual([4, 5]);
    expect(backlog.takeDropped()).toBe(1);
  });
});
