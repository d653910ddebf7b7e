import { describe, expect, test } from 'vitest';
import { FakeCartesia } from '../../fakes/cartesia.ts';
import { type FakeFailure, FakeOpenAi } from '../../fakes/openai.ts';
import { type SpeechFault, toneVoice } from '../../fakes/speaking-socket.ts';
import { hasFlite } from '../speech.ts';
import { closeAfterwards, noticesOf, openNode, settle, type TroubledNode } from './node.ts';

const ANSWER = 'We are open. Come in.';
const LEFT_ALONE = 'a service is left alone after failures';

type First = 'kokoro' | 'cartesia';

async function openVoices({ first = 'kokoro' as First, hasSecond = false, flite = false } = {}) {
  const model = closeAfterwards(await FakeOpenAi.start({ keyless: true, chat: () => ({ text: ANSWER }) }));
  const kokoro = closeAfterwards(await FakeOpenAi.start({ keyless: true }));
  const second = closeAfterwards(await FakeOpenAi.start({ keyless: true }));
  let beforePiece = (_piece: number): Promise<void> | void => {};
  const cartesia = closeAfterwards(await FakeCartesia.start({ beforePiece: (piece) => beforePiece(piece) }));
  const node = await openNode({
    flite,
    environment: {
      ANTIPODE_STT: 'whisper-server/any',
      ANTIPODE_LLM: 'vllm/any',
      ANTIPODE_TTS: `${first}#one${hasSecond ? ',openai#two' : ''}`,
      WHISPER_BASE_URL: model.baseUrl,
      VLLM_BASE_URL: model.baseUrl,
      KOKORO_BASE_URL: kokoro.baseUrl,
      CARTESIA_API_KEY: cartesia.apiKey,
      CARTESIA_BASE_URL: cartesia.baseUrl,
      OPENAI_BASE_URL: second.baseUrl,
    },
  });
  const slowDown = (each: (piece: number) => Promise<void> | void) => {
    beforePiece = each;
  };
  return { kokoro, cartesia, second, node, slowDown };
}

interface Case {
  readonly code: string;
  /** For how long nothing is heard, ms. @defaultValue nothing is waited for */
  readonly afterMs?: { readonly alone: number; readonly together: number };
  readonly openMs?: number;
  /** Something of the first sentence sounded. */
  readonly sounded?: true;
}

const failed = { code: 'ERR_SERVICE_FAILED' } as const;
const unavailable = { code: 'ERR_SERVICE_UNAVAILABLE' } as const;
const late = { code: 'ERR_SERVICE_TIMEOUT' } as const;

const BY_HTTP: (Case & { trouble: FakeFailure })[] = [
  { trouble: { status: 401 }, ...failed, openMs: 360_000 },
  { trouble: { status: 403 }, ...failed, openMs: 360_000 },
  { trouble: { status: 429 }, ...unavailable },
  { trouble: { status: 429, retryAfterSeconds: 20 }, ...unavailable, openMs: 24_000 },
  { trouble: { status: 500 }, ...failed },
  { trouble: { status: 503 }, ...unavailable },
  { trouble: 'malformed', ...failed },
  { trouble: 'half', ...failed },
  { trouble: 'wrong-shape', ...failed },
  { trouble: 'empty', ...failed },
  { trouble: 'hang', ...late, afterMs: { alone: 8_000, together: 1_500 } },
  { trouble: 'cut', ...failed, sounded: true },
  { trouble: 'stall', ...late, afterMs: { alone: 8_000, together: 1_500 }, sounded: true },
];

const BY_SOCKET: (Case & { trouble: SpeechFault })[] = [
  { trouble: { status: 401 }, ...failed, openMs: 360_000 },
  { trouble: { status: 429 }, ...unavailable },
  { trouble: { status: 503 }, ...unavailable },
  { trouble: 'half-message', ...failed },
  { trouble: 'wrong-shape', ...failed },
  { trouble: 'bad-base64', ...failed },
  { trouble: 'no-audio', ...failed },
  { trouble: 'hang', ...late, afterMs: { alone: 5_000, together: 1_500 } },
  { trouble: 'cut-after-audio', ...failed, sounded: true },
  { trouble: 'stall', ...late, afterMs: { alone: 5_000, together: 1_500 }, sounded: true },
];

type Voices = Awaited<ReturnType<typeof openVoices>>;

