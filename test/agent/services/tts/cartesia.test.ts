import { expect, test } from 'vitest';
import { Cartesia } from '../../../../src/agent/services/tts/cartesia.ts';
import { FakeCartesia } from '../../../fakes/cartesia.ts';
import { toneVoice } from '../../../fakes/speaking-socket.ts';
import { FakeClock } from '../../../support/fake-clock.ts';
import { collect, joined, never, testTts } from './conformance.ts';
import { socketSubject, testSpeechSocket } from './speech-socket.ts';

const TEXT = 'It costs $5, not 7.30!';

const start = async (options: Parameters<typeof FakeCartesia.start>[0] = {}) => {
  const fake = await FakeCartesia.start(options);
  const clock = new FakeClock();
  const tts = new Cartesia({ apiKey: fake.apiKey, voice: 'voice-1', baseUrl: fake.baseUrl, clock });
  return { fake, clock, tts };
};

testTts('Cartesia', {
  start: async (options) => socketSubject(await start(options)),
  timesWords: true,
  hasService: true,
  timeoutMs: 5_000,
  secret: 'fake-key-7f3a',
});
testSpeechSocket('Cartesia', { start, contextsPerConnection: 24 });

test('Cartesia is asked as its documentation says, and nothing but the handshake has the key', async () => {
  const { fake, tts } = await start();
  const chunks = await collect(tts.synthesize(TEXT, { signal: never() }));
  tts.close();
  await fake.close();
  expect(fake.requests).toMatchObject([
    { url: '/tts/websocket', headers: { authorization: `Bearer ${fake.apiKey}`, 'cartesia-version': '2026-03-01' } },
  ]);
  expect(fake.received).toEqual([
    {
      model_id: 'sonic-3.5',
      transcript: TEXT,
      voice: { mode: 'id', id: 'voice-1' },
      language: 'en',
      context_id: 'sentence-1',
      output_format: { container: 'raw', encoding: 'pcm_s16le', sample_rate: 24_000 },
      add_timestamps: true,
      use_normalized_timestamps: false,
      max_buffer_delay_ms: 0,
      continue: false,
    },
  ]);
  const { pcm, words } = toneVoice(TEXT, 24_000);
  expect(joined(chunks)).toEqual(pcm);
  expect(chunks.flatMap((chunk) => chunk.words ?? [])).toEqual(words);
});

test('Cartesia gets a long text in pieces of one context', async () => {
  const { fake, tts } = await start();
  const text = 'A piece of a long text. '.repeat(100).trim();
  await collect(tts.synthesize(text, { signal: never() }));
  tts.close();
  await fake.close();
  expect(fake.received.map((message) => message.continue)).toEqual([true, true, false]);
  expect(fake.received.map((message) => message.transcript).join('')).toBe(text);
  expect(new Set(fake.received.map((message) => message.context_id)).size).toBe(1);
});

test('Cartesia without a key is a service that is not available', () => {
  const make = () => new Cartesia({ apiKey: null, voice: 'voice-1', clock: new FakeClock() });
  expect(make).toThrow(expect.objectContaining({ code: 'ERR_SERVICE_UNAVAILABLE' }));
});
