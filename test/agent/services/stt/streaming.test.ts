/** The streaming services with a dialect of their own: each by the suite that all pass, and by one for turns. */
import { afterEach, describe, expect, test } from 'vitest';
import { AssemblyAi } from '../../../../src/agent/services/stt/assemblyai.ts';
import { ElevenLabsScribe } from '../../../../src/agent/services/stt/elevenlabs-scribe.ts';
import { Soniox } from '../../../../src/agent/services/stt/soniox.ts';
import { Speechmatics } from '../../../../src/agent/services/stt/speechmatics.ts';
import type { SttStreamEvent, TurnDetectingStt } from '../../../../src/agent/services/stt.ts';
import type { Clock } from '../../../../src/clock.ts';
import { systemClock } from '../../../../src/clock.ts';
import { type Logger, silentLogger } from '../../../../src/telemetry/index.ts';
import { startFakeAssemblyAi } from '../../../fakes/assemblyai.ts';
import { startFakeScribe } from '../../../fakes/elevenlabs-scribe.ts';
import { startFakeSoniox } from '../../../fakes/soniox.ts';
import { startFakeSpeechmatics } from '../../../fakes/speechmatics.ts';
import { sayTones } from '../../../fakes/tone-words.ts';
import type { WordsFake } from '../../../fakes/words-dialog.ts';
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
  readonly wrongShape: string;
  /** The message by which final words are asked for. */
  readonly asks: string;
  /** Whether words have times. */
  readonly times: boolean;
  /** What it says before it takes sound. */
  readonly greetings: number;
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
};

for (const [name, service] of Object.entries(SERVICES)) {
  sttConformance(name, { interim: true, streams: true }, async (options) => {
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
    expect(fake.server.requests.length).toBe(2);
  });

  test('gives the key to nobody but the service', async () => {
    const { fake, stt } = await begin(service);
    const utterance = listen(stt);
    speak(utterance, ['one']);
    await utterance.finish();
    expect(fake.server.requests[0]!.url.href).not.toContain(fake.apiKey);
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
