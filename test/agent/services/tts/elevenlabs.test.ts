import { expect, test } from 'vitest';
import { CharacterClock } from '../../../../src/agent/services/tts/character-clock.ts';
import { ElevenLabs } from '../../../../src/agent/services/tts/elevenlabs.ts';
import { FakeElevenLabs } from '../../../fakes/elevenlabs.ts';
import { toneVoice } from '../../../fakes/speaking-socket.ts';
import { FakeClock } from '../../../support/fake-clock.ts';
import { collect, joined, never, testTts } from './conformance.ts';
import { socketSubject, testSpeechSocket } from './speech-socket.ts';

const TEXT = 'It costs $5, not 7.30!';

const start = async (options: Parameters<typeof FakeElevenLabs.start>[0] = {}) => {
  const fake = await FakeElevenLabs.start(options);
  const clock = new FakeClock();
  const tts = new ElevenLabs({ apiKey: fake.apiKey, voice: 'a/voice', baseUrl: fake.baseUrl, clock });
  return { fake, clock, tts };
};

testTts('ElevenLabs', {
  start: async (options) => socketSubject(await start(options)),
  timesWords: true,
  hasService: true,
  timeoutMs: 5_000,
  secret: 'fake-key-7f3a',
});
testSpeechSocket('ElevenLabs', { start, contextsPerConnection: 5 });

test('ElevenLabs is asked as its documentation says, and nothing but the handshake has the key', async () => {
  const { fake, tts } = await start();
  const chunks = await collect(tts.synthesize(TEXT, { signal: never() }));
  tts.close();
  await fake.close();
  expect(fake.requests).toMatchObject([
    {
      url:
        '/v1/text-to-speech/a%2Fvoice/multi-stream-input?model_id=eleven_flash_v2_5&output_format=pcm_24000' +
        '&inactivity_timeout=180&sync_alignment=true&auto_mode=true',
      headers: { 'xi-api-key': fake.apiKey },
    },
  ]);
  const context_id = 'sentence-1';
  expect(fake.received).toEqual([
    { text: ' ', context_id },
    { text: `${TEXT} `, context_id },
    { context_id, flush: true },
    { context_id, close_context: true },
  ]);
  const { pcm, words } = toneVoice(TEXT, 24_000);
  expect(joined(chunks)).toEqual(pcm);
  const heard = chunks.flatMap((chunk) => chunk.words ?? []);
  expect(heard.map(({ text }) => text)).toEqual(words.map(({ text }) => text));
  for (const [index, { startMs, endMs }] of heard.entries()) {
    expect(startMs).toBeCloseTo(words[index]!.startMs, 0);
    expect(endMs).toBeCloseTo(words[index]!.endMs, 0);
  }
});

test('ElevenLabs never gets a sixth context on a connection, not even after interruptions', async () => {
  const { fake, tts } = await start({ spacingMs: 5 });
  const speakAndInterrupt = async () => {
    const controller = new AbortController();
    for await (const _ of tts.synthesize('Some words that are cut off by the caller.', { signal: controller.signal })) {
      controller.abort('interrupted');
    }
  };
  const turns = Array.from({ length: 12 }, () => expect(speakAndInterrupt()).rejects.toBe('interrupted'));
  await Promise.all(turns);
  await collect(tts.synthesize('And on it goes.', { signal: never() }));
  expect(fake.mostContexts).toBe(5);
  tts.close();
  await fake.close();
});

test('ElevenLabs without a key is a service that is not available', () => {
  const make = () => new ElevenLabs({ apiKey: null, voice: 'voice-1', clock: new FakeClock() });
  expect(make).toThrow(expect.objectContaining({ code: 'ERR_SERVICE_UNAVAILABLE' }));
});

test('characters become words, also over the border of two pieces', () => {
  const characters = new CharacterClock();
  const piece = (text: string) => ({
    chars: [...text],
    charStartTimesMs: [...text].map((_, index) => index * 10),
    charDurationsMs: [...text].map(() => 10),
  });
  expect(characters.add(piece('Hi th'), 0)).toEqual([{ text: 'Hi', startMs: 0, endMs: 20 }]);
  expect(characters.add(piece('ere. '), 100)).toEqual([{ text: 'there.', startMs: 30, endMs: 140 }]);
  expect(characters.finish()).toEqual([]);
  expect(characters.add({ ...piece('odd'), charDurationsMs: [1] }, 200)).toEqual([]);
});
