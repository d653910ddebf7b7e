/**
 * Inworld by `voice:stream`: lines of JSON, each with a piece of sound as a small WAV file, and the times of words.
 * Written from memory of the vendor's documentation (docs.inworld.ai), which was not read for it: check it before you
 * rely on it. Tested against a fake that speaks it so.
 */
import { z } from 'zod';
import { StreamedRefusal } from '../../http-service.ts';
import type { SpokenWord } from '../../tts.ts';
import { HttpVoice, type HttpVoiceOptions } from './http-voice.ts';

const SAMPLE_RATE = 24_000;

const times = z.array(z.number().min(0).max(36_000)).max(10_000);
const lineSchema = z.union([
  z.object({
    result: z.object({
      audioContent: z.base64(),
      timestampInfo: z
        .object({
          wordAlignment: z
            .object({
              words: z.array(z.string().max(1_000)).max(10_000),
              wordStartTimeSeconds: times,
              wordEndTimeSeconds: times,
            })
            .refine(({ words, wordStartTimeSeconds: from, wordEndTimeSeconds: to }) => {
              return words.length === from.length && words.length === to.length;
            })
            .nullish(),
        })
        .nullish(),
    }),
  }),
  /** By gRPC's numbers of errors. */
  z.object({ error: z.object({ code: z.number().int(), message: z.string().default('') }) }),
]);
const STATUS_OF: Readonly<Record<number, number>> = { 3: 400, 7: 403, 8: 429, 14: 503, 16: 401 };

export function inworld(options: HttpVoiceOptions): HttpVoice {
  const { voice, model } = options;
  return new HttpVoice(options, {
    maxCharacters: 2_000,
    headers: () => ({ authorization: `Basic ${options.apiKey}` }),
    question: (text) => ({
      path: '',
      body: {
        text,
        voiceId: voice,
        modelId: model,
        audioConfig: { audioEncoding: 'LINEAR16', sampleRateHertz: SAMPLE_RATE },
        timestampType: 'WORD',
      },
    }),
    sound: { form: 'wavs' },
    answer: {
      packed: 'values',
      read(value) {
        const line = lineSchema.parse(value);
        if ('error' in line) throw new StreamedRefusal(STATUS_OF[line.error.code] ?? 500, line.error.message);
        const { audioContent, timestampInfo } = line.result;
        const bytes = Buffer.from(audioContent, 'base64');
        return timestampInfo?.wordAlignment ? { bytes, words: wordsOf(timestampInfo.wordAlignment) } : { bytes };
      },
    },
  });
}

interface Alignment {
  readonly words: readonly string[];
  readonly wordStartTimeSeconds: readonly number[];
  readonly wordEndTimeSeconds: readonly number[];
}

function wordsOf({ words, wordStartTimeSeconds: from, wordEndTimeSeconds: to }: Alignment): SpokenWord[] {
  return words.map((text, index) => ({ text, startMs: from[index]! * 1_000, endMs: to[index]! * 1_000 }));
}
