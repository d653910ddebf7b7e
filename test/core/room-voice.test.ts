import { expect, it } from 'vitest';
import { RoomVoice } from '../../src/core/room-voice.ts';

it('is sent once to those who are reached by the same producer, for as long as one of them is', () => {
  const voice = new RoomVoice(7);
  const sent: string[] = [];
  const way = (name: string, source: object) => ({ source, send: () => void sent.push(name) });
  const [here, there] = [{}, {}];
  voice.setWay('ann', way('here', here));
  voice.setWay('bob', way('here', here));
  voice.setWay('cid', way('there', there));
  voice.send(Buffer.alloc(12));
  expect(sent.sort()).toEqual(['here', 'there']);
  voice.setWay('ann', null);
  voice.setWay('cid', null);
  voice.send(Buffer.alloc(12));
  expect(sent.sort()).toEqual(['here', 'here', 'there']);
  expect(voice.hasWay).toBe(true);
  voice.setWay('bob', null);
  expect(voice.hasWay).toBe(false);
});
