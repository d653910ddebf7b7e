/**
 * Piper by its HTTP server (a program of its own, under the GPL), which answers with a WAV file. Written from memory of
 * the vendor's documentation (OHF-Voice/piper1-gpl), which was not read for it: check it before you rely on it. Tested
 * against a fake that speaks it so.
 */
import { HttpVoice, type HttpVoiceOptions } from './http-voice.ts';

export function piper(options: HttpVoiceOptions): HttpVoice {
  return new HttpVoice(options, {
    maxCharacters: 2_000,
    headers: () => ({}),
    question: (text) => ({ path: '', body: { text, voice: options.voice } }),
    sound: { form: 'wav' },
    answer: { packed: false },
  });
}
