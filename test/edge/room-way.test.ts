import type { Producer } from 'mediasoup/types';
import { expect, test } from 'vitest';
import { RoomWay, type RoomWayEnd } from '../../src/edge/room-way.ts';
import { AntipodeError } from '../../src/errors.ts';
import { silentLogger } from '../../src/telemetry/index.ts';

/** A core and a pipe to it that write down what they are told. */
function core(name: string, epoch: number) {
  const told: string[] = [];
  const open = new Set<string>();
  const refuse: { next: AntipodeError | null } = { next: null };
  const end = {
    epoch,
    pipe: {
      pipeId: `pipe-${name}`,
      sendVideo: async (producer: Producer) => {
        const stream = { producerId: producer.id, codec: 'VP8', encodings: [{ ssrc: 1, rtxSsrc: 2 }] };
        open.add(producer.id);
        return { stream, close: () => open.delete(producer.id) };
      },
    },
    link: {
      send: (event: string, data: object) => told.push(`${event} ${JSON.stringify(data)}`),
      request: async (method: string, data: { epoch: number; stream?: { producerId: string } }) => {
        told.push(`${method} ${data.epoch} ${data.stream?.producerId ?? ''}`.trim());
        const { next } = refuse;
        refuse.next = null;
        if (next) throw next;
        return {};
      },
    },
  } as unknown as RoomWayEnd;
  return { told, open, refuse, end };
}

const video = (id: string) => ({ id, closed: false }) as Producer;
const way = () => new RoomWay({ sessionId: 's', log: silentLogger, onArrived: () => {} });

test('a mute is told once, and again to each core that the call comes to', () => {
  const [first, second] = [core('a', 1), core('b', 2)];
  const one = way();
  one.arrived(first.end);
  one.muted(true);
  one.muted(true);
  one.arrived(second.end);
  one.muted(false);
  one.arrived(first.end);
  expect(first.told).toEqual(['session.muted {"sessionId":"s","epoch":1,"muted":true}']);
  expect(second.told).toEqual([
    'session.muted {"sessionId":"s","epoch":2,"muted":true}',
    'session.muted {"sessionId":"s","epoch":2,"muted":false}',
  ]);
});

test('video is published, anew at each core, and taken back', async () => {
  const [first, second] = [core('a', 1), core('b', 2)];
  const one = way();
  one.video(video('v-1'));
  await one.settled;
  one.arrived(first.end);
  await one.settled;
  expect([first.told, [...first.open]]).toEqual([['room.publish 1 v-1'], ['v-1']]);
  one.arrived(second.end);
  await one.settled;
  expect([second.told, [...first.open], [...second.open]]).toEqual([['room.publish 2 v-1'], [], ['v-1']]);
  one.video(video('v-2'));
  one.video(null);
  await one.settled;
  expect([second.told.at(-1), [...second.open]]).toEqual(['room.unpublish 2', []]);
});

test('video that the core refuses is not sent, and the next one is', async () => {
  const { told, open, refuse, end } = core('a', 1);
  const one = way();
  one.arrived(end);
  refuse.next = new AntipodeError('ERR_BACKBONE_TIMEOUT', 'Nothing came.');
  one.video(video('v-1'));
  await one.settled;
  expect([...open]).toEqual([]);
  one.video(video('v-2'));
  await one.settled;
  expect([told, [...open]]).toEqual([['room.publish 1 v-1', 'room.publish 1 v-2'], ['v-2']]);
  one.close();
  expect([...open]).toEqual([]);
});

test('an order before there is a core is nobody’s, after it goes there', () => {
  const { told, end } = core('a', 3);
  const one = way();
  one.order('p-1', 'mute');
  one.arrived(end);
  one.order('p-1', 'remove');
  expect(told).toEqual(['room.order {"sessionId":"s","epoch":3,"participantId":"p-1","order":"remove"}']);
});
