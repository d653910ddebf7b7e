/** The streaming services with a dialect of their own: each by the suite that all pass, and by one for turns. */
import { afterEach, describe, expect, test } from 'vitest';
import { AssemblyAi } from '../../../../src/agent/services/stt/assemblyai.ts';
import { AwsTranscribe } from '../../../../src/agent/services/stt/aws-transcribe.ts';
import { CartesiaInk } from '../../../../src/agent/services/stt/cartesia-ink.ts';
import { ElevenLabsScribe } from '../../../../src/agent/services/stt/elevenlabs-scribe.ts';
import { Gladia } from '../../../../src/agent/services/stt/gladia.ts';
import { Soniox } from '../../../../src/agent/services/stt/soniox.ts';
import { Speechmatics } from '../../../../src/agent/services/stt/speechmatics.ts';
import { XaiStt } from '../../../../src/agent/services/stt/xai.ts';
import type { SttStreamEvent, TurnDetectingStt } from '../../../../src/agent/services/stt.ts';
import type { Clock } from '../../../../src/clock.ts';
import { systemClock } from '../../../../src/clock.ts';
import { type Logger, silentLogger } from '../../../../src/telemetry/index.ts';
import { startFakeAssemblyAi } from '../../../fakes/assemblyai.ts';
import { eventFrame, FAKE_AWS_KEY_ID, FAKE_AWS_REGION, startFakeTranscribe } from '../../../fakes/aws-transcribe.ts';
import { startFakeInk } from '../../../fakes/cartesia-ink.ts';
import { startFakeScribe } from '../../../fakes/elevenlabs-scribe.ts';
import { startFakeGladia } from '../../../fakes/gladia.ts';
import { startFakeSoniox } from '../../../fakes/soniox.ts';
import { startFakeSpeechmatics } from '../../../fakes/speechmatics.ts';
import { sayTones } from '../../../fakes/tone-words.ts';
import type { WordsFake } from '../../../fakes/words-dialog.ts';
import { startFakeXaiStt } from '../../../fakes/xai-stt.ts';
import { listen, speak, sttConformance, writeFrames } from './conformance.ts';
import { hearingSubject } from './hearing-subject.ts';

interface Service {
  readonly start: () => Promise<WordsFake>;
  readonly path: string;
  readonly create: (options: {
    apiKey: string;
    baseUrl: string;
    clock: Clock;
    log: Logger;
    timeoutMs: number;
  }) => TurnDetectingStt;
  readonly wrongShape: string | Buffer;
  /** The message by which final words are asked for. */
  readonly asks: string;
  /** Whether words have times. */
  readonly times: boolean;
  /** What it says before it takes sound. */
  readonly greetings: number;
  /** Words are had by ending the stream. */
  readonly endsStreams?: boolean;
}

// Words that are asked for and do not come are told apart from a service that does not answer, later than the time-out.
const finalizeQuietMs = 19_000;

const SERVICES: Readonly<Record<string, Service>> = {
  Soniox: {
    start: startFakeSoniox,
    path: '/transcribe-websocket',
    create: (options) => new Soniox(options),
    wrongShape: '{"tokens": 7}',
    asks: 'finalize',
    times: true,
    greetings: 0,
  },
  AssemblyAI: {
    start: startFakeAssemblyAi,
    path: '/v3/ws',
    create: (options) => new AssemblyAi({ finalizeQuietMs, ...options }),
    wrongShape: '{"type": "Turn", "words": 7}',
    asks: 'ForceEndpoint',
    times: true,
    greetings: 1,
  },
  'ElevenLabs Scribe': {
    start: startFakeScribe,
    path: '/v1/speech-to-text/realtime',
    create: (options) => new ElevenLabsScribe(options),
    wrongShape: '{"message_type": "partial_transcript", "text": 7}',
    asks: 'commit',
    times: false,
    greetings: 1,
  },
  Speechmatics: {
    start: startFakeSpeechmatics,
    path: '/v2',
    create: (options) => new Speechmatics({ finalizeQuietMs, ...options }),
    wrongShape: '{"message": "AddTranscript", "results": 7}',
    asks: 'ForceEndOfUtterance',
    times: true,
    greetings: 1,
  },
  Gladia: {
    start: startFakeGladia,
    path: '/v2/live',
    create: ({ baseUrl, ...options }) => new Gladia({ ...options, baseUrl: baseUrl.replace(/^ws/, 'http') }),
    wrongShape: '{"type": "transcript", "data": 7}',
    asks: 'stop_recording',
    times: true,
    greetings: 2,
    endsStreams: true,
  },
  'Cartesia Ink': {
    start: startFakeInk,
    path: '',
    create: (options) => new CartesiaInk(options),
    wrongShape: '{"type": "transcript", "text": 7}',
    asks: 'finalize',
    times: false,
    greetings: 0,
  },
  'Amazon Transcribe': {
    start: startFakeTranscribe,
    path: '',
    create: ({ apiKey, ...options }) =>
      new AwsTranscribe({
        ...options,
        account: { accessKeyId: FAKE_AWS_KEY_ID, secretAccessKey: apiKey },
        region: FAKE_AWS_REGION,
      }),
    wrongShape: eventFrame('TranscriptEvent', { Transcript: 7 }),
    asks: 'end',
    times: true,
    greetings: 0,
    endsStreams: true,
  },
  xAI: {
    start: startFakeXaiStt,
    path: '/v1/stt',
    create: (options) => new XaiStt(options),
    wrongShape: '{"type": "transcript.partial", "text": 7}',
    asks: 'audio.done',
    times: true,
    greetings: 1,
    endsStreams: true,
  },
};

