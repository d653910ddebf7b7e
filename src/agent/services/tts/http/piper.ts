/**
 * Piper by its HTTP server (a program of its own, under the GPL), which answers with a WAV file. By its repository
 * (OHF-Voice/piper1-gpl, docs/API_HTTP.md, read in November 2026).
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
