/**
 * LMNT by `/v1/ai/speech/bytes`. Written from memory of the vendor's documentation (docs.lmnt.com), which was not read
 * for it: check it before you rely on it. Tested against a fake that speaks it so.
 */
import { HttpVoice, type HttpVoiceOptions } from './http-voice.ts';

const SAMPLE_RATE = 24_000;

export function lmnt(options: HttpVoiceOptions): HttpVoice {
  const { voice, model, language = 'auto' } = options;
  return new HttpVoice(options, {
    maxCharacters: 5_000,
    headers: () => ({ 'x-api-key': options.apiKey ?? '' }),
    question: (text) => ({
      path: '',
      body: { text, voice, model, language, format: 'pcm_s16le', sample_rate: SAMPLE_RATE },
    }),
    sound: { form: 'pcm', sampleRate: SAMPLE_RATE },
    answer: { packed: false },
  });
}
