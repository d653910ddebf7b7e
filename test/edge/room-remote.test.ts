import { expect, test } from 'vitest';
import type { MediaWorker } from '../../src/backbone/index.ts';
import { roomMetrics } from '../../src/edge/room-metrics.ts';
import type { Participant } from '../../src/edge/room-notices.ts';
import { RoomOrders } from '../../src/edge/room-orders.ts';
import { RemoteParticipants, type RoomMember, type RoomTeller } from '../../src/edge/room-remote.ts';
import { createMetrics, silentLogger } from '../../src/telemetry/index.ts';
import { FakeClock } from '../support/fake-clock.ts';

const teller = (coreNodeId: string): RoomTeller => ({ coreNodeId, pipeOf: () => null });
const member = (name: string): RoomMember => ({
  ...{ participantId: `p-${name}`, name, sessionId: `s-${name}`, pop: 'pop-2', muted: false, video: false },
});

function remote() {
  const participants = new RemoteParticipants({
    nodeId: 'pop-1',
    worker: {} as MediaWorker,
    log: silentLogger,
    metrics: roomMetrics(createMetrics({ processMetrics: false })),
    onChange: () => {},
  });
  const names = (own: string[] = []) => participants.participants(new Set(own)).map(({ name }) => name);
  return { participants, names };
}

test('who is elsewhere is what the core of our calls says, whatever others say or said', () => {
  const { participants, names } = remote();
  const [former, next] = [teller('core-1'), teller('core-2')];
  participants.members(former, [member('Ann'), member('Ben')]);
  expect(names(['p-Ben'])).toEqual(['Ann']);
  participants.believe(new Set([former]));
  // Others have come there first.
  participants.members(next, [member('Cid')]);
  expect(names()).toEqual(['Ann', 'Ben']);
  participants.believe(new Set([former, next]));
  expect(names()).toEqual(['Ann', 'Ben', 'Cid']);
  participants.believe(new Set([next]));
  expect(names()).toEqual(['Cid']);
  participants.members(former, [member('Ann'), member('Dan')]);
  expect(names()).toEqual(['Cid']);
});

test('until the next core has said something, those of the former one count', () => {
  const { participants, names } = remote();
  const [former, next] = [teller('core-1'), teller('core-2')];
  participants.members(former, [member('Ann')]);
  participants.believe(new Set([next]));
  expect(names()).toEqual(['Ann']);
  participants.members(next, []);
  expect(names()).toEqual([]);
});

function orders() {
  const clock = new FakeClock();
  const said: string[] = [];
  const there = new Map<string, Participant>();
  const put = (name: string, muted = false) => {
    const { participantId, pop } = member(name);
    there.set(participantId, { participantId, name, pop, muted, speaking: false, audio: null, video: null });
  };
  const room = new RoomOrders({
    clock,
    participant: (participantId) => there.get(participantId),
    say: (participantId, order) => said.push(`${order} ${participantId}`),
  });
  const settled = async (promise: Promise<void>) => {
    let isOver = false;
    void promise.then(() => {
      isOver = true;
    });
    await new Promise((resolve) => setImmediate(resolve));
    return isOver;
  };
  return { clock, said, there, put, room, settled };
}

test('an order is said again at each change until it is done', async () => {
  const { said, there, put, room, settled } = orders();
  put('Ann');
  put('Ben');
  const [muting, removing] = [room.want('p-Ann', 'mute'), room.want('p-Ben', 'remove')];
  room.look();
  expect(said).toEqual(['mute p-Ann', 'remove p-Ben', 'mute p-Ann', 'remove p-Ben']);
  put('Ann', true);
  room.look();
  expect([await settled(muting), await settled(removing)]).toEqual([true, false]);
  // Who was muted may unmute itself: nobody mutes it again.
  put('Ann');
  there.delete('p-Ben');
  room.look();
  expect(await settled(removing)).toBe(true);
  room.look();
  expect(said).toHaveLength(5);
});

test('an order that nobody can carry out is given up after 5 s', async () => {
  const { clock, said, put, room, settled } = orders();
  put('Ann');
  const muting = room.want('p-Ann', 'mute');
  expect(room.want('p-Ann', 'mute')).toBe(muting);
  clock.advance(4_999);
  expect(await settled(muting)).toBe(false);
  clock.advance(1);
  expect(await settled(muting)).toBe(true);
  room.look();
  expect(said).toHaveLength(1);
});
