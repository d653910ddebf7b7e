import { describe, expect, test } from 'vitest';
import { FakeOpenAi } from '../../fakes/openai.ts';
import { FakeOpenAiCompatible, type FakeTiming, type FakeTrouble } from '../../fakes/openai-compatible.ts';
import { closeAfterwards, noticesOf, openNode, settle } from './node.ts';

const SORRY = 'Sorry, something went wrong. Please say that again.';
const UNREACHABLE = 'Sorry, I cannot reach my services at the moment. Please try again later.';
const LEFT_ALONE = 'a service is left alone after failures';

async function openModels({ hasSecond = false, timing = {} as FakeTiming } = {}) {
  const first = closeAfterwards(await FakeOpenAiCompatible.start({ keyless: true }, timing));
  const second = closeAfterwards(await FakeOpenAiCompatible.start({ keyless: true }));
  const speech = closeAfterwards(await FakeOpenAi.start({ keyless: true }));
  first.answer = { text: 'We are open. Come in.' };
  second.answer = { text: 'until nine every day.' };
  const node = await openNode({
    environment: {
      ANTIPODE_STT: 'whisper-server/any',
      ANTIPODE_LLM: hasSecond ? 'vllm/big,ollama/small' : 'vllm/big',
      ANTIPODE_TTS: 'kokoro#any',
      WHISPER_BASE_URL: speech.baseUrl,
      KOKORO_BASE_URL: speech.baseUrl,
      VLLM_BASE_URL: first.baseUrl,
      OLLAMA_BASE_URL: second.baseUrl,
    },
  });
  return { first, second, speech, node };
}

interface Case {
  readonly trouble: FakeTrouble;
  /** What is said when no other model can take over. */
  readonly alone: string;
  readonly together: string;
  readonly code: string;
  /** When that is said, ms after the question. @defaultValue at once */
  readonly afterMs?: { readonly alone: number; readonly together: number };
  /** For how long the service is left alone at the longest, ms. */
  readonly openMs?: number;
}

const failed = { alone: SORRY, together: 'until nine every day.', code: 'ERR_SERVICE_FAILED' } as const;
const unavailable = { alone: UNREACHABLE, together: 'until nine every day.', code: 'ERR_SERVICE_UNAVAILABLE' } as const;
/** Its words came before it failed. */
const cutOff = {
  alone: `We are open. Come in. ${SORRY}`,
  together: 'We are open. Come in. until nine every day.',
  code: 'ERR_SERVICE_FAILED',
} as const;

const CASES: Case[] = [
  { trouble: { status: 401 }, ...failed, openMs: 360_000 },
  { trouble: { status: 403 }, ...failed, openMs: 360_000 },
  { trouble: { status: 429 }, ...unavailable },
  { trouble: { status: 429, retryAfterSeconds: 20 }, ...unavailable, openMs: 24_000 },
  { trouble: { status: 500 }, ...failed },
  { trouble: { status: 503 }, ...unavailable },
  { trouble: 'html', ...failed },
  { trouble: 'half-event', ...cutOff },
  { trouble: 'malformed', ...cutOff },
  { trouble: 'wrong-shape', ...cutOff },
  { trouble: 'error-event', ...cutOff },
  { trouble: 'early-end', ...cutOff },
  { trouble: 'cut', ...cutOff },
  { trouble: 'hang', ...failed, code: 'ERR_SERVICE_TIMEOUT', afterMs: { alone: 8_000, together: 3_000 } },
  { trouble: 'stall', ...cutOff, code: 'ERR_SERVICE_TIMEOUT', afterMs: { alone: 8_000, together: 8_000 } },
];

