import { afterEach, describe, expect, test } from 'vitest';
import { ResilientS2s, serviceMetrics } from '../../../../src/agent/services/book/index.ts';
import { serviceBreaker } from '../../../../src/agent/services/book/service-breaker.ts';
import { OpenAiRealtime, type OpenAiRealtimeOptions } from '../../../../src/agent/services/s2s/openai-realtime.ts';
import type { S2sEvent, S2sOpenOptions, S2sSession } from '../../../../src/agent/services/s2s.ts';
import { systemClock } from '../../../../src/clock.ts';
import { createMetrics, silentLogger } from '../../../../src/telemetry/index.ts';
import { FakeRealtimeConversation } from '../../../fakes/openai-realtime-conversation.ts';
import { RecordedSession } from '../s2s/recorded-session.ts';

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** Two services of the dialect, `first` and `second`, of which the second takes over. */
async function begin(options: Partial<OpenAiRealtimeOptions> = {}, firstResponseMs = 20_000) {
  const registry = createMetrics({ processMetrics: false });
  const metrics = serviceMetrics(registry);
  const common = { clock: systemClock, log: silentLogger };
  const one = async (name: string) => {
    const fake = await FakeRealtimeConversation.start();
    closing.push(() => fake.close());
    const service = new OpenAiRealtime({
      ...{ name, label: name, apiKey: fake.apiKey, url: fake.url, ...common },
      ...{ replyTimeoutMs: 20_000, voice: `voice-of-${name}`, ...options },
    });
    const breaker = serviceBreaker({ kind: 's2s', service: name, ...common, metrics, random: () => 0.5 });
    return { fake, endpoint: { label: name, service, breaker, firstResponseMs } };
  };
  const first = await one('first');
  const second = await one('second');
  const { failovers, hedges } = metrics;
  const s2s = new ResilientS2s({ endpoints: [first.endpoint, second.endpoint], ...common, failovers, hedges });
  const changes: string[] = [];
  const open = (more: Partial<S2sOpenOptions> = {}, onEvent?: (event: S2sEvent, session: S2sSession) => void) => {
    const runs: string[] = [];
    const call = new RecordedSession(
      s2s,
      {
        watch: {
          ran: ({ service, outcome }) => runs.push(`${service} ${outcome}`),
          failedOver: ({ kind, from, to, code }) => changes.push(`${kind} ${from} > ${to}: ${code}`),
        },
        ...more,
      },
      onEvent,
    );
    closing.push(() => call.session.close());
    return Object.assign(call, { outcomes: runs });
  };
  const metric = async (line: string) => (await registry.metrics()).split('\n').find((each) => each.startsWith(line));
  const isOpen = (service: string) => metric(`antipode_service_breaker_open{kind="s2s",service="${service}"}`);
  return { first, second, open, changes, metric, isOpen };
}

