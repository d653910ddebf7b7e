/**
 * MiniMax by `t2a_v2`, streamed: server-sent events with sound in hexadecimal digits. Written from memory of the
 * vendor's documentation (platform.minimax.io), which was not read for it: check it before you rely on it. Tested
 * against a fake that speaks it so.
 */
import { z } from 'zod';
import { StreamedRefusal } from '../../http-service.ts';
import { HttpVoice, type HttpVoiceOptions } from './http-voice.ts';

const SAMPLE_RATE = 24_000;

const eventSchema = z.object({
  data: z.object({ audio: z.hex().nullish() }).nullish(),
  base_resp: z.object({ status_code: z.number().int(), status_msg: z.string().default('') }).nullish(),
});
/** Its numbers of errors, among them a limit by requests and by tokens, and an empty account. */
const STATUS_OF: Readonly<Record<number, number>> = { 1002: 429, 1004: 401, 1008: 402, 1039: 429, 2013: 400 };

export function minimax(options: HttpVoiceOptions): HttpVoice {
  const { voice, model, language } = options;
  return new HttpVoice(options, {
    maxCharacters: 3_000,
    headers: () => ({ authorization: `Bearer ${options.apiKey}` }),
    question: (text) => ({
      path: '',
      body: {
        model,
        text,
        stream: true,
        stream_options: { exclude_aggregated_audio: true },
        voice_setting: { voice_id: voice },
        audio_setting: { format: 'pcm', sample_rate: SAMPLE_RATE, channel: 1 },
        ...(language !== undefined && { language_boost: language }),
      },
    }),
    sound: { form: 'pcm', sampleRate: SAMPLE_RATE },
    answer: {
      packed: 'events',
      read(value) {
        const { data, base_resp: answer } = eventSchema.parse(value);
        if (answer && answer.status_code !== 0) {
          throw new StreamedRefusal(STATUS_OF[answer.status_code] ?? 500, answer.status_msg);
        }
        return data?.audio ? { bytes: Buffer.from(data.audio, 'hex') } : {};
      },
    },
  });
}
