import { expect, test } from 'vitest';
import { Murf } from '../../../../src/agent/services/tts/murf.ts';
import { FakeMurf } from '../../../fakes/murf.ts';
import { FakeClock } from '../../../support/fake-clock.ts';
import { collect, never, testTts } from './conformance.ts';
import { socketSubject, testSpeechSocket } from './speech-socket.ts';

const start = async (options: Parameters<typeof FakeMurf.start>[0] = {}) => {
  const fake = await FakeMurf.start(options);
  const clock = new FakeClock();
  const baseUrl = `${fake.baseUrl}/v1/speech/stream-input`;
  const tts = new Murf({ apiKey: fake.apiKey, voice: 'en-US-matthew', baseUrl, clock });
  return { fake, clock, tts };
};

testTts('Murf', {
  start: async (options) => {
    const fixture = await start(options);
    return {
      ...socketSubject(fixture),
      spokenTexts: () => fixture.fake.received.map(({ text }) => String(text ?? '')),
    };
  },
  timesWords: false,
  hasService: true,
  timeoutMs: 5_000,
  secret: 'fake-key-7f3a',
});
testSpeechSocket('Murf', { start, contextsPerConnection: 10 });

test('Murf is asked as its documentation says, and nothing but the handshake has the key', async () => {
  const { fake, tts } = await start();
  await collect(tts.synthesize('Good morning!', { signal: never() }));
  tts.close();
  await fake.close();
  expect(fake.requests[0]!.headers['api-key']).toBe(fake.apiKey);
  expect(fake.received).toEqual([
    { context_id: 'sentence-1', voice_config: { voice_id: 'en-US-matthew' }, text: 'Good morning!', end: true },
  ]);
});
