import { OpenAiStt } from '../../../../src/agent/services/stt/openai.ts';
import { parseWav } from '../../../../src/agent/services/wav.ts';
import { loadConfig } from '../../../../src/config/index.ts';
import { FakeOpenAi } from '../../../fakes/openai.ts';
import { hearTones } from '../../../fakes/tone-words.ts';
import { sttConformance } from './conformance.ts';

// The same adapter serves whisper servers: only the base URL differs.
sttConformance('audio/transcriptions', { interim: false, refusedKeyCode: 'ERR_SERVICE_FAILED' }, async (options) => {
  let asked = false;
  const fake = await FakeOpenAi.start({
    transcribe: (wav) => {
      const { pcm, sampleRate } = parseWav(wav);
      return hearTones(pcm, sampleRate)
        .map(({ text }) => text)
        .join(' ');
    },
  });
  const { services } = loadConfig({
    file: null,
    environment: { OPENAI_API_KEY: options.apiKey ?? fake.apiKey, OPENAI_BASE_URL: fake.baseUrl },
    defaults: { 'services.openai.timeoutMs': options.timeoutMs },
  });
  return {
    stt: new OpenAiStt({ settings: services.openai, clock: options.clock }),
    refuse: (status) => {
      fake.failures.transcriptions = { status };
    },
    stall: () => {
      fake.failures.transcriptions = 'hang';
    },
    talkNonsense: () => {
      fake.failures.transcriptions = 'malformed';
    },
    askedForWords: () => {
      // The request is under way one turn of the event loop after it was made.
      const before = asked;
      asked = true;
      return before;
    },
    stop: () => fake.close(),
    close: () => fake.close(),
  };
});
