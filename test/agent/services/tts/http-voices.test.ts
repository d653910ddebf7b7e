/** The voices that are asked by one POST: each by the suite that all pass, and how each is asked. */
import { afterEach, describe, expect, test } from 'vitest';
import { azureVoice } from '../../../../src/agent/services/tts/http/azure.ts';
import { deepgramAura } from '../../../../src/agent/services/tts/http/deepgram-aura.ts';
import { fish } from '../../../../src/agent/services/tts/http/fish.ts';
import { googleVoice } from '../../../../src/agent/services/tts/http/google.ts';
import type { HttpVoice, HttpVoiceOptions } from '../../../../src/agent/services/tts/http/http-voice.ts';
import { hume } from '../../../../src/agent/services/tts/http/hume.ts';
import { inworld } from '../../../../src/agent/services/tts/http/inworld.ts';
import { lmnt } from '../../../../src/agent/services/tts/http/lmnt.ts';
import { minimax } from '../../../../src/agent/services/tts/http/minimax.ts';
import { piper } from '../../../../src/agent/services/tts/http/piper.ts';
import { polly } from '../../../../src/agent/services/tts/http/polly.ts';
import { rime } from '../../../../src/agent/services/tts/http/rime.ts';
import { buildWav } from '../../../../src/agent/services/wav.ts';
import { bytesOf, FakeHttpVoice, type FakeVendor, type HttpVoiceFault } from '../../../fakes/http-voice.ts';
import { FakeClock } from '../../../support/fake-clock.ts';
import { collect, joined, never, type TtsFault, testTts } from './conformance.ts';

const TIMEOUT_MS = 20_000;
const SECRET = 'voice-key-51c2';
const FAULTS: Record<TtsFault, HttpVoiceFault> = {
  unauthorized: { status: 401 },
  forbidden: { status: 403 },
  'rate-limited': { status: 429 },
  'server-error': { status: 500 },
  overloaded: { status: 503 },
  hang: 'hang',
  stall: 'stall',
  cut: 'cut',
  malformed: 'malformed',
  half: 'half',
  empty: 'empty',
};

const header =
  (name: string, value: (key: string) => string): FakeVendor['isOurs'] =>
  (request, key) =>
    request.headers[name] === value(key);
const bearer = header('authorization', (key) => `Bearer ${key}`);
/** A field of a body of JSON, when the others are as they must be. */
const field =
  (name: string, others: Record<string, unknown> = {}): FakeVendor['textOf'] =>
  (body) => {
    const value = JSON.parse(body) as Record<string, unknown>;
    const isFit = Object.entries(others).every(
      ([key, wanted]) => JSON.stringify(value[key]) === JSON.stringify(wanted),
    );
    return isFit ? String(value[name]) : null;
  };
const raw = { contentType: 'audio/pcm', pack: ({ pcm }: { pcm: Int16Array }) => bytesOf(pcm), malformed: '' };
const pcm24 = { ...raw, sampleRate: 24_000 };

interface Vendor {
  readonly fake: FakeVendor;
  readonly create: (options: HttpVoiceOptions) => HttpVoice;
  readonly model?: string;
  readonly voice?: string;
  readonly timesWords?: boolean;
}

