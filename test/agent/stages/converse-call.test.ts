/** The agent `direct` as a core runs it, from the caller's sound to the mouth, against the fake of its service. */
import { afterEach, describe, expect, test } from 'vitest';
import { AgentHost, clientEventSchema } from '../../../src/agent/index.ts';
import { Upsampler } from '../../../src/agent/services/stt/upsampler.ts';
import { systemClock } from '../../../src/clock.ts';
import { loadConfig } from '../../../src/config/index.ts';
import { createMetrics, silentLogger } from '../../../src/telemetry/index.ts';
import {
  type FakeAnswer,
  type FakeQuestion,
  FakeRealtimeConversation,
  type RealtimeConversationOptions,
} from '../../fakes/openai-realtime-conversation.ts';
import { MemoryCall } from '../../support/memory-call.ts';
import { hasFlite, speech } from '../speech.ts';

const GREETING = 'Hello! What can I do for you?';

/** What the caller asked is told by how loud the last utterance was long: the test knows what it said. */
function answer({ items, instructions }: FakeQuestion): FakeAnswer {
  const last = items.at(-1);
  if (last?.type === 'function_call_output') {
    return { say: last.text.includes(':') ? 'It is noon. Anything else I can do for you today?' : 'Goodbye.' };
  }
  const exactly = /say exactly[^"]*"([^"]*)"/i.exec(instructions);
  if (exactly) return { say: exactly[1]! };
  const isBye = /bye/.test(last?.text ?? '');
  return { calls: [{ name: isBye ? 'hang_up' : 'get_time', arguments: '{}' }] };
}

/** Speaks as the program flite does, at the service's rate. */
async function voice(text: string): Promise<Int16Array> {
  const upsampler = new Upsampler();
  return upsampler.process(await speech(text));
}

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function begin(environment: Record<string, string>) {
  const config = loadConfig({ file: null, environment });
  const host = await AgentHost.load({
    config,
    clock: systemClock,
    log: silentLogger,
    metrics: createMetrics({ processMetrics: false }),
  });
  closing.push(() => host.close());
  const call = new MemoryCall();
  const running = host.start('direct', call);
  closing.push(async () => {
    call.leave();
    await running.done;
  });
  return { host, call };
}

async function callDirect(options: RealtimeConversationOptions = {}) {
  const fake = await FakeRealtimeConversation.start({ answer, ...options });
  closing.push(() => fake.close());
  const rig = await begin({
    OPENAI_API_KEY: fake.apiKey,
    OPENAI_BASE_URL: fake.url.replace('ws:', 'http:').replace('/realtime', ''),
    ANTIPODE_S2S: 'openai',
  });
  return { fake, ...rig };
}

describe('a call to the agent that talks through a speech-to-speech service', { timeout: 60_000 }, () => {
  test('says where the voice goes', async () => {
    const { host } = await callDirect();
    expect(host.legs('direct')).toEqual([{ kind: 's2s', service: 'openai', k: 1, local: false }]);
    const { notices } = host.agents.find(({ name }) => name === 'direct')!;
    expect(notices).toMatchObject([{ level: 'info', text: expect.stringContaining('openai') }]);
  });

  test.skipIf(!hasFlite)('answers a spoken question by a tool, and stops when the caller speaks over it', async () => {
    const { fake, call } = await callDirect({ voice, hear: () => 'what time is it' });
    call.mouth.autoPlay = true;
    expect(await call.said('agent', 0)).toBe(GREETING);
    call.mouth.autoPlay = false;
    await call.ear.hearSilence(200);
    await call.ear.hear(await speech('what time is it'));
    await call.ear.hearSilence(1_800);
    expect(await call.said('caller', 1)).toBe('what time is it');
    await call.until(() => (call.mouth.bufferedMs > 2_500 ? true : undefined), 'the answer');
    call.mouth.play(1_200);
    await call.ear.hear(await speech('wait a moment please I have another question'));
    const heard = await call.said('agent', 1);
    expect(heard).toMatch(/^It is noon\./);
    expect(heard).not.toContain('today');
    expect(call.mouth.flushes).toBe(1);
    await expect.poll(() => fake.of('conversation.item.truncate').length, { timeout: 10_000 }).toBe(1);
    expect(fake.of('conversation.item.truncate')[0]!.audio_end_ms).toBe(1_200);
    for (const event of call.events) expect(clientEventSchema.parse(event)).toEqual(event);
  });

  test('answers what is typed, and hangs up by its tool after the goodbye', async () => {
    const { call } = await callDirect();
    call.mouth.autoPlay = true;
    expect(await call.said('agent', 0)).toBe(GREETING);
    call.type('bye then');
    expect(await call.until(() => call.end ?? undefined)).toMatchObject({ code: 'agent-hung-up' });
    expect(await call.said('agent', 1)).toBe('Goodbye.');
  });

  test('without a service says what is missing, and ends the call', async () => {
    const { host, call } = await begin({});
    call.mouth.autoPlay = true;
    const end = await call.until(() => call.end ?? undefined);
    expect(end).toMatchObject({ code: 'agent-failed', reason: expect.stringContaining('ANTIPODE_S2S') });
    expect(call.events.filter(({ type }) => type === 'notice')).toMatchObject([{ level: 'error' }]);
    expect(host.agents.find(({ name }) => name === 'direct')!.notices).toMatchObject([{ level: 'warning' }]);
    if (hasFlite) expect(call.mouth.written(1).pcm.length).toBeGreaterThan(16_000);
  });
});
