/**
 * Google Cloud's voices by `text:synthesize`: the answer comes as a whole. By an API key. The voice is the vendor's
 * whole name, such as `en-US-Chirp3-HD-Achernar`. Written from memory of the vendor's documentation (cloud.google.com),
 * which was not read for it: check it before you rely on it. Tested against a fake that speaks it so.
 */
import { z } from 'zod';
import { HttpVoice, type HttpVoiceOptions } from './http-voice.ts';

const SAMPLE_RATE = 24_000;

const answerSchema = z.object({ audioContent: z.base64() });

export function googleVoice(options: HttpVoiceOptions): HttpVoice {
  const { voice, language = voice.split('-').slice(0, 2).join('-') } = options;
  return new HttpVoice(options, {
    maxCharacters: 4_000,
    headers: () => ({ 'x-goog-api-key': options.apiKey ?? '' }),
    question: (text) => ({
      path: '',
      body: {
        input: { text },
        voice: { languageCode: language, name: voice },
        audioConfig: { audioEncoding: 'LINEAR16', sampleRateHertz: SAMPLE_RATE },
      },
    }),
    sound: { form: 'wav' },
    answer: {
      packed: 'values',
      read: (value) => ({ bytes: Buffer.from(answerSchema.parse(value).audioContent, 'base64') }),
    },
  });
}