const VENDORS: Readonly<Record<string, Vendor>> = {
  'Deepgram Aura': {
    create: deepgramAura,
    voice: 'aura-2-thalia-en',
    fake: {
      ...pcm24,
      path: '/v1/speak?model=aura-2-thalia-en&encoding=linear16&container=none&sample_rate=24000',
      isOurs: header('authorization', (key) => `Token ${key}`),
      textOf: field('text'),
    },
  },
  Rime: {
    create: rime,
    fake: {
      ...pcm24,
      path: '/v1/speak',
      isOurs: (request, key, body) => bearer(request, key, body) && request.headers.accept === 'audio/pcm',
      textOf: field('text', { speaker: 'a-voice', modelId: 'a-model', lang: 'eng', samplingRate: 24_000 }),
    },
  },
  LMNT: {
    create: lmnt,
    fake: {
      ...pcm24,
      path: '/v1/speak',
      isOurs: header('x-api-key', (key) => key),
      textOf: field('text', { voice: 'a-voice', model: 'a-model', format: 'pcm_s16le', sample_rate: 24_000 }),
    },
  },
  'Fish Audio': {
    create: fish,
    fake: {
      ...pcm24,
      path: '/v1/speak',
      isOurs: (request, key, body) => bearer(request, key, body) && request.headers.model === 'a-model',
      textOf: field('text', { reference_id: 'a-voice', format: 'pcm', sample_rate: 24_000 }),
    },
  },
  Azure: {
    create: azureVoice,
    voice: 'en-US-AvaNeural',
    fake: {
      ...pcm24,
      contentType: 'audio/basic',
      path: '/v1/speak',
      isOurs: ({ headers }, key) =>
        headers['ocp-apim-subscription-key'] === key &&
        headers['content-type'] === 'application/ssml+xml' &&
        headers['x-microsoft-outputformat'] === 'raw-24khz-16bit-mono-pcm',
      textOf: (body) =>
        /^<speak version="1.0" xmlns="[^"]+" xml:lang="en-US"><voice name="en-US-AvaNeural">([^<>]*)<\/voice><\/speak>$/.exec(
          body,
        )?.[1] ?? null,
    },
  },
  Google: {
    create: googleVoice,
    voice: 'en-US-Chirp3-HD-Achernar',
    fake: {
      path: '/v1/speak',
      sampleRate: 24_000,
      isWhole: true,
      isOurs: header('x-goog-api-key', (key) => key),
      textOf: (body) => {
        const { input, voice, audioConfig } = JSON.parse(body);
        const isFit = voice.languageCode === 'en-US' && voice.name === 'en-US-Chirp3-HD-Achernar';
        return isFit && audioConfig.audioEncoding === 'LINEAR16' ? input.text : null;
      },
      contentType: 'application/json; charset=UTF-8',
      // As Google writes it: over several lines.
      pack: ({ pcm, sampleRate }) =>
        JSON.stringify({ audioContent: buildWav({ pcm, sampleRate }).toString('base64') }, null, 2),
      malformed: '{"audioContent": 7}',
    },
  },
  Inworld: {
    create: inworld,
    timesWords: true,
    fake: {
      path: '/v1/speak',
      sampleRate: 24_000,
      isOurs: header('authorization', (key) => `Basic ${key}`),
      textOf: field('text', { voiceId: 'a-voice', modelId: 'a-model', timestampType: 'WORD' }),
      contentType: 'application/json',
      pack({ pcm, sampleRate, words }) {
        const wordAlignment = {
          words: words.map(({ text }) => text),
          wordStartTimeSeconds: words.map(({ startMs }) => startMs / 1_000),
          wordEndTimeSeconds: words.map(({ endMs }) => endMs / 1_000),
        };
        const audioContent = buildWav({ pcm, sampleRate }).toString('base64');
        return `${JSON.stringify({ result: { audioContent, timestampInfo: { wordAlignment } } })}\n`;
      },
      malformed: '{"result": {"audioContent": 7}}\n',
    },
  },
  Hume: {
    create: hume,
    fake: {
      path: '/v1/speak',
      sampleRate: 48_000,
      isOurs: header('x-hume-api-key', (key) => key),
      textOf: (body) => {
        const { utterances, ...rest } = JSON.parse(body);
        const isFit =
          JSON.stringify(rest) ===
          '{"version":"a-model","strip_headers":true,"instant_mode":true,"format":{"type":"pcm"}}';
        const [{ text, voice }] = utterances;
        return isFit && JSON.stringify(voice) === '{"name":"a-voice","provider":"HUME_AI"}' ? text : null;
      },
      contentType: 'application/json',
      pack: ({ pcm }) => `${JSON.stringify({ type: 'audio', audio: bytesOf(pcm).toString('base64') })}\n`,
      malformed: '{"audio": 7}\n',
    },
  },
  MiniMax: {
    create: minimax,
    fake: {
      path: '/v1/speak',
      sampleRate: 24_000,
      isOurs: bearer,
      textOf: field('text', {
        model: 'a-model',
        stream: true,
        voice_setting: { voice_id: 'a-voice' },
        audio_setting: { format: 'pcm', sample_rate: 24_000, channel: 1 },
      }),
      contentType: 'text/event-stream',
      pack: ({ pcm }) =>
        `data: ${JSON.stringify({ data: { audio: bytesOf(pcm).toString('hex'), status: 1 }, base_resp: { status_code: 0, status_msg: 'success' } })}\n\n`,
      end: 'data: {"data": {"status": 2}, "base_resp": {"status_code": 0}}\n\n',
      malformed: 'data: {"data": {"audio": 7}}\n\n',
    },
  },
  'Amazon Polly': {
    create: (options) =>
      polly({
        ...options,
        region: 'eu-central-1',
        account: { accessKeyId: 'AKIAFAKE', secretAccessKey: options.apiKey! },
      }),
    fake: {
      ...raw,
      sampleRate: 16_000,
      path: '/v1/speak/v1/speech',
      isOurs: ({ headers }) =>
        /^AWS4-HMAC-SHA256 Credential=AKIAFAKE\/\d{8}\/eu-central-1\/polly\/aws4_request, SignedHeaders=[a-z0-9;-]*content-type[a-z0-9;-]*, Signature=[0-9a-f]{64}$/.test(
          headers.authorization ?? '',
        ),
      textOf: field('Text', { VoiceId: 'a-voice', Engine: 'a-model', OutputFormat: 'pcm', SampleRate: '16000' }),
    },
  },
  Piper: {
    create: piper,
    fake: {
      path: '/v1/speak',
      sampleRate: 16_000,
      isOurs: ({ headers }) => headers.authorization === undefined,
      textOf: field('text', { voice: 'a-voice' }),
      contentType: 'audio/wav',
      // The length of a stream is not known at its beginning.
      pack: ({ pcm, sampleRate, isFirst }) => (isFirst ? openWav(pcm, sampleRate) : bytesOf(pcm)),
      malformed: 'RIFFxxxxWAVEjunk',
    },
  },
};

