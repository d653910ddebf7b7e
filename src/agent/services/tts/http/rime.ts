/**
 * Rime by its streaming HTTP endpoint. Written from memory of the vendor's documentation (docs.rime.ai), which was not
 * read for it: check it before you rely on it. Tested against a fake that speaks it so.
 */
import { HttpVoice, type HttpVoiceOptions } from './http-voice.ts';

const SAMPLE_RATE = 24_000;

export function rime(options: HttpVoiceOptions): HttpVoice {
  const { voice, model, language = 'eng' } = options;
  return new HttpVoice(options, {
    maxCharacters: 500,
    headers: () => ({ authorization: `Bearer ${options.apiKey}`, accept: 'audio/pcm' }),
    question: (text) => ({
      path: '',
      body: { text, speaker: voice, modelId: model, lang: language, samplingRate: SAMPLE_RATE },
    }),
    sound: { form: 'pcm', sampleRate: SAMPLE_RATE },
    answer: { packed: false },
  });
}
