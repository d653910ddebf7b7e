/**
 * Fish Audio by `/v1/tts`. The voice is the id of a model of a voice. Written from memory of the vendor's documentation
 * (docs.fish.audio), which was not read for it: check it before you rely on it. Tested against a fake that speaks it
 * so.
 */
import { HttpVoice, type HttpVoiceOptions } from './http-voice.ts';

const SAMPLE_RATE = 24_000;

export function fish(options: HttpVoiceOptions): HttpVoice {
  const { voice, model } = options;
  return new HttpVoice(options, {
    maxCharacters: 5_000,
    headers: () => ({ authorization: `Bearer ${options.apiKey}`, model }),
    question: (text) => ({
      path: '',
      body: { text, reference_id: voice, format: 'pcm', sample_rate: SAMPLE_RATE, latency: 'balanced' },
    }),
    sound: { form: 'pcm', sampleRate: SAMPLE_RATE },
    answer: { packed: false },
  });
}