function openWav(pcm: Int16Array, sampleRate: number): Buffer {
  const file = buildWav({ pcm, sampleRate });
  file.writeUInt32LE(0xffff_ffff, 40);
  return file;
}

async function begin({ fake: vendor, create, model = 'a-model', voice = 'a-voice' }: Vendor, spacingMs = 0) {
  const fake = await FakeHttpVoice.start(vendor, { apiKey: SECRET, spacingMs });
  const clock = new FakeClock();
  const tts = create({
    ...{
      name: 'v',
      label: 'A voice',
      baseUrl: `${fake.origin}/v1/speak`,
      apiKey: SECRET,
      clock,
      timeoutMs: TIMEOUT_MS,
    },
    ...{ model, voice },
  });
  return { fake, clock, tts };
}

for (const [name, vendor] of Object.entries(VENDORS)) {
  testTts(name, {
    async start({ spacingMs = 0 }) {
      const { fake, clock, tts } = await begin(vendor, spacingMs);
      return {
        tts,
        clock,
        fail(fault) {
          fake.fault = FAULTS[fault];
        },
        heal() {
          fake.fault = null;
        },
        asked: () => fake.requests.length > 0,
        spokenTexts: () => fake.spoken,
        connections: () => fake.connections,
        openCount: () => fake.openCount,
        givenUp: vendor.fake.isWhole ? null : () => fake.abandonedCount,
        disappear: () => fake.close(),
        close: async () => {
          tts.close();
          await expect.poll(() => fake.openCount, { timeout: 10_000 }).toBe(0);
          await fake.close();
        },
      };
    },
    timesWords: vendor.timesWords ?? false,
    isWhole: vendor.fake.isWhole ?? false,
    hasService: true,
    timeoutMs: TIMEOUT_MS,
    secret: SECRET,
  });
}

