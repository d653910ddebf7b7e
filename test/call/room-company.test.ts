import { expect, test } from 'vitest';
import { RoomCompany } from '../../src/call/room-company.ts';
import type { SinkFrame } from '../../src/call/web-rtc.ts';
import type { Participant } from '../../src/signaling/protocol.ts';

const me: Participant = {
  ...{ participantId: 'p-me', name: 'Me', muted: false, speaking: false },
  ...{ audio: 'my-voice', video: null, pop: 'pop-1' },
};
const ann: Participant = { ...me, participantId: 'p-ann', name: 'Ann', audio: 'voice-1', pop: 'pop-2' };

function company() {
  const news: string[] = [];
  const asked: string[] = [];
  const voices = new Map<string, (frame: SinkFrame) => void>();
  const room = new RoomCompany({ participantId: 'p-me', onNews: (line) => news.push(line) });
  const source = {
    failing: false,
    listenTo: async (producerId: string, onFrame: (frame: SinkFrame) => void) => {
      asked.push(producerId);
      if (source.failing) throw new Error('no such stream');
      voices.set(producerId, onFrame);
    },
  };
  const sound = (producerId: string, level: number, frames: number) => {
    const samples = new Int16Array(480).fill(level);
    for (let frame = 0; frame < frames; frame++)
      voices.get(producerId)?.({ samples, sampleRate: 48_000, channelCount: 1 });
  };
  return { room, news, asked, source, sound };
}

test('the others are listened to, oneself is not, and what they say is counted', async () => {
  const { room, asked, source, sound } = company();
  room.present([me, ann]);
  expect(asked).toEqual([]);
  room.by(source);
  room.told('participant-changed', { ...ann, speaking: true });
  await Promise.resolve();
  expect(asked).toEqual(['voice-1']);
  sound('voice-1', 3_000, 50);
  sound('voice-1', 20, 50);
  expect(room.companions).toEqual([{ name: 'Ann', pop: 'pop-2', heardMs: 500, stayed: true }]);
});

test('who comes, is muted, changes its voice and leaves is told, and listened to anew', async () => {
  const { room, news, asked, source } = company();
  room.by(source);
  room.present([me]);
  room.told('participant-joined', { ...ann, audio: null });
  room.told('participant-changed', ann);
  room.told('participant-changed', { ...ann, muted: true });
  room.told('participant-changed', { ...ann, audio: 'voice-2' });
  room.told('participant-left', ann);
  expect(news).toEqual(['Ann is here, by pop-2', 'Ann is muted', 'Ann is not muted any more', 'Ann has left']);
  expect(asked).toEqual(['voice-1', 'voice-2']);
  expect(room.companions[0]?.stayed).toBe(false);
});

test('after a resume who has gone is told, and with new media every voice is asked for again', async () => {
  const { room, news, asked, source } = company();
  const ben = { ...ann, participantId: 'p-ben', name: 'Ben', audio: 'voice-b' };
  room.present([me, ann, ben]);
  room.by(source);
  room.by(null);
  room.present([me, { ...ben, pop: 'pop-3' }]);
  room.by(source);
  expect(news.at(-1)).toBe('Ann has left');
  expect(asked).toEqual(['voice-1', 'voice-b', 'voice-b']);
  expect(room.companions.map(({ name, pop, stayed }) => [name, pop, stayed])).toEqual([
    ['Ann', 'pop-2', false],
    ['Ben', 'pop-3', true],
  ]);
});

test('a voice that can not be had is told, unless it has gone meanwhile', async () => {
  const { room, news, source } = company();
  source.failing = true;
  room.by(source);
  room.present([me, ann]);
  await Promise.resolve();
  expect(news).toEqual(['Ann is here, by pop-2', "Ann can't be heard: no such stream"]);
  room.told('participant-changed', { ...ann, audio: 'voice-2' });
  room.told('participant-changed', { ...ann, audio: null });
  await Promise.resolve();
  expect(news).toHaveLength(2);
});