for (const [name, service] of Object.entries(SERVICES)) {
  const { endsStreams = false } = service;
  sttConformance(name, { interim: true, streams: true, endsStreams }, async (options) => {
    const fake = await service.start();
    const stt = service.create({
      ...options,
      apiKey: options.apiKey ?? fake.apiKey,
      baseUrl: fake.server.url + service.path,
    });
    return hearingSubject({
      ...{ stt, fake, wrongShape: service.wrongShape },
      stall: () => {
        fake.server.faults.silentAfter = service.greetings;
      },
      askedForWords: () => fake.controls.includes(service.asks),
    });
  });
}

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function begin(service: Service) {
  const fake = await service.start();
  const stt = service.create({
    ...{ apiKey: fake.apiKey, baseUrl: fake.server.url + service.path, clock: systemClock, log: silentLogger },
    timeoutMs: 20_000,
  });
  closing.push(
    () => fake.close(),
    () => stt.close(),
  );
  return { fake, stt };
}

describe.each(Object.entries(SERVICES))('%s', (_name, service) => {
  test('heard continuously, ends turns by itself, each with all of its words and no others', async () => {
    const { stt } = await begin(service);
    const events: SttStreamEvent[] = [];
    const stream = stt.open({
      onEvent: (event) => events.push(event),
      onError: (error) => expect.unreachable(error.message),
    });
    writeFrames(stream, sayTones(['one', 'two', 'three']));
    writeFrames(stream, new Int16Array(16_000));
    writeFrames(stream, sayTones(['four', 'five']));
    writeFrames(stream, new Int16Array(16_000));
    const ends = () => events.flatMap((event) => (event.type === 'turnEnd' ? [`${event.cause}: ${event.text}`] : []));
    await expect.poll(ends, { timeout: 20_000 }).toEqual(['service: one two three', 'service: four five']);
    expect(events.some(({ type }) => type === 'interim')).toBe(true);
    if (service.times) {
      const words = events.flatMap((event) => (event.type === 'final' ? event.words : []));
      expect(words.map(({ text, startMs }) => [text, startMs])).toEqual([
        ...[
          ['one', 0],
          ['two', 300],
          ['three', 600],
        ],
        ...[
          ['four', 1_900],
          ['five', 2_200],
        ],
      ]);
    }
    stream.close();
  });

  test('loses and repeats no word when the connection breaks in the middle', async () => {
    const { fake, stt } = await begin(service);
    Object.assign(fake.server.faults, { cutAfterSamples: 24_000, cuts: 1 });
    const utterance = listen(stt);
    speak(utterance, ['one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight']);
    expect(await utterance.finish()).toEqual({ text: 'one two three four five six seven eight' });
    await expect.poll(() => fake.server.requests.length, { timeout: 20_000 }).toBe(service.endsStreams ? 3 : 2);
  });

  test('gives the key to nobody but the service', async () => {
    const { fake, stt } = await begin(service);
    const utterance = listen(stt);
    speak(utterance, ['one']);
    await utterance.finish();
    expect(decodeURIComponent(fake.server.requests[0]!.url.href)).not.toContain(fake.apiKey);
  });
});

describe.each(['AssemblyAI', 'Speechmatics'])('%s', (name) => {
  test('ends its stream where a request for words goes unanswered, and takes another for the next', async () => {
    const service = SERVICES[name]!;
    const fake = await service.start();
    fake.forgetsEmpty = true;
    const options = {
      apiKey: fake.apiKey,
      baseUrl: fake.server.url + service.path,
      clock: systemClock,
      log: silentLogger,
    };
    const Service = name === 'AssemblyAI' ? AssemblyAi : Speechmatics;
    const stt = new Service({ ...options, finalizeQuietMs: 50 });
    closing.push(
      () => fake.close(),
      () => stt.close(),
    );
    const silent = listen(stt);
    writeFrames(silent, new Int16Array(8_000));
    expect(await silent.finish()).toEqual({ text: '' });
    const next = listen(stt);
    speak(next, ['six', 'two']);
    expect(await next.finish()).toEqual({ text: 'six two' });
    expect(fake.server.requests.length).toBe(2);
  });
});

describe('Gladia', () => {
  async function start(options: Partial<ConstructorParameters<typeof Gladia>[0]> = {}) {
    const fake = await startFakeGladia();
    const baseUrl = `${fake.server.url.replace(/^ws/, 'http')}/v2/live`;
    const stt = new Gladia({ apiKey: fake.apiKey, baseUrl, clock: systemClock, log: silentLogger, ...options });
    closing.push(
      () => fake.close(),
      () => stt.close(),
    );
    return { fake, stt };
  }

  test('asks for its session in the region, model and language that are chosen', async () => {
    const { fake, stt } = await start({ region: 'us-west', language: 'de' });
    const utterance = listen(stt);
    speak(utterance, ['one']);
    await utterance.finish();
    expect(fake.asked[0]).toMatchObject({
      region: 'us-west',
      body: { model: 'solaria-1', language_config: { languages: ['de'] }, encoding: 'wav/pcm', bit_depth: 16 },
    });
  });

  test('has all words of a session whose end only its socket tells', async () => {
    const { fake, stt } = await start();
    fake.forgetsEmpty = true;
    const utterance = listen(stt);
    speak(utterance, ['one', 'two']);
    expect(await utterance.finish()).toEqual({ text: 'one two' });
  });

  test('asks nothing more for a session that nobody waits for', async () => {
    const { fake, stt } = await start();
    fake.server.faults.hang = true;
    const utterance = listen(stt);
    speak(utterance, ['one']);
    const failing = expect(utterance.finish()).rejects.toMatchObject({ code: 'ERR_SERVICE_FAILED' });
    utterance.close();
    await failing;
    stt.close();
    expect(fake.server.requests).toEqual([]);
  });
});
