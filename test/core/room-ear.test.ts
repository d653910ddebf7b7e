import { describe, expect, it } from 'vitest';
import { EAR_FRAME_SAMPLES } from '../../src/agent/types.ts';
import { RoomRig } from './support/room-rig.ts';

/** Numbers from `first` on. */
const count = (first: number, length: number) => Array.from({ length }, (_, index) => first + index);

describe('RoomEar', () => {
  it('hands one participant on as they are heard, at once', () => {
    const rig = new RoomRig();
    const ann = rig.join('Ann');
    rig.pass(100);
    rig.pass(200, ann);
    rig.pass(100);
    expect(rig.story).toBe('Ann 200');
    expect(rig.heard.map(({ position }) => position)).toEqual(count(0, 20).map((frame) => frame * EAR_FRAME_SAMPLES));
    expect(rig.heard.every(({ atMs, receivedAtMs }) => atMs === receivedAtMs)).toBe(true);
  });

  it('hears two who talk at once one after the other, every frame of both, and whose it is', () => {
    const rig = new RoomRig();
    const [ann, bob] = [rig.join('Ann'), rig.join('Bob')];
    rig.pass(1_000);
    rig.pass(200, ann);
    const bobsFirst = bob.next;
    rig.pass(1_800, ann, bob);
    rig.pass(200, bob);
    rig.pass(3_000);
    expect(rig.story).toBe('Ann 2000, Bob 2000');
    expect(rig.framesOf('Ann')).toEqual(count(50, 100));
    expect(rig.framesOf('Bob')).toEqual(count(bobsFirst, 100));
    expect(rig.totals.roomFramesDropped).toBe(0);
  });

  it('catches up faster than real time, and is live again', () => {
    const rig = new RoomRig();
    const [ann, bob] = [rig.join('Ann'), rig.join('Bob')];
    rig.pass(100, ann);
    rig.pass(2_900, ann, bob);
    rig.pass(400, bob);
    const passedAtMs = rig.clock.now();
    rig.pass(1_600, bob);
    const bobs = rig.heard.filter(({ speaker, pcm }) => speaker?.name === 'Bob' && pcm[1] !== 0);
    expect(bobs[0]!.atMs - passedAtMs).toBeLessThanOrEqual(20);
    // 3.3 s were kept; four frames come in the time of one, while he goes on speaking.
    const live = bobs.find(({ atMs, receivedAtMs }) => atMs === receivedAtMs);
    expect(live!.atMs - bobs[0]!.atMs).toBeGreaterThan(1_000);
    expect(live!.atMs - bobs[0]!.atMs).toBeLessThan(1_200);
    expect(bobs.at(-1)).toMatchObject({ receivedAtMs: rig.clock.now() - 20, atMs: rig.clock.now() - 20 });
  });

  it('gives the floor to those who wait in the order in which they began', () => {
    const rig = new RoomRig();
    const [ann, bob, cid] = [rig.join('Ann'), rig.join('Bob'), rig.join('Cid')];
    rig.pass(400, ann);
    rig.pass(400, ann, cid);
    rig.pass(400, ann, bob);
    rig.pass(4_000);
    expect(rig.story).toBe('Ann 1200, Cid 400, Bob 400');
  });

  it('hears somebody who speaks into a silence without keeping them waiting', () => {
    const rig = new RoomRig();
    const [ann, bob] = [rig.join('Ann'), rig.join('Bob')];
    rig.pass(400, ann);
    rig.pass(1_000);
    const beganAtMs = rig.clock.now();
    rig.pass(600, bob);
    // Four frames say that it is speech; by then the first of them are here too.
    const first = rig.heard.find(({ speaker, pcm }) => speaker?.name === 'Bob' && pcm[1] !== 0);
    expect(first!.atMs - beganAtMs).toBeLessThanOrEqual(80);
    expect(rig.story).toBe('Ann 400, Bob 600');
  });

  it('puts silence between two voices when the first is cut off', () => {
    const rig = new RoomRig();
    const [ann, bob] = [rig.join('Ann'), rig.join('Bob')];
    rig.pass(200, ann);
    rig.pass(300, ann, bob);
    rig.leave(ann);
    rig.pass(300, bob);
    const lastOfAnn = rig.heard.findLastIndex(({ speaker, pcm }) => speaker?.name === 'Ann' && pcm[1] !== 0);
    const firstOfBob = rig.heard.findIndex(({ speaker, pcm }) => speaker?.name === 'Bob' && pcm[1] !== 0);
    expect((firstOfBob - lastOfAnn - 1) * 20).toBeGreaterThanOrEqual(400);
    expect(rig.story).toBe('Ann 500, Bob 600');
  });

  it('lets nobody talk for ever: who waits is heard before more than 15 s of them are kept', () => {
    const rig = new RoomRig();
    const [ann, bob] = [rig.join('Ann'), rig.join('Bob')];
    rig.pass(1_000, ann);
    rig.pass(40_000, ann, bob);
    rig.pass(60_000);
    expect(rig.framesOf('Ann')).toEqual(count(0, 2_050));
    expect(rig.framesOf('Bob')).toEqual(count(50, 2_000));
    expect(rig.totals.roomFramesDropped).toBe(0);
    const turns = rig.story.split(', ');
    expect(turns[0]).toMatch(/^Ann 1[56]\d{3}$/);
    // A turn at a time, each of seconds: nobody is cut off by who waits as long as they.
    expect(turns.length).toBeGreaterThan(2);
    expect(turns.slice(0, -1).every((turn) => Number(turn.split(' ')[1]) >= 5_000)).toBe(true);
  });

  it('cuts nobody off before 5 s of theirs, though three talk without a pause', () => {
    const rig = new RoomRig();
    const people = ['Ann', 'Bob', 'Cid'].map((name) => rig.join(name));
    rig.pass(40_000, ...people);
    rig.pass(60_000);
    for (const name of ['Ann', 'Bob', 'Cid']) expect(rig.framesOf(name)).toEqual(count(0, 2_000));
    expect(rig.totals.roomFramesDropped).toBe(0);
    const turns = rig.story.split(', ').map((turn) => Number(turn.split(' ')[1]));
    expect(Math.min(...turns.slice(0, -3))).toBeGreaterThanOrEqual(4_900);
  });

  it('does not hear who is muted, but what they said before that', () => {
    const rig = new RoomRig();
    const [ann, bob] = [rig.join('Ann'), rig.join('Bob')];
    rig.pass(500, ann);
    rig.pass(500, ann, bob);
    rig.ear.mute('Bob', true);
    rig.pass(500, ann, bob);
    rig.pass(2_000, bob);
    expect(rig.story).toBe('Ann 1500, Bob 500');
    rig.ear.mute('Bob', false);
    rig.pass(300, bob);
    rig.pass(500);
    expect(rig.story).toBe('Ann 1500, Bob 800');
  });

  it('still hears what somebody said who has left', () => {
    const rig = new RoomRig();
    const [ann, bob] = [rig.join('Ann'), rig.join('Bob')];
    rig.pass(200, ann);
    rig.pass(800, ann, bob);
    rig.leave(bob);
    rig.pass(200, ann);
    rig.pass(2_000);
    expect(rig.story).toBe('Ann 1200, Bob 800');
    // Time goes on by who is there.
    expect(rig.heard.at(-1)).toMatchObject({ speaker: { name: 'Ann' }, atMs: rig.clock.now() - 20 });
  });

  it('goes on by the silence of others when who was heard last is away or gone', () => {
    const rig = new RoomRig();
    const [ann, bob] = [rig.join('Ann'), rig.join('Bob')];
    rig.pass(400, ann);
    ann.away = true;
    rig.ear.rest('Ann', true);
    const before = rig.heard.length;
    rig.pass(1_000);
    expect(rig.heard.length - before).toBe(50);
    expect(rig.ear.floor?.name).toBe('Bob');
    ann.away = false;
    rig.ear.rest('Ann', false);
    rig.leave(bob);
    rig.pass(1_000);
    expect(rig.heard.length - before).toBe(100);
    expect(rig.ear.floor?.name).toBe('Ann');
  });

  it('does not count as heard what still waits', () => {
    const rig = new RoomRig();
    const [ann, bob] = [rig.join('Ann'), rig.join('Bob')];
    rig.pass(1_000);
    rig.pass(100, ann);
    const began = bob.next;
    rig.pass(1_000, ann, bob);
    // Of Bob no more than the silence before his words, and not the 240 ms before them, where they may begin softly.
    expect(rig.ear.packetBefore('Bob', rig.ear.position)).toBe(began - 13);
    expect(rig.ear.packetBefore('Ann', rig.ear.position)).toBe(ann.next - 1);
    rig.pass(3_000);
    expect(rig.ear.packetBefore('Bob', rig.ear.position)).toBeGreaterThan(began + 50);
    expect(rig.ear.packetBefore('Nobody', rig.ear.position)).toBeNull();
  });

  it('gives each listener memory of its own, and ends the call of one that throws', () => {
    const rig = new RoomRig();
    const ann = rig.join('Ann');
    const other: Int16Array[] = [];
    rig.ear.onFrame(({ pcm }) => other.push(pcm));
    rig.ear.onFrame(() => {
      throw new Error('broken');
    });
    rig.pass(20, ann);
    expect(rig.heard[0]?.pcm).toEqual(other[0]);
    expect(rig.heard[0]?.pcm).not.toBe(other[0]);
    expect(rig.faults).toHaveLength(1);
  });
});