/** One turn with the trouble, and what everybody is told of it. */
async function expectHeard(voices: Voices, first: First, each: Case, hasSecond: boolean): Promise<void> {
  const { node, second } = voices;
  const { code, openMs, sounded = false } = each;
  const call = node.place();
  const askedAtMs = node.clock.now();
  call.type('When do you open?');
  const afterMs = each.afterMs?.[hasSecond ? 'together' : 'alone'] ?? 0;
  if (afterMs > 0) {
    await hasBegun(voices, first);
    await node.ran('llm');
    if (sounded) await call.until(() => (call.mouth.utteranceCount > 0 ? true : undefined), 'the first sound');
    node.clock.advance(afterMs - 1);
    await settle();
    expect(second.spoken).toEqual([]);
    node.clock.advance(1);
  }
  // Every word reaches the caller, by voice or as text.
  expect(await call.said('agent', 0)).toBe(ANSWER);
  expect(node.clock.now() - askedAtMs).toBe(afterMs);
  // Who took over speaks the rest of the reply too.
  if (hasSecond) {
    expect(second.spoken.length).toBe(2);
    expect(ANSWER.endsWith(second.spoken.join(' '))).toBe(true);
  }
  expect(call.mouth.utteranceCount).toBe(hasSecond || sounded ? 1 : 0);

  const rests = openMs === undefined ? [] : [LEFT_ALONE];
  expect(node.warnings()).toEqual([...rests, hasSecond ? 'another service takes over' : 'text to speech failed']);
  expect(noticesOf(call)).toEqual([hasSecond ? 'fail-over' : code]);
  expect(await node.metric('antipode_service_errors_total')).toEqual(
    hasSecond ? [] : [`{kind="tts",service="${first}",code="${code}"} 1`],
  );
  expect(await node.metric('antipode_service_failovers_total')).toEqual(
    hasSecond ? [`{kind="tts",from="${first}",to="openai"} 1`] : [],
  );
  expect(await node.metric('antipode_service_breaker_open')).toEqual(
    openMs === undefined ? [] : [`{kind="tts",service="${first}"} 1`],
  );
  const runs = await node.metric('antipode_service_runs_total');
  expect(runs.filter((run) => run.includes(`service="${first}"`) && !run.includes('"ok"'))).toEqual([
    expect.stringMatching(new RegExp(`outcome="${code}"\\} 1$`)),
  ]);
  expect(call.end).toBeNull();
}

async function hasBegun({ kokoro, cartesia }: Voices, first: First): Promise<void> {
  if (first === 'kokoro') await kokoro.requested(1);
  else await expect.poll(() => cartesia.speaking).toBe(1);
}

/** The next turn, and once the service is asked again the next call, is spoken by the first voice. */
async function expectWell(node: TroubledNode, spoken: () => number, openMs = 0): Promise<void> {
  await node.hangUp();
  node.clock.advance(openMs);
  const before = spoken();
  const call = node.place();
  call.type('And now?');
  expect(await call.said('agent', 0)).toBe(ANSWER);
  expect(spoken() - before).toBe(2);
  await node.close();
  expect(node.clock.pendingCount).toBe(0);
}

describe.each([
  ['alone', false],
  ['with another behind it', true],
] as const)('a voice %s', { timeout: 60_000 }, (_how, hasSecond) => {
  test.each(BY_HTTP)('that answers with $trouble costs no word, and speaks the next turn', async (each) => {
    const voices = await openVoices({ hasSecond });
    voices.kokoro.failures.speech = each.trouble;
    await expectHeard(voices, 'kokoro', each, hasSecond);
    delete voices.kokoro.failures.speech;
    await expectWell(voices.node, () => voices.kokoro.spoken.length, each.openMs);
  });

  test.each(BY_SOCKET)('on a socket that gives $trouble costs no word, and speaks the next turn', async (each) => {
    const voices = await openVoices({ first: 'cartesia', hasSecond });
    // What may be the connection's fault alone is tried once more there.
    const isRetried = each.trouble === 'half-message' || each.trouble === 'wrong-shape';
    voices.cartesia.faults.push(each.trouble, ...(isRetried ? [each.trouble] : []));
    await expectHeard(voices, 'cartesia', each, hasSecond);
    const sentences = () => voices.cartesia.received.filter(({ transcript }) => transcript).length;
    await expectWell(voices.node, sentences, each.openMs);
  });

  test('that speaks slower than real time speaks all of it', async () => {
    const { node, slowDown, cartesia } = await openVoices({ first: 'cartesia', hasSecond });
    // Pieces hold 100 ms.
    slowDown(() => node.clock.advance(300));
    const call = node.place();
    call.type('When do you open?');
    expect(await call.said('agent', 0)).toBe(ANSWER);
    const lengthMs = ['We are open.', 'Come in.'].reduce((sum, each) => sum + toneVoice(each, 24_000).pcm.length, 0);
    expect(call.mouth.written(1).pcm.length).toBe(lengthMs);
    expect(cartesia.canceled).toEqual([]);
    expect(node.warnings()).toEqual([]);
  });
});

test.skipIf(!hasFlite)('a voice alone is replaced by the local one for the rest of the reply', async () => {
  const { node, kokoro } = await openVoices({ flite: true });
  kokoro.failures.speech = { status: 500 };
  const call = node.place();
  call.type('When do you open?');
  expect(await call.said('agent', 0)).toBe(ANSWER);
  expect(call.mouth.written(1).sampleRate).toBe(16_000);
  expect(call.mouth.written(1).pcm.length).toBeGreaterThan(16_000);
  expect(kokoro.headers.length).toBe(1);
  expect(node.warnings()).toEqual(['text to speech failed']);
});

test('a call that gets three answers in a row as text ends with the reason', async () => {
  const { node, kokoro } = await openVoices();
  kokoro.failures.speech = { status: 500 };
  const call = node.place();
  for (const turn of [0, 1, 2]) {
    call.type('Hello?');
    expect(await call.said('agent', turn)).toBe(ANSWER);
  }
  expect(call.end).toEqual({ code: 'agent-failed', reason: 'The agent has lost its voice.' });
});
