import { expect, test } from 'vitest';
import { SonioxTts } from '../../../../src/agent/services/tts/soniox.ts';
import { FakeSonioxTts } from '../../../fakes/soniox-tts.ts';
import { toneVoice } from '../../../fakes/speaking-socket.ts';
import { FakeClock } from '../../../support/fake-clock.ts';
import { collect, joined, never, testTts } from './conformance.ts';
import { socketSubject, testSpeechSocket } from './speech-socket.ts';

const TEXT = 'It costs $5, not 7.30!';

const start = async (options: Parameters<typeof FakeSonioxTts.start>[0] = {}) => {
  const fake = await FakeSonioxTts.start(options);
  const clock = new FakeClock();
  const baseUrl = `${fake.baseUrl}/tts-websocket`;
  const tts = new SonioxTts({ apiKey: fake.apiKey, voice: 'Adrian', baseUrl, clock });
  return { fake, clock, tts };
};

testTts('Soniox', {
  start: async (options) => socketSubject(await start(options)),
  timesWords: true,
  hasService: true,
  timeoutMs: 5_000,
  secret: 'fake-key-7f3a',
});
testSpeechSocket('Soniox', { start, contextsPerConnection: 5 });

test('Soniox is asked as its documentation says, and tells when each word sounds', async () => {
  const { fake, tts } = await start();
  const chunks = await collect(tts.synthesize(TEXT, { signal: never() }));
  tts.close();
  await fake.close();
  expect(fake.requests[0]!.url).toBe('/tts-websocket');
  expect(fake.received).toEqual([
    {
      api_key: fake.apiKey,
      model: 'tts-rt-v1',
      language: 'en',
      voice: 'Adrian',
      audio_format: 'pcm_s16le',
      sample_rate: 24_000,
      return_timestamps: true,
      stream_id: 'sentence-1',
    },
    { text: TEXT, text_end: true, stream_id: 'sentence-1' },
  ]);
  const { pcm, words } = toneVoice(TEXT, 24_000);
  expect(joined(chunks)).toEqual(pcm);
  const told = chunks.flatMap((chunk) => chunk.words ?? []);
  expect(told.map(({ text, startMs, endMs }) => [text, Math.round(startMs), Math.round(endMs)])).toEqual(
    words.map(({ text, startMs, endMs }) => [text, startMs, endMs]),
  );
});
