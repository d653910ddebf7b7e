import { afterEach, describe, expect, test } from 'vitest';
import { ChosenS2s, chooseServices, serviceMetrics } from '../../../../src/agent/services/book/index.ts';
import { loadCatalogue } from '../../../../src/agent/services/catalogue/index.ts';
import type { S2s } from '../../../../src/agent/services/s2s.ts';
import { systemClock } from '../../../../src/clock.ts';
import { configSchema } from '../../../../src/config/index.ts';
import { createMetrics, silentLogger } from '../../../../src/telemetry/index.ts';
import { FakeGeminiLive } from '../../../fakes/gemini-live.ts';
import { FakeRealtimeConversation } from '../../../fakes/openai-realtime-conversation.ts';
import { RecordedSession } from '../s2s/recorded-session.ts';

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

function choose(s2s: string[], environment: Record<string, string>) {
  const registry = createMetrics({ processMetrics: false });
  const { services } = configSchema.parse({ services: { s2s } });
  const chosen = chooseServices({ ...services, stt: [], llm: [], tts: [] }, loadCatalogue());
  const all = new ChosenS2s(chosen.s2s, {
    ...{ environment, clock: systemClock, log: silentLogger, metrics: serviceMetrics(registry) },
  });
  const metric = async (line: string) => (await registry.metrics()).split('\n').find((each) => each.startsWith(line));
  return { all, metric };
}

/** Two services of the dialect on loopback, the first of which refuses. */
async function begin() {
  const refusing = await FakeRealtimeConversation.start();
  const well = await FakeRealtimeConversation.start();
  closing.push(
    () => refusing.close(),
    () => well.close(),
  );
  refusing.faults.refuse = 401;
  const chosen = choose(['speaches', 'openai'], {
    SPEACHES_REALTIME_URL: refusing.url,
    OPENAI_API_KEY: well.apiKey,
    OPENAI_BASE_URL: well.url.replace('ws:', 'http:').replace('/realtime', ''),
  });
  const open = (s2s: S2s | null) => {
    const call = new RecordedSession(s2s!);
    closing.push(() => call.session.close());
    return call;
  };
  return { ...chosen, refusing, well, open };
}

describe('the chosen speech-to-speech services', () => {
  test('take over from each other in the order of the choice', async () => {
    const { all, open, refusing, well } = await begin();
    const call = open(all.all);
    call.asks(['one']);
    await call.replies();
    expect(call.said).toBe('You said one.');
    expect([refusing.requests.length, well.requests.length]).toEqual([1, 1]);
  });

  test('within a pin do not fail over to one that it excludes', async () => {
    const { all, open, refusing, well } = await begin();
    const call = open(all.within(['speaches@own']).s2s);
    expect(await call.failure()).toMatchObject({ code: 'ERR_SERVICE_FAILED' });
    expect([refusing.requests.length, well.requests.length]).toEqual([1, 0]);
    // The breaker is the node's: what one session learned holds for the others.
    const next = open(all.all);
    next.asks(['two']);
    await next.replies();
    expect(refusing.requests).toHaveLength(1);
  });

  test('within a pin are all of the allowed, in the order of the pin, with their addresses', () => {
    const { all } = choose(['openai', 'openai@eu', 'xai'], { OPENAI_API_KEY: 'sk-0123456789', XAI_API_KEY: 'xai-0' });
    const { s2s, addresses } = all.within(['openai@eu', 'openai@au', 'openai@global']);
    expect(addresses.map(({ id, host }) => `${id} ${host}`)).toEqual([
      'openai@eu eu.api.openai.com',
      'openai@global api.openai.com',
    ]);
    expect(s2s?.name).toBe('openai');
    expect(all.within(['openai@au'])).toEqual({ s2s: null, addresses: [] });
  });

  test('have their unknown events counted', async () => {
    const { all, open, well, metric } = await begin();
    const call = open(all.within(['openai@own']).s2s);
    call.asks(['one']);
    await call.replies();
    for (const type of ['ping', 'ping', 'pong']) well.dialog.say({ type });
    const count = () => metric('antipode_service_unknown_events_total{kind="s2s",service="openai"}');
    await expect.poll(count, { timeout: 10_000 }).toMatch(/ 3$/);
  });

  test('let one of another dialect stand alone, and refuse it among others', async () => {
    const fake = await FakeGeminiLive.start();
    closing.push(() => fake.close());
    const environment = { GEMINI_API_KEY: fake.apiKey, OPENAI_API_KEY: 'k' };
    const { all } = choose(['gemini-live'], environment);
    expect(all.all?.name).toBe('gemini-live');
    expect(all.within(['gemini-live@global']).s2s).toBe(all.all);
    expect(all.within(['openai@eu']).s2s).toBeNull();
    expect(() => choose(['openai', 'gemini-live'], environment)).toThrow(
      expect.objectContaining({ code: 'ERR_CONFIG_INVALID', message: expect.stringContaining('choose it alone') }),
    );
  });
});
