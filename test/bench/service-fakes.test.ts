import { once } from 'node:events';
import { afterEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { FakeDeepgram } from '../fakes/deepgram.ts';
import { sayTones } from '../fakes/tone-words.ts';

interface Results {
  is_final: boolean;
  start: number;
  duration: number;
  channel: { alternatives: [{ transcript: string }] };
}

let fake: FakeDeepgram;
afterEach(() => fake.close());

/** All that is said of this sound, in frames of 20 ms, and of a Finalize after it. */
async function heard(pcm: Int16Array): Promise<Results[]> {
  const url = `${fake.server.url}/v1/listen?interim_results=true&endpointing=false`;
  const socket = new WebSocket(url, { headers: { authorization: `Token ${fake.apiKey}` } });
  const results: Results[] = [];
  socket.on('message', (data) => results.push(JSON.parse(String(data))));
  await once(socket, 'open');
  for (let at = 0; at < pcm.length; at += 320) socket.send(Buffer.from(pcm.slice(at, at + 320).buffer));
  socket.send(JSON.stringify({ type: 'Finalize' }));
  await expect.poll(() => results.at(-1)?.is_final).toBe(true);
  socket.terminate();
  return results;
}

const wordsOf = ({ channel }: Results) => channel.alternatives[0].transcript;
const untilS = ({ start, duration }: Results) => start + duration;

describe('interim results of the fake Deepgram', () => {
  // Each word is 200 ms and has 100 ms of silence after it.
  const speech = sayTones(['one', 'two', 'three']);

  it('are as far behind the sound as they are told to be; final ones have all of it', async () => {
    fake = await FakeDeepgram.start({ interimLag: () => 250 });
    const results = await heard(speech);
    expect(results.map((each) => [untilS(each).toFixed(2), wordsOf(each)])).toEqual([
      ['0.15', ''],
      ['0.35', 'one'],
      ['0.55', 'one two'],
      ['0.90', 'one two three'],
    ]);
  });

  it('are up to date where nothing is said of that', async () => {
    fake = await FakeDeepgram.start();
    expect((await heard(speech)).map(untilS)).toEqual([0.2, 0.4, 0.6, 0.8, 0.9]);
  });
});