describe('several speech-to-speech services', () => {
  test('are the first, while it is well', async () => {
    const { first, second, open, changes } = await begin();
    const call = open({ voice: 'cedar' });
    call.asks(['one']);
    await call.replies();
    expect(call.said).toBe('You said one.');
    expect(first.fake.of('session.update')[0]).toMatchObject({ session: { audio: { output: { voice: 'cedar' } } } });
    expect(second.fake.requests).toEqual([]);
    expect(changes).toEqual([]);
  });

  test.each([
    [401, 'ERR_SERVICE_FAILED', '1'],
    [404, 'ERR_SERVICE_FAILED', '0'],
    [429, 'ERR_SERVICE_UNAVAILABLE', '0'],
    [503, 'ERR_SERVICE_UNAVAILABLE', '0'],
  ])('are the second where the first refuses to be opened with %i', async (status, code, opened) => {
    const { first, second, open, changes, metric, isOpen } = await begin();
    first.fake.faults.refuse = status;
    const call = open({ voice: 'cedar' });
    call.asks(['one', 'two']);
    await call.replies();
    expect(call.said).toBe('You said one two.');
    expect(call.errors).toEqual([]);
    expect(first.fake.requests).toHaveLength(1);
    expect(changes).toEqual([`s2s first > second: ${code}`]);
    expect(await metric('antipode_service_failovers_total')).toMatch(/\{kind="s2s",from="first",to="second"\} 1$/);
    expect(await isOpen('first')).toMatch(` ${opened}`);
    // A voice has its name with one vendor only.
    expect(second.fake.of('session.update')[0]).toMatchObject({
      session: { audio: { output: { voice: 'voice-of-second' } } },
    });
    expect(call.outcomes).toEqual(['second ok']);
  });

  test('are the second where nothing listens, and where a connection is not answered for so long', async () => {
    const hanging = await begin({}, 60);
    hanging.first.fake.faults.hang = true;
    const late = hanging.open();
    late.asks(['three']);
    await late.replies();
    expect(hanging.changes).toEqual(['s2s first > second: ERR_SERVICE_TIMEOUT']);
    const absent = await begin();
    await absent.first.fake.close();
    const call = absent.open();
    call.asks(['four']);
    await call.replies();
    expect([late.said, call.said]).toEqual(['You said three.', 'You said four.']);
    expect(absent.changes).toEqual(['s2s first > second: ERR_SERVICE_UNAVAILABLE']);
  });

  test('are the second where the session is refused at its set-up', async () => {
    const { first, open, changes } = await begin();
    first.fake.faults.sessionErrorCode = 'insufficient_quota';
    const call = open();
    call.asks(['one']);
    await call.replies();
    expect(call.said).toBe('You said one.');
    expect(changes).toEqual(['s2s first > second: ERR_SERVICE_UNAVAILABLE']);
    expect(first.fake.openCount).toBe(0);
  });

  test('are the first once more when its connection breaks in mid-answer', async () => {
    const { first, second, open, changes, isOpen } = await begin();
    Object.assign(first.fake.faults, { cutAfterChunks: 3, cuts: 1 });
    const call = open();
    call.asks(['one']);
    await call.replies();
    expect(first.fake.requests).toHaveLength(2);
    expect(second.fake.requests).toEqual([]);
    expect(changes).toEqual([]);
    expect(await isOpen('first')).toMatch(/ 0$/);
  });

  test('are the second when it breaks again, which is told all that was said and goes on with the answer', async () => {
    const { first, second, open, changes } = await begin();
    const call = open({ history: [{ role: 'caller', turn: 0, text: 'Good morning.' }] });
    call.asks(['one']);
    await call.replies(1);
    await call.until(() => call.transcript(0) === 'one', 'the words');
    Object.assign(first.fake.faults, { cutAfterChunks: 3, cuts: 2 });
    call.asks(['two', 'three']);
    await call.replies(2);
    expect(first.fake.requests).toHaveLength(2);
    expect(second.fake.requests).toHaveLength(1);
    expect(changes).toEqual(['s2s first > second: ERR_SERVICE_FAILED']);
    // Its words from before come as text, the sound of those that nobody answered as sound.
    expect(second.fake.context.slice(0, 3)).toEqual(['user: Good morning.', 'user: one', 'assistant: You said one.']);
    expect(second.fake.context).toContainEqual(expect.stringMatching(/^user: two three/));
    expect(second.fake.of('response.create')[0]).toMatchObject({
      response: { instructions: expect.stringContaining('Go on from there') },
    });
    expect(call.of('replyStarted')).toHaveLength(2);
    expect(call.of('reconnected').length).toBeGreaterThanOrEqual(1);
    expect(first.fake.openCount).toBe(0);
  });

  test('are the second when nothing comes of an answer, and stay it for this conversation', async () => {
    const { first, second, open, changes } = await begin({ replyTimeoutMs: 80 });
    first.fake.faults.stalls = 1;
    const call = open();
    call.asks(['one']);
    await call.replies(1);
    call.asks(['two']);
    await call.replies(2);
    expect(call.said).toBe('You said one.You said two.');
    expect(changes).toEqual(['s2s first > second: ERR_SERVICE_TIMEOUT']);
    expect([first.fake.requests.length, second.fake.requests.length]).toEqual([1, 1]);
    expect(call.outcomes).toEqual(['first ERR_SERVICE_TIMEOUT', 'second ok', 'second ok']);
  });

  test('take the results of tools that the one before called', async () => {
    const { first, second, open } = await begin();
    first.fake.options.answer = () => ({ calls: [{ name: 'look_up', arguments: '{}' }] });
    second.fake.options.answer = ({ items }) => ({ say: `It says ${items.at(-1)!.text}.` });
    const call = open();
    call.asks(['seven']);
    await call.until(() => call.of('toolCall').length === 1, 'the call of the tool');
    first.fake.faults.refuse = 503;
    first.fake.dropAll();
    call.session.toolResult(call.of('toolCall')[0]!.callId, 'noon');
    await call.replies();
    expect(call.said).toBe('It says noon.');
    expect(call.of('toolCall')).toHaveLength(1);
  });

  test('do not ask one that is left alone after failures, in this call and the next', async () => {
    const { first, open, changes, isOpen } = await begin();
    first.fake.faults.refuse = 401;
    for (const count of [1, 2]) {
      const call = open();
      call.asks(['one']);
      await call.replies();
      expect(first.fake.requests).toHaveLength(1);
      expect(call.errors).toEqual([]);
      // Who begins with the second has failed over from nothing.
      expect([count, changes.length]).toEqual([count, 1]);
    }
    expect(await isOpen('first')).toMatch(/ 1$/);
  });

  test('are waited for when all are down, and then the call goes on', async () => {
    const { first, second, open } = await begin();
    for (const { fake } of [first, second]) Object.assign(fake.faults, { refuse: 503, refusals: 1 });
    const call = open();
    call.asks(['one']);
    await call.replies();
    expect(call.said).toBe('You said one.');
    expect(call.errors).toEqual([]);
    expect(call.of('reconnecting')).toHaveLength(1);
    expect(call.of('reconnected')).toHaveLength(1);
  });

  test('are lost at once, and once, when all have refused for long', async () => {
    const { first, second, open, isOpen } = await begin();
    for (const { fake } of [first, second]) fake.faults.refuse = 401;
    const call = open();
    expect(await call.failure()).toMatchObject({ code: 'ERR_SERVICE_FAILED' });
    const next = open();
    expect(await next.failure()).toMatchObject({
      code: 'ERR_SERVICE_UNAVAILABLE',
      message: expect.stringContaining('first, second'),
    });
    expect([call.errors.length, next.errors.length]).toEqual([1, 1]);
    expect([first.fake.requests.length, second.fake.requests.length]).toEqual([1, 1]);
    expect(await isOpen('second')).toMatch(/ 1$/);
  });

  test('leave no connection and do not count one that the caller gave up', async () => {
    const { first, second, open, isOpen } = await begin();
    first.fake.faults.hang = true;
    for (let count = 0; count < 20; count++) open().session.close();
    first.fake.faults.hang = false;
    first.fake.faults.refuse = 503;
    for (let count = 0; count < 2; count++) {
      const call = open();
      call.asks(['one']);
      await call.replies();
      call.session.close();
    }
    expect(await isOpen('first')).toMatch(/ 0$/);
    await expect.poll(() => [first.fake.openCount, second.fake.openCount], { timeout: 10_000 }).toEqual([0, 0]);
  });
});
