/** The suite of every voice, for the ones without a socket of their own: OpenAI's speech endpoint and flite. */

import { describe } from 'vitest';
import { Flite } from '../../../../src/agent/services/tts/flite.ts';
import { OpenAiTts } from '../../../../src/agent/services/tts/openai.ts';
import { loadConfig } from '../../../../src/config/index.ts';
import { type FakeFailure, FakeOpenAi } from '../../../fakes/openai.ts';
import { toneVoice } from '../../../fakes/speaking-socket.ts';
import { FakeClock } from '../../../support/fake-clock.ts';
import { hasFlite } from '../../speech.ts';
import { type TtsFault, testTts } from './conformance.ts';

const TIMEOUT_MS = 20_000;
const SECRET = 'sk-fake-key-51c2';

const FAILURES: Record<TtsFault, FakeFailure> = {
  unauthorized: { status: 401 },
  'rate-limited': { status: 429 },
  'server-error': { status: 500 },
  hang: 'hang',
  cut: 'cut',
  malformed: 'malformed',
};

testTts("OpenAI's speech endpoint", {
  async start(options) {
    const fake = await FakeOpenAi.start({ apiKey: SECRET, speak: (text) => toneVoice(text, 24_000).pcm, ...options });
    const { services } = loadConfig({
      file: null,
      environment: { OPENAI_API_KEY: SECRET, OPENAI_BASE_URL: fake.baseUrl },
      defaults: { 'services.openai.timeoutMs': TIMEOUT_MS },
    });
    const clock = new FakeClock();
    let isGone = false;
    const disappear = async () => {
      if (!isGone) await fake.close();
      isGone = true;
    };
    return {
      tts: new OpenAiTts({ settings: services.openai, clock }),
      clock,
      fail(fault) {
        fake.failures.speech = FAILURES[fault];
      },
      givenUp: () => fake.abandoned,
      disappear,
      close: disappear,
    };
  },
  timesWords: false,
  hasService: true,
  timeoutMs: TIMEOUT_MS,
  secret: SECRET,
});

describe.skipIf(!hasFlite)('the installed program', () => {
  testTts('flite', {
    start: async () => {
      const clock = new FakeClock();
      const tts = new Flite({ command: 'flite', voice: 'slt', clock });
      const none = async () => {};
      return { tts, clock, fail() {}, givenUp: null, disappear: none, close: none };
    },
    timesWords: false,
    hasService: false,
    timeoutMs: 5_000,
    secret: null,
  });
});
