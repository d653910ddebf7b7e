/** The suite of every voice, for the ones without a socket of their own: OpenAI's speech endpoint and flite. */

import { describe, expect, test } from 'vitest';
import { Flite } from '../../../../src/agent/services/tts/flite.ts';
import { OpenAiTts } from '../../../../src/agent/services/tts/openai.ts';
import { OpenAiCompatibleTts } from '../../../../src/agent/services/tts/openai-compatible.ts';
import { loadConfig } from '../../../../src/config/index.ts';
import { type FakeFailure, FakeOpenAi, type FakeOpenAiOptions } from '../../../fakes/openai.ts';
import { toneVoice } from '../../../fakes/speaking-socket.ts';
import { FakeClock } from '../../../support/fake-clock.ts';
import { hasFlite } from '../../speech.ts';
import { collect, never, type TtsFault, testTts } from './conformance.ts';

const TIMEOUT_MS = 20_000;
const SECRET = 'sk-fake-key-51c2';

const FAILURES: Record<TtsFault, FakeFailure> = {
  unauthorized: { status: 401 },
  forbidden: { status: 403 },
  'rate-limited': { status: 429 },
  'server-error': { status: 500 },
  overloaded: { status: 503 },
  hang: 'hang',
  stall: 'stall',
  cut: 'cut',
  malformed: 'malformed',
  half: 'half',
  empty: 'empty',
};

type Made = { fake: FakeOpenAi; clock: FakeClock };

function testSpeechEndpoint(name: string, options: FakeOpenAiOptions, create: (made: Made) => OpenAiCompatibleTts) {
  const sampleRate = options.sampleRate ?? 24_000;
  testTts(name, {
    async start({ spacingMs = 0 }) {
      const voice = (text: string) => toneVoice(text, sampleRate).pcm;
      const fake = await FakeOpenAi.start({ apiKey: SECRET, speak: voice, spacingMs, ...options });
      const clock = new FakeClock();
      const tts = create({ fake, clock });
      return {
        tts,
        clock,
        fail(fault) {
          fake.failures.speech = FAILURES[fault];
        },
        heal() {
          delete fake.failures.speech;
        },
        asked: () => fake.headers.length > 0,
        spokenTexts: () => fake.spoken,
        connections: () => fake.connections,
        openCount: () => fake.openCount,
        givenUp: () => fake.abandoned,
        disappear: () => fake.close(),
        close: async () => {
          tts.close();
          await expect.poll(() => fake.openCount, { timeout: 10_000 }).toBe(0);
          await fake.close();
        },
      };
    },
    timesWords: false,
    hasService: true,
    timeoutMs: TIMEOUT_MS,
    secret: SECRET,
  });
}

testSpeechEndpoint("OpenAI's speech endpoint", {}, ({ fake, clock }) => {
  const { services } = loadConfig({
    file: null,
    environment: { OPENAI_API_KEY: SECRET, OPENAI_BASE_URL: fake.baseUrl },
    defaults: { 'services.openai.timeoutMs': TIMEOUT_MS },
  });
  return new OpenAiTts({ settings: services.openai, clock });
});

const own = {
  name: 'kokoro',
  label: 'Kokoro',
  apiKey: null,
  timeoutMs: TIMEOUT_MS,
  model: 'kokoro',
  voice: 'af_heart',
};

testSpeechEndpoint("a server of one's own that answers with WAV", { keyless: true, sampleRate: 16_000 }, (made) => {
  return new OpenAiCompatibleTts({ ...own, baseUrl: made.fake.baseUrl, clock: made.clock, format: 'wav' });
});

describe("a speech server of one's own", () => {
  test('is sent no Authorization, and gives PCM at the rate that it was said to have', async () => {
    const speak = () => Int16Array.of(1, 2, 3);
    const fake = await FakeOpenAi.start({ keyless: true, speak });
    const clock = new FakeClock();
    const tts = new OpenAiCompatibleTts({ ...own, baseUrl: fake.baseUrl, clock, sampleRate: 16_000 });
    try {
      const chunks = await collect(tts.synthesize('Hi.', { signal: never() }));
      expect(chunks).toEqual([{ pcm: Int16Array.of(1, 2, 3), sampleRate: 16_000 }]);
      expect(fake.headers[0]).not.toHaveProperty('authorization');
    } finally {
      tts.close();
      await fake.close();
    }
  });
});

describe.skipIf(!hasFlite)('the installed program', () => {
  testTts('flite', {
    start: async () => {
      const clock = new FakeClock();
      const tts = new Flite({ command: 'flite', voice: 'slt', clock });
      const none = async () => {};
      const service = { heal() {}, asked: () => true, spokenTexts: null, connections: () => 0, openCount: () => 0 };
      return { tts, clock, fail() {}, givenUp: null, disappear: none, close: none, ...service };
    },
    timesWords: false,
    hasService: false,
    timeoutMs: 5_000,
    secret: null,
  });
});
