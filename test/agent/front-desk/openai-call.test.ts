import { afterEach, describe, expect, test } from 'vitest';
import { DESK_GREETING } from '../../../agents/front-desk/dialog.ts';
import { AgentHost, clientEventSchema, type RunningAgent } from '../../../src/agent/index.ts';
import { systemClock } from '../../../src/clock.ts';
import { loadConfig } from '../../../src/config/index.ts';
import { createMetrics, type Registry, silentLogger } from '../../../src/telemetry/index.ts';
import { type FakeChatAnswer, type FakeChatRequest, FakeOpenAi, type FakeOpenAiOptions } from '../../fakes/openai.ts';
import { MemoryCall } from '../../support/memory-call.ts';
import { hasFlite, speech } from '../speech.ts';

/** A model that knows three sentences. */
function chat({ messages }: FakeChatRequest): FakeChatAnswer {
  const last = messages.findLast(({ role }) => role !== 'assistant')!;
  if (last.role === 'tool') return { text: last.content!.includes('time') ? 'It is noon. Anything else?' : 'Goodbye.' };
  if (/time/.test(last.content ?? ''))
    return { text: 'Let me look. ', toolCalls: [{ name: 'get_time', arguments: '{}' }] };
  if (/bye/i.test(last.content ?? '')) return { toolCalls: [{ name: 'hang_up', arguments: '{}' }] };
  return { text: 'I see. Please go on and tell me more about that. I have all the time in the world.' };
}

let close: (() => Promise<void>) | null = null;
afterEach(async () => {
  await close?.();
  close = null;
});

interface CallDeskOptions extends FakeOpenAiOptions {
  /** Beside OpenAI's key and address. */
  environment?: Record<string, string>;
}

interface Desk {
  fake: FakeOpenAi;
  host: AgentHost;
  call: MemoryCall;
  running: RunningAgent;
  metrics: Registry;
}

async function callDesk({ environment = {}, ...options }: CallDeskOptions = {}): Promise<Desk> {
  const fake = await FakeOpenAi.start({ chat, transcribe: () => 'What time is it?', ...options });
  const config = loadConfig({
    file: null,
    environment: { ...environment, OPENAI_API_KEY: fake.apiKey, OPENAI_BASE_URL: fake.baseUrl },
    defaults: { 'services.openai.timeoutMs': 1_000 },
  });
  const metrics = createMetrics({ processMetrics: false });
  const host = await AgentHost.load({ config, clock: systemClock, log: silentLogger, metrics, environment });
  const call = new MemoryCall();
  call.mouth.autoPlay = true;
  const running = host.start('front-desk', call);
  close = async () => {
    call.leave();
    await running.done;
    await host.close();
    await fake.close();
  };
  expect(await call.said('agent', 0)).toBe(DESK_GREETING);
  return { fake, host, call, running, metrics };
}

const notices = ({ events }: MemoryCall) => events.flatMap((event) => (event.type === 'notice' ? [event.code] : []));

