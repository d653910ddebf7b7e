/**
 * Hume's Octave by `/v0/tts/stream/json`: lines of JSON, each with a piece of sound of 48 kHz, whose rate is halved. By
 * what LiveKit's agents ask (livekit-plugins-hume, read in November 2026); the vendor's page was not read.
 */
import { z } from 'zod';
import { StreamedRefusal } from '../../http-service.ts';
import { HttpVoice, type HttpVoiceOptions } from './http-voice.ts';

const lineSchema = z.union([
  z.object({ audio: z.base64() }),
  z.object({ type: z.literal('error'), message: z.string().max(4_096).default('') }),
  /** Times of words and the like, which are not asked for. */
  z.object({ type: z.string().max(64) }),
]);

/** A voice of one's own is asked for by its id, one of Hume's by its name. */
const VOICE_ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

export function hume(options: HttpVoiceOptions): HttpVoice {
  const { voice, model } = options;
  return new HttpVoice(options, {
    maxCharacters: 5_000,
    headers: () => ({ 'x-hume-api-key': options.apiKey ?? '' }),
    question: (text) => ({
      path: '',
      body: {
        utterances: [{ text, voice: VOICE_ID.test(voice) ? { id: voice } : { name: voice, provider: 'HUME_AI' } }],
        version: model,
        strip_headers: true,
        instant_mode: true,
        format: { type: 'pcm' },
      },
    }),
    sound: { form: 'pcm', sampleRate: 48_000, isHalved: true },
    answer: {
      packed: 'values',
      read(value) {
        const line = lineSchema.parse(value);
        if ('audio' in line) return { bytes: Buffer.from(line.audio, 'base64') };
        if ('message' in line) throw new StreamedRefusal(500, line.message);
        return {};
      },
    },
  });
}
