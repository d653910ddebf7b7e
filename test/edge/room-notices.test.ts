import { expect, test } from 'vitest';
import { type Participant, type RoomNotice, RoomNotices } from '../../src/edge/room-notices.ts';
import { Speaking } from '../../src/edge/room-speaking.ts';
import { FakeClock } from '../support/fake-clock.ts';

const ann: Participant = {
  ...{ participantId: 'p-1', name: 'Ann', muted: false, speaking: false },
  ...{ audio: null, video: null, pop: 'pop-1' },
};

function notices() {
  const clock = new FakeClock();
  const told: [RoomNotice, Participant][] = [];
  const room = new RoomNotices({ clock, tell: (notice, participant) => told.push([notice, participant]) });
  return { clock, told, room };
}

test('who comes, changes and leaves is told, and nothing that is as it was', () => {
  const { clock, told, room } = notices();
  room.put(ann);
  clock.advance(1_000);
  room.put({ ...ann });
  room.put({ ...ann, muted: true });
  room.remove('p-1');
  room.remove('p-1');
  expect(told).toEqual([
    ['participant-joined', ann],
    ['participant-changed', { ...ann, muted: true }],
    ['participant-left', { ...ann, muted: true }],
  ]);
  expect(room.all).toEqual([]);
});

test('a participant who changes all the time is told 5 times a second, and at last as it is', () => {
  const { clock, told, room } = notices();
  room.put(ann);
  for (let step = 1; step <= 100; step++) {
    clock.advance(10);
    room.put({ ...ann, speaking: step % 2 === 1 });
  }
  room.put({ ...ann, audio: 'last' });
  clock.advance(200);
  const changes = told.filter(([notice]) => notice === 'participant-changed');
  expect(changes.length).toBeLessThanOrEqual(6);
  expect(changes.at(-1)?.[1].audio).toBe('last');
  expect(room.get('p-1')?.audio).toBe('last');
});

test('a change that is taken back before it is told is not told', () => {
  const { clock, told, room } = notices();
  room.put(ann);
  room.put({ ...ann, muted: true });
  room.put(ann);
  clock.advance(1_000);
  expect(told.map(([notice]) => notice)).toEqual(['participant-joined']);
});

function speaking() {
  const clock = new FakeClock();
  const changes: [boolean, number][] = [];
  const one = new Speaking({ clock, onChange: (now) => changes.push([now, clock.now()]) });
  const beganMs = clock.now();
  const hear = (dbov: number, forMs: number, voice = true) => {
    for (let ms = 0; ms < forMs; ms += 20) {
      one.heard({ dbov, voice, atMs: clock.now(), durationMs: 20 });
      clock.advance(20);
    }
  };
  return { clock, one, hear, at: () => changes.map(([now, atMs]) => [now, atMs - beganMs]) };
}

test('a caller speaks after 60 ms of voice, over the pauses between words, until 500 ms of quiet', () => {
  const { hear, at } = speaking();
  hear(-30, 200);
  hear(-70, 300);
  hear(-30, 100);
  hear(-70, 1_000);
  expect(at()).toEqual([
    [true, 40],
    [false, 1_080],
  ]);
});

test('a click, a quiet room and noise without a voice are no speech', () => {
  const { hear, at } = speaking();
  hear(-20, 40);
  hear(-70, 200);
  hear(-60, 500);
  hear(-20, 500, false);
  expect(at()).toEqual([]);
});

test('a caller whose packets stop has fallen silent', () => {
  const { clock, hear, at } = speaking();
  hear(-30, 100);
  clock.advance(5_000);
  expect(at()).toEqual([
    [true, 40],
    [false, 580],
  ]);
});