describe('a call to the front desk with a key', { timeout: 30_000 }, () => {
  test('says where the words go', async () => {
    const { host } = await callDesk();
    const desk = host.agents.find(({ name }) => name === 'front-desk')!;
    expect(desk.notices.map(({ code }) => code)).toEqual(['services']);
    expect(host.legs('front-desk').map(({ kind, service, local }) => [kind, service, local])).toEqual([
      ['stt', 'openai-transcriptions', false],
      ['llm', 'openai', false],
      ['tts', 'openai', false],
    ]);
  });

  test.skipIf(!hasFlite)('answers a spoken question by way of a tool, in 24 kHz sound', async () => {
    const { fake, call } = await callDesk();
    await call.ear.hearSilence(200);
    await call.ear.hear(await speech('what time is it'));
    await call.ear.hearSilence(700);
    expect(await call.said('caller', 1)).toBe('What time is it?');
    expect(await call.said('agent', 1)).toBe('Let me look. It is noon. Anything else?');
    expect(call.mouth.written(2).sampleRate).toBe(24_000);
    expect(fake.spoken.slice(-3)).toEqual(['Let me look.', 'It is noon.', 'Anything else?']);
    const second = fake.chatRequests[1]!.messages;
    expect(second.map(({ role }) => role)).toEqual(['system', 'assistant', 'user', 'assistant', 'assistant', 'tool']);
    expect(JSON.parse(second.at(-1)!.content!).time).toMatch(/a m|p m|morning|afternoon|evening/);
    for (const event of call.events) expect(clientEventSchema.parse(event)).toEqual(event);
  });

  test('hangs up by its tool, after the goodbye', async () => {
    const { call } = await callDesk();
    call.type('Bye then.');
    expect(await call.until(() => call.end ?? undefined)).toMatchObject({ code: 'agent-hung-up' });
    expect(await call.said('agent', 1)).toBe('Goodbye.');
  });

  test('drops the answer when it is interrupted, and tells the model what was heard of it', async () => {
    const { fake, call } = await callDesk({ spacingMs: 60 });
    call.mouth.autoPlay = false;
    call.type('I have a story.');
    await call.until(() => (call.mouth.bufferedMs > 300 ? true : undefined), 'the first sentence');
    call.mouth.play(10_000);
    call.type('What time is it?');
    await call.until(() => (fake.chatRequests.length >= 2 ? true : undefined), 'the next request', 5_000);
    expect(call.mouth.flushes).toBe(1);
    const heard = fake.chatRequests[1]!.messages.at(-2)!;
    expect(heard.role).toBe('assistant');
    expect(heard.content).toMatch(/^I( see\.)?.* \[the caller spoke over the rest\]$/);
    expect(heard.content).not.toMatch(/world/);
    await expect.poll(() => fake.abandoned).toBeGreaterThan(0);
  });

  test.each([
    [{ status: 429 } as const, 'ERR_SERVICE_UNAVAILABLE', /cannot reach my services/],
    [{ status: 500 } as const, 'ERR_SERVICE_FAILED', /something went wrong/],
    ['hang' as const, 'ERR_SERVICE_TIMEOUT', /something went wrong/],
    ['malformed' as const, 'ERR_SERVICE_FAILED', /something went wrong/],
  ])('apologizes by voice when the model fails (%j), and lives on', async (failure, code, apology) => {
    const { fake, call, metrics } = await callDesk();
    fake.failures.completions = failure;
    call.type('What time is it?');
    expect(await call.said('agent', 1)).toMatch(apology);
    expect(notices(call)).toEqual([code]);
    expect(call.mouth.written(2).pcm.length).toBeGreaterThan(10_000);
    expect(await metrics.getSingleMetricAsString('antipode_service_errors_total')).toContain(
      `{kind="llm",service="openai",code="${code}"} 1`,
    );
    delete fake.failures.completions;
    call.type('What time is it?');
    expect(await call.said('agent', 2)).toMatch(/noon/);
    expect(call.end).toBeNull();
  });

  test('apologizes after the words that it had when the model breaks off', async () => {
    const { fake, call } = await callDesk();
    fake.failures.completions = 'cut';
    call.type('What time is it?');
    expect(await call.said('agent', 1)).toMatch(/^I was going Sorry, something went wrong/);
  });

  test.skipIf(!hasFlite)('apologizes when speech to text fails', async () => {
    const { fake, call } = await callDesk();
    fake.failures.transcriptions = { status: 500 };
    await call.ear.hear(await speech('what time is it'));
    await call.ear.hearSilence(700);
    expect(await call.said('agent', 1)).toMatch(/something went wrong/);
    expect(notices(call)).toEqual(['ERR_SERVICE_FAILED']);
  });

  test.skipIf(!hasFlite)('speaks with the local voice when the other fails, and says so', async () => {
    const { fake, call } = await callDesk();
    fake.failures.speech = { status: 401 };
    call.type('What time is it?');
    expect(await call.said('agent', 1)).toMatch(/noon/);
    expect(call.mouth.written(2).sampleRate).toBe(16_000);
    expect(notices(call)).toEqual(['ERR_SERVICE_FAILED']);
  });
});

describe('a call to the front desk with services behind others', { timeout: 30_000 }, () => {
  test.skipIf(!hasFlite)('goes on as if nothing were wrong when all that come first fail in mid-turn', async () => {
    const broken = await FakeOpenAi.start({ keyless: true, chat });
    broken.failures.transcriptions = { status: 503 };
    broken.failures.completions = 'cut';
    const { fake, call, metrics } = await callDesk({
      environment: {
        ANTIPODE_STT: 'whisper-server/any,openai-transcriptions',
        ANTIPODE_LLM: 'vllm/any,openai',
        ANTIPODE_TTS: 'kokoro#any,openai',
        WHISPER_BASE_URL: broken.baseUrl,
        VLLM_BASE_URL: broken.baseUrl,
        KOKORO_BASE_URL: broken.baseUrl,
      },
    });
    // The greeting has been spoken by the voice that comes first.
    expect(broken.spoken.length).toBeGreaterThan(0);
    broken.failures.speech = 'hang';
    await call.ear.hear(await speech('what time is it'));
    await call.ear.hearSilence(700);
    expect(await call.said('caller', 1)).toBe('What time is it?');
    expect(await call.said('agent', 1)).toBe('I was going Let me look. I was going It is noon. Anything else?');
    expect(fake.chatRequests[0]!.messages.at(-1)).toEqual({ role: 'assistant', content: 'I was going ' });
    expect(new Set(notices(call))).toEqual(new Set(['fail-over']));
    const counted = await metrics.getSingleMetricAsString('antipode_service_failovers_total');
    expect(counted).toContain('{kind="stt",from="whisper-server",to="openai-transcriptions"} 1');
    expect(counted).toContain('{kind="llm",from="vllm",to="openai"} 2');
    expect(counted).toMatch(/\{kind="tts",from="kokoro",to="openai"\} [1-4]/);
    await broken.close();
  });

  test('says where the words go', async () => {
    const { host } = await callDesk({ environment: { ANTIPODE_LLM: 'ollama/any,openai' } });
    const [notice] = host.agents.find(({ name }) => name === 'front-desk')!.notices;
    expect(notice).toMatchObject({ level: 'info', code: 'services' });
    expect(notice!.text).toMatch(/ OpenAI transcriptions, Ollama, OpenAI, OpenAI speech\.$/);
    expect(host.legs('front-desk')[1]).toMatchObject({ kind: 'llm', service: 'ollama', local: true });
  });
});
