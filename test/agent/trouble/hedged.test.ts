/** A node that asks two models for each answer: what its callers hear, its tools do and its operator sees and pays. */
import { expect, test } from 'vitest';
import { z } from 'zod';
import type { Tool } from '../../../src/agent/index.ts';
import { FakeOpenAi } from '../../fakes/openai.ts';
import { FakeOpenAiCompatible } from '../../fakes/openai-compatible.ts';
import { closeAfterwards, noticesOf, openNode, settle } from './node.ts';

async function openHedged(environment: Record<string, string>) {
  const first = closeAfterwards(await FakeOpenAiCompatible.start({ keyless: true }));
  const second = closeAfterwards(await FakeOpenAiCompatible.start({ keyless: true }));
  const speech = closeAfterwards(await FakeOpenAi.start({ keyless: true }));
  first.answer = { text: 'We are open. Come in.' };
  second.answer = { text: 'Until nine every day.' };
  const node = await openNode({
    environment: {
      ANTIPODE_STT: 'whisper-server/any',
      ANTIPODE_TTS: 'kokoro#any',
      WHISPER_BASE_URL: speech.baseUrl,
      KOKORO_BASE_URL: speech.baseUrl,
      VLLM_BASE_URL: first.baseUrl,
      OLLAMA_BASE_URL: second.baseUrl,
      OPENAI_BASE_URL: first.baseUrl,
      ...environment,
    },
  });
  return { first, second, node };
}

const TWO = { ANTIPODE_LLM: 'vllm/big,ollama/small' };

test('a caller hears the second model when the first is late, and nobody is told of trouble', async () => {
  const { first, second, node } = await openHedged({ ...TWO, ANTIPODE_LLM_HEDGE_MS: '400' });
  first.trouble = 'hang';
  const call = node.place();
  const askedAtMs = node.clock.now();
  call.type('When do you open?');
  await first.requested(1);
  node.clock.advance(399);
  await settle();
  expect(second.requests).toEqual([]);
  node.clock.advance(1);
  expect(await call.said('agent', 0)).toBe('Until nine every day.');
  expect(node.clock.now() - askedAtMs).toBe(400);
  await first.abandoned(1);
  expect(node.warnings()).toEqual([]);
  expect(noticesOf(call)).toEqual([]);
  expect(await node.metric('antipode_service_hedges_total')).toEqual([
    '{kind="llm",from="vllm",to="ollama",outcome="second"} 1',
  ]);
  expect(await node.metric('antipode_service_failovers_total')).toEqual([]);
  await node.close();
  expect(node.clock.pendingCount).toBe(0);
});

test('a tool that both models call is run once', async () => {
  const { first, second, node } = await openHedged({ ...TWO, ANTIPODE_LLM_HEDGE_MS: '0' });
  let runs = 0;
  const book: Tool = {
    name: 'book_table',
    description: 'Books.',
    parameters: z.object({}),
    run: () => {
      runs += 1;
      for (const model of [first, second]) model.answer = { text: 'It is booked.' };
      return 'done';
    },
  };
  for (const model of [first, second]) model.answer = { toolCalls: [{ name: 'book_table', arguments: '{}' }] };
  const call = node.place({ tools: [book] });
  call.type('A table, please.');
  expect(await call.said('agent', 0)).toBe('It is booked.');
  expect(runs).toBe(1);
  await node.close();
  expect(node.clock.pendingCount).toBe(0);
});

test('what the slower request used is in the cost of the call as not counted, and the sum says so', async () => {
  const { node } = await openHedged({ ANTIPODE_LLM: 'openai/gpt-4.1', ANTIPODE_LLM_HEDGE_MS: '0' });
  const call = node.place();
  call.type('When do you open?');
  expect(await call.said('agent', 0)).toBe('We are open. Come in.');
  const used = await call.until(
    () => call.events.flatMap((event) => (event.type === 'usage' ? [event.usage] : [])).at(-1),
    'what was used',
  );
  const model = used.services.find(({ kind }) => kind === 'llm')!;
  expect(model).toMatchObject({ service: 'openai', model: 'gpt-4.1', requests: 2, units: { inputTokens: 9 } });
  expect(model.costUsd).toBeGreaterThan(0);
  expect(used.unpriced).toContain('llm openai gpt-4.1: no count for 1 of 2 requests');
});

test('when both fail the caller hears the usual apology, once', async () => {
  const { first, second, node } = await openHedged({ ...TWO, ANTIPODE_LLM_HEDGE_MS: '0' });
  first.trouble = { status: 500 };
  second.trouble = { status: 500 };
  const call = node.place();
  call.type('When do you open?');
  expect(await call.said('agent', 0)).toBe('Sorry, something went wrong. Please say that again.');
  expect(noticesOf(call)).toEqual(['ERR_SERVICE_FAILED']);
  expect(node.warnings()).toEqual(['the language model failed']);
});
