import { afterEach, describe, expect, test } from 'vitest';
import {
  OpenAiRealtimeStt,
  type OpenAiRealtimeSttOptions,
} from '../../../../src/agent/services/stt/openai-realtime.ts';
import { systemClock } from '../../../../src/clock.ts';
import { silentLogger } from '../../../../src/telemetry/index.ts';
import { FakeRealtimeTranscription } from '../../../fakes/openai-realtime-transcription.ts';
import { listen, speak, sttConformance } from './conformance.ts';
import { hearingSubject } from './hearing-subject.ts';

sttConformance('OpenAI realtime', { interim: true, streams: true }, async (options) => {
  const fake = await FakeRealtimeTranscription.start();
  const stt = new OpenAiRealtimeStt({ apiKey: fake.apiKey, baseUrl: fake.baseUrl, ...options });
  return hearingSubject({
    stt,
    fake,
    wrongShape: '{"type": "session.updated", "type": 7}',
    stall: () => {
      fake.server.faults.silentAfter = 2;
    },
    askedForWords: () => fake.commits > 0,
  });
});

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function start(
  options: Partial<OpenAiRealtimeSttOptions> = {},
): Promise<{ fake: FakeRealtimeTranscription; stt: OpenAiRealtimeStt }> {
  const fake = await FakeRealtimeTranscription.start();
  closing.push(() => fake.close());
  const shared = { clock: systemClock, log: silentLogger, timeoutMs: 20_000 };
  const stt = new OpenAiRealtimeStt({ apiKey: fake.apiKey, baseUrl: fake.baseUrl, ...shared, ...options });
  closing.push(() => stt.close());
  return { fake, stt };
}

describe('OpenAI realtime transcription', () => {
  test('sets one transcription session up for utterance after utterance, with turn detection off', async () => {
    const { fake, stt } = await start({ model: 'gpt-4o-mini-transcribe', language: 'en' });
    for (let count = 0; count < 3; count++) {
      const utterance = listen(stt);
      speak(utterance, ['one', 'two']);
      await utterance.finish();
    }
    expect(fake.sessions).toEqual([
      {
        type: 'transcription',
        audio: {
          input: {
            format: { type: 'audio/pcm', rate: 24_000 },
            transcription: { model: 'gpt-4o-mini-transcribe', language: 'en' },
            turn_detection: null,
          },
        },
      },
    ]);
    expect(fake.server.requests[0]!.url.search).toBe('?intent=transcription');
    expect(fake.server.requests[0]!.headers.authorization).toBe(`Bearer ${fake.apiKey}`);
  });

  test('loses and repeats no word when the connection breaks in the middle', async () => {
    const { fake, stt } = await start();
    Object.assign(fake.server.faults, { cutAfterSamples: 24_000, cuts: 1 });
    const utterance = listen(stt);
    speak(utterance, ['one', 'two', 'three', 'four', 'five', 'six']);
    expect(await utterance.finish()).toEqual({ text: 'one two three four five six' });
    expect(fake.server.requests.length).toBe(2);
  });

  test('fills an utterance up that is shorter than the least that may be committed', async () => {
    const { stt } = await start();
    const utterance = listen(stt);
    utterance.write(new Int16Array(320));
    expect(await utterance.finish()).toEqual({ text: '' });
  });

  test.each([
    ['a transcription that failed', { fails: true }, 'ERR_SERVICE_FAILED'],
    ['an error event', { errorCode: 'server_error' }, 'ERR_SERVICE_FAILED'],
    ['a spent quota', { errorCode: 'insufficient_quota' }, 'ERR_SERVICE_UNAVAILABLE'],
  ])('has a code for %s', async (_name, faults, code) => {
    const { fake, stt } = await start();
    Object.assign(fake.faults, faults);
    const utterance = listen(stt);
    speak(utterance, ['one']);
    await expect(utterance.finish()).rejects.toMatchObject({ code });
  });

  test.each(['', 'a-key\n'])('with %j for a key is a service that is not available', (apiKey) => {
    expect(() => new OpenAiRealtimeStt({ apiKey, clock: systemClock, log: silentLogger })).toThrow(
      expect.objectContaining({ code: 'ERR_SERVICE_UNAVAILABLE' }),
    );
  });
});