describe('a voice that is asked by one POST', () => {
  const closing: (() => unknown)[] = [];
  afterEach(async () => {
    for (const close of closing.splice(0).reverse()) await close();
  });
  async function start(name: string, overrides: Partial<FakeVendor> = {}) {
    const vendor = VENDORS[name]!;
    const rig = await begin({ ...vendor, fake: { ...vendor.fake, ...overrides } });
    closing.push(
      () => rig.fake.close(),
      () => rig.tts.close(),
    );
    return rig;
  }

  test('speaks a long text by several requests, and tells times of words since the beginning of all', async () => {
    const { fake, tts } = await start('Inworld');
    const text = 'A piece of a long text, which goes on. '.repeat(70).trim();
    const chunks = await collect(tts.synthesize(text, { signal: never() }));
    expect(fake.spoken.length).toBeGreaterThan(1);
    expect(fake.spoken.join('')).toBe(text);
    const words = chunks.flatMap((chunk) => chunk.words ?? []);
    expect(words.map((word) => word.text).join(' ')).toBe(text);
    const times = words.map(({ startMs }) => startMs);
    expect(times).toEqual(times.toSorted((a, b) => a - b));
    expect(words.at(-1)!.endMs).toBeLessThanOrEqual((joined(chunks).length * 1_000) / 24_000);
  });

  test('is refused in the answer: Inworld over its limit is unavailable, and may be asked again later', async () => {
    const { tts } = await start('Inworld', {
      pack: () => '{"error": {"code": 8, "message": "Slow down, voice-key-51c2."}}\n',
    });
    const speaking = collect(tts.synthesize('Hi.', { signal: never() }));
    await expect(speaking).rejects.toMatchObject({
      code: 'ERR_SERVICE_UNAVAILABLE',
      message: expect.stringContaining('Slow down, [secret].'),
    });
  });

  test.each([
    [1004, 'ERR_SERVICE_FAILED', 'refused our key (401)'],
    [1008, 'ERR_SERVICE_UNAVAILABLE', '(402)'],
    [1000, 'ERR_SERVICE_FAILED', '(500)'],
  ])('is refused in the answer: MiniMax by %i', async (status_code, code, words) => {
    const pack = () => `data: ${JSON.stringify({ base_resp: { status_code, status_msg: 'no' } })}\n\n`;
    const { tts } = await start('MiniMax', { pack });
    await expect(collect(tts.synthesize('Hi.', { signal: never() }))).rejects.toMatchObject({
      code,
      message: expect.stringContaining(words),
    });
  });

  test('writes what XML means something by as text', async () => {
    const { fake, tts } = await start('Azure', { textOf: () => 'hi' });
    await collect(tts.synthesize(`Tom & "Ann" say 1 < 2\u0007`, { signal: never() }));
    expect(fake.bodies[0]).toContain('>Tom &amp; &quot;Ann&quot; say 1 &lt; 2 </voice>');
  });

  test('signs what it sends to Amazon anew each time, by the time of the request', async () => {
    const { fake, tts, clock } = await start('Amazon Polly');
    await collect(tts.synthesize('One.', { signal: never() }));
    clock.advance(60_000);
    await collect(tts.synthesize('One.', { signal: never() }));
    const [first, second] = fake.requests.map(({ headers }) => headers);
    expect(first!['x-amz-date']).toMatch(/^\d{8}T\d{6}Z$/);
    expect(second!['x-amz-date']).not.toBe(first!['x-amz-date']);
    expect(second!.authorization).not.toBe(first!.authorization);
  });
});
