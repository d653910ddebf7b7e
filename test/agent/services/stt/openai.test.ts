/** Speech to text in one request: OpenAI's own, and whisper servers of one's own. */
import { expect, test } from 'vitest';
import { OpenAiStt } from '../../../../src/agent/services/stt/openai.ts';
import { OpenAiCompatibleStt } from '../../../../src/agent/services/stt/openai-compatible.ts';
import { parseWav } from '../../../../src/agent/services/wav.ts';
import { systemClock } from '../../../../src/clock.ts';
import { loadConfig } from '../../../../src/config/index.ts';
import { FakeOpenAi, type FakeOpenAiOptions } from '../../../fakes/openai.ts';
import { hearTones } from '../../../fakes/tone-words.ts';
import { listen, type SttSubjectOptions, speak, sttConformance } from './conformance.ts';

function transcribe(wav: Buffer): string {
  const { pcm, sampleRate } = parseWav(wav);
  return hearTones(pcm, sampleRate)
    .map(({ text }) => text)
    .join(' ');
}

type Create = (fake: FakeOpenAi, options: SttSubjectOptions & { apiKey: string }) => OpenAiCompatibleStt;

function batchConformance(name: string, fakeOptions: FakeOpenAiOptions, create: Create): void {
  sttConformance(name, { interim: false, streams: false }, async (options) => {
    const fake = await FakeOpenAi.start({ transcribe, ...fakeOptions });
    const stt = create(fake, { ...options, apiKey: options.apiKey ?? fake.apiKey });
    return {
      stt,
      connections: () => fake.connections,
      openCount: () => fake.openCount,
      refuse: (status) => {
        fake.failures.transcriptions = { status };
      },
      stall: () => {
        fake.failures.transcriptions = 'hang';
      },
      talkNonsense: (kind) => {
        fake.failures.transcriptions = kind;
      },
      cut: () => {
        fake.failures.transcriptions = 'cut';
      },
      askedForWords: () => fake.headers.length > 0,
      stop: () => fake.close(),
      close: async () => {
        stt.close();
        await expect.poll(() => fake.openCount, { timeout: 10_000 }).toBe(0);
        await fake.close();
      },
    };
  });
}

batchConformance('OpenAI by the configuration', {}, (fake, { clock, timeoutMs, apiKey }) => {
  const { services } = loadConfig({
    file: null,
    environment: { OPENAI_API_KEY: apiKey, OPENAI_BASE_URL: fake.baseUrl },
    defaults: { 'services.openai.timeoutMs': timeoutMs },
  });
  return new OpenAiStt({ settings: services.openai, clock });
});

const whisper = { name: 'whisper', label: 'Whisper', model: 'Systran/faster-whisper-small' };

batchConformance('a whisper server', {}, (fake, options) => {
  return new OpenAiCompatibleStt({ ...whisper, ...options, baseUrl: fake.baseUrl });
});

test("a whisper server of one's own is asked without a key, for its model and the language", async () => {
  const fake = await FakeOpenAi.start({ transcribe, keyless: true });
  const { baseUrl } = fake;
  const about = { ...whisper, baseUrl, apiKey: null, clock: systemClock, timeoutMs: 20_000 };
  const stt = new OpenAiCompatibleStt({ ...about, language: 'de' });
  try {
    const utterance = listen(stt);
    speak(utterance, ['one', 'two']);
    expect(await utterance.finish()).toEqual({ text: 'one two' });
    expect(fake.headers[0]).not.toHaveProperty('authorization');
    expect(fake.transcriptionForms).toEqual([{ model: whisper.model, language: 'de', response_format: 'json' }]);
  } finally {
    stt.close();
    await fake.close();
  }
});

test('an utterance without a sound is not sent', async () => {
  const fake = await FakeOpenAi.start({ transcribe: () => 'Thank you for watching!' });
  const { baseUrl, apiKey } = fake;
  const stt = new OpenAiCompatibleStt({ ...whisper, baseUrl, apiKey, clock: systemClock, timeoutMs: 20_000 });
  try {
    expect(await listen(stt).finish()).toEqual({ text: '' });
    expect(fake.headers).toEqual([]);
  } finally {
    stt.close();
    await fake.close();
  }
});