describe.each([
  ['alone', false],
  ['with another behind it', true],
] as const)('a language model %s', { timeout: 60_000 }, (_how, hasSecond) => {
  test.each(CASES)('that gives $trouble is heard of in time, and the next turn works', async (each) => {
    const { trouble, code, openMs } = each;
    const { first, second, speech, node } = await openModels({ hasSecond });
    const call = node.place();
    const askedAtMs = node.clock.now();
    first.trouble = trouble;
    call.type('When do you open?');
    await first.requested(1);
    const afterMs = each.afterMs?.[hasSecond ? 'together' : 'alone'] ?? 0;
    if (afterMs > 0) {
      // Words that came are spoken without waiting for the end of the answer.
      if (trouble === 'stall') await node.ran('tts');
      node.clock.advance(afterMs - 1);
      await settle();
      expect(second.requests).toEqual([]);
      expect(call.events.some((event) => event.type === 'transcript' && event.role === 'agent' && event.final)).toBe(
        false,
      );
      node.clock.advance(1);
    }
    expect(await call.said('agent', 0)).toBe(hasSecond ? each.together : each.alone);
    expect(node.clock.now() - askedAtMs).toBe(afterMs);
    expect(speech.spoken.join(' ')).toBe(hasSecond ? each.together : each.alone);

    // One line says why, and one that the service rests.
    const rests = openMs === undefined ? [] : [LEFT_ALONE];
    expect(node.warnings()).toEqual(
      hasSecond ? [...rests, 'another service takes over'] : [...rests, 'the language model failed'],
    );
    const line = node.lines.find(({ message }) => /takes over|model failed/.test(message))!;
    expect(line.fields.err).toMatchObject({ code });
    expect(noticesOf(call)).toEqual([hasSecond ? 'fail-over' : code]);
    expect(await node.metric('antipode_service_errors_total')).toEqual(
      hasSecond ? [] : [`{kind="llm",service="vllm",code="${code}"} 1`],
    );
    expect(await node.metric('antipode_service_failovers_total')).toEqual(
      hasSecond ? ['{kind="llm",from="vllm",to="ollama"} 1'] : [],
    );
    expect(await node.metric('antipode_service_breaker_open')).toEqual(
      openMs === undefined ? [] : ['{kind="llm",service="vllm"} 1'],
    );
    const runs = (await node.metric('antipode_service_runs_total')).filter((run) => run.includes('kind="llm"'));
    expect(runs).toEqual([
      `{kind="llm",service="vllm",model="big",outcome="${code}"} 1`,
      ...(hasSecond ? ['{kind="llm",service="ollama",model="small",outcome="ok"} 1'] : []),
    ]);

    first.trouble = null;
    if (openMs !== undefined) {
      call.type('And now?');
      expect(await call.said('agent', 1)).toBe(hasSecond ? 'until nine every day.' : UNREACHABLE);
      expect(first.requests.length).toBe(1);
      await node.hangUp();
      node.clock.advance(openMs);
      const later = node.place();
      later.type('When do you open?');
      expect(await later.said('agent', 0)).toBe('We are open. Come in.');
    } else {
      call.type('And now?');
      expect(await call.said('agent', 1)).toBe('We are open. Come in.');
    }
    await node.close();
    expect(node.clock.pendingCount).toBe(0);
  });

  test('that cannot be reached at all is heard of at once', async () => {
    const { first, node } = await openModels({ hasSecond });
    await first.close();
    const call = node.place();
    call.type('When do you open?');
    expect(await call.said('agent', 0)).toBe(hasSecond ? 'until nine every day.' : UNREACHABLE);
    expect(node.warnings()).toEqual([hasSecond ? 'another service takes over' : 'the language model failed']);
  });

  test('that has no words is asked again by the caller, who is told so', async () => {
    const { first, node } = await openModels({ hasSecond });
    first.trouble = 'empty';
    const call = node.place();
    call.type('When do you open?');
    expect(await call.said('agent', 0)).toBe('Sorry, I have no answer to that. Could you put it another way?');
    first.trouble = null;
    call.type('When do you open?');
    expect(await call.said('agent', 1)).toBe('We are open. Come in.');
    expect(node.warnings()).toEqual(['the language model had no words']);
  });

  test('that writes slower than it is spoken is spoken whole', async () => {
    const spacing = () => {
      models.node.clock.advance(900);
      return 0;
    };
    const models = await openModels({ hasSecond, timing: { spacing } });
    const call = models.node.place();
    call.type('When do you open?');
    expect(await call.said('agent', 0)).toBe('We are open. Come in.');
    expect(models.speech.spoken).toEqual(['We are open.', 'Come in.']);
    expect(models.node.warnings()).toEqual([]);
  });
});

test('a node whose model is down for all calls warns once for each turn that it costs, and once that it rests', async () => {
  const { first, node } = await openModels();
  first.trouble = { status: 500 };
  for (let count = 0; count < 3; count++) {
    const call = node.place();
    call.type('When do you open?');
    expect(await call.said('agent', 0)).toBe(SORRY);
  }
  const call = node.place();
  for (let turn = 0; turn < 5; turn++) {
    call.type('Hello?');
    expect(await call.said('agent', turn)).toBe(UNREACHABLE);
  }
  expect(first.requests.length).toBe(3);
  expect(node.warnings().filter((message) => message === LEFT_ALONE)).toHaveLength(1);
  expect(node.warnings()).toHaveLength(9);
  expect(await node.metric('antipode_service_errors_total')).toEqual([
    '{kind="llm",service="vllm",code="ERR_SERVICE_FAILED"} 3',
    '{kind="llm",service="vllm",code="ERR_SERVICE_UNAVAILABLE"} 5',
  ]);
});
