/**
 * Deepgram Aura by `/v1/speak`. The voice is the vendor's whole name, such as `aura-2-thalia-en`. Written from memory
 * of the vendor's documentation (developers.deepgram.com), which was not read for it: check it before you rely on it.
 * Tested against a fake that speaks it so.
 */
import { HttpVoice, type HttpVoiceOptions } from './http-voice.ts';

const SAMPLE_RATE = 24_000;

export function deepgramAura(options: HttpVoiceOptions): HttpVoice {
  const query = new URLSearchParams({
    model: options.voice,
    encoding: 'linear16',
    container: 'none',
    sample_rate: String(SAMPLE_RATE),
  });
  return new HttpVoice(options, {
    maxCharacters: 2_000,
    headers: () => ({ authorization: `Token ${options.apiKey}` }),
    question: (text) => ({ path: `?${query}`, body: { text } }),
    sound: { form: 'pcm', sampleRate: SAMPLE_RATE },
    answer: { packed: false },
  });
}
