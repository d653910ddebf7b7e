import { afterEach, expect, test } from 'vitest';
import { steer } from '../../../agents/judge.ts';
import { AgentHost } from '../../../src/agent/index.ts';
import { systemClock } from '../../../src/clock.ts';
import { loadConfig } from '../../../src/config/index.ts';
import { createMetrics, silentLogger } from '../../../src/telemetry/index.ts';
import { type FakeChatAnswer, type FakeChatRequest, FakeOpenAi } from '../../fakes/openai.ts';
import { MemoryCall } from '../../support/memory-call.ts';
import { hasFlite } from '../speech.ts';

let close: (() => Promise<void>) | null = null;
afterEach(async () => {
  await close?.();
  close = null;
});

const isJudge = ({ tools }: FakeChatRequest) => tools?.[0]?.function.name === 'give_verdict';
const system = ({ messages }: FakeChatRequest) => messages[0]?.content ?? '';

async function play(chat: (request: FakeChatRequest) => FakeChatAnswer) {
  const fake = await FakeOpenAi.start({ chat });
  const config = loadConfig({
    file: null,
    environment: { OPENAI_API_KEY: fake.apiKey, OPENAI_BASE_URL: fake.baseUrl },
  });
  const metrics = createMetrics({ processMetrics: false });
  const host = await AgentHost.load({ config, clock: systemClock, log: silentLogger, metrics });
  const call = new MemoryCall();
  call.mouth.autoPlay = true;
  const running = host.start('judge', call);
  close = async () => {
    call.leave();
    await running.done;
    await host.close();
    await fake.close();
  };
  await call.said('agent', 0);
  return { fake, call, metrics };
}

const verdicts = (call: MemoryCall) =>
  call.events.flatMap((event) => (event.type === 'custom' && event.name === 'verdict' ? [event.data] : []));

test('two models hear the same words; the verdict of one steers the next answer of the other', async () => {
  const given = { valid: false, reason: 'Cat does not begin with T.', score: 0 };
  const { fake, call } = await play((request) =>
    isJudge(request)
      ? { toolCalls: [{ name: 'give_verdict', arguments: JSON.stringify(given) }] }
      : { text: system(request).includes('breaks the rules') ? 'That breaks the rules.' : 'Tiger.' },
  );
  call.type('Cat.');
  expect(await call.said('agent', 1)).toBe('Tiger.');
  await expect.poll(() => verdicts(call)).toEqual([given]);
  call.type('Rabbit.');
  expect(await call.said('agent', 2)).toBe('That breaks the rules.');
  const asked = fake.chatRequests.filter((request) => !isJudge(request)).map(system);
  expect(asked[0]).toBe(steer(null));
  expect(asked[1]).toBe(steer(given));
});

test('a judge that fails, or says what is no verdict, holds up nobody', async () => {
  const { call, metrics } = await play((request) =>
    isJudge(request) ? { toolCalls: [{ name: 'give_verdict', arguments: '{"valid":"perhaps"}' }] } : { text: 'Tiger.' },
  );
  call.type('Cat.');
  expect(await call.said('agent', 1)).toBe('Tiger.');
  await expect
    .poll(() => metrics.metrics())
    .toMatch(/_errors_total\{kind="llm",service="openai",code="ERR_SERVICE_FAILED"\} 1/);
  expect(verdicts(call)).toEqual([]);
  expect(call.end).toBeNull();
});

test.skipIf(!hasFlite)('without a key it says what it needs and hangs up', async () => {
  const config = loadConfig({ file: null, environment: {} });
  const metrics = createMetrics({ processMetrics: false });
  const host = await AgentHost.load({ config, clock: systemClock, log: silentLogger, metrics });
  const description = host.agents.find(({ name }) => name === 'judge');
  expect(description?.notices).toMatchObject([{ level: 'warning', code: 'services-missing' }]);
  const call = new MemoryCall();
  call.mouth.autoPlay = true;
  const running = host.start('judge', call);
  expect(await call.until(() => call.end ?? undefined)).toMatchObject({ code: 'agent-hung-up' });
  await running.done;
  await host.close();
});
