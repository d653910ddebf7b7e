import { queryObjects } from 'node:v8';
import { describe, expect, test } from 'vitest';
import { Conversation, EAR_SAMPLE_RATE, IDLE_DEFAULTS } from '../../../src/agent/index.ts';
import { FakeOpenAi } from '../../fakes/openai.ts';
import { type MemoryCall, roomNoise } from '../../support/memory-call.ts';
import { hasFlite, speech } from '../speech.ts';
import { closeAfterwards, openNode, settle, type TroubledNode } from './node.ts';

async function openQuiet() {
  const model = closeAfterwards(
    await FakeOpenAi.start({
      keyless: true,
      transcribe: () => 'and another thing',
      chat: ({ messages }) => ({ text: `You said ${messages.findLast(({ role }) => role === 'user')?.content}.` }),
    }),
  );
  const node = await openNode({
    environment: {
      ANTIPODE_STT: 'whisper-server/any',
      ANTIPODE_LLM: 'vllm/any',
      ANTIPODE_TTS: 'kokoro#any',
      WHISPER_BASE_URL: model.baseUrl,
      VLLM_BASE_URL: model.baseUrl,
      KOKORO_BASE_URL: model.baseUrl,
    },
  });
  return { model, node };
}

/** A second of a quiet room, while a second passes. */
async function quietSecond(node: TroubledNode, call: MemoryCall): Promise<void> {
  call.ear.push(roomNoise(EAR_SAMPLE_RATE));
  node.clock.advance(1_000);
  await settle(6);
}

describe('a caller who says nothing for ten minutes', { timeout: 90_000 }, () => {
  test('is asked, told goodbye, and let go', async () => {
    const { node, model } = await openQuiet();
    const call = node.place({ turns: {} });
    let seconds = 0;
    for (; seconds < 600 && call.end === null; seconds++) {
      await quietSecond(node, call);
      const state = call.events.findLast((event) => event.type === 'agent-state');
      // What is said then takes no time of this clock.
      if (state?.type === 'agent-state' && state.state !== 'listening') {
        await call.until(() => {
          const last = call.events.findLast((event) => event.type === 'agent-state');
          return call.end !== null || (last?.type === 'agent-state' && last.state === 'listening') ? true : undefined;
        });
      }
    }
    expect(call.end).toEqual({ code: 'agent-hung-up', reason: 'The caller said nothing for long.' });
    expect(model.spoken.join(' ')).toBe(`${IDLE_DEFAULTS.prompts[0]} ${IDLE_DEFAULTS.goodbye}`);
    expect(seconds).toBe((2 * IDLE_DEFAULTS.afterMs) / 1_000);
    expect(await node.metric('antipode_idle_total')).toEqual(['{outcome="prompted"} 1', '{outcome="ended"} 1']);
  });

  test('and is not to be asked costs no more sound, timers or words than after half a minute', async () => {
    const { node, model } = await openQuiet();
    const call = node.place();
    const sounds = () => queryObjects(Int16Array, { format: 'count' });
    for (let second = 0; second < 30; second++) await quietSecond(node, call);
    const before = { sounds: sounds(), timers: node.clock.pendingCount, events: call.events.length };
    for (let second = 0; second < 570; second++) await quietSecond(node, call);
    expect(sounds()).toBeLessThan(before.sounds + 200);
    expect(node.clock.pendingCount).toBe(before.timers);
    expect(call.events.length).toBe(before.events);
    expect(model.headers.length).toBe(0);
    expect(call.end).toBeNull();
    call.type('hello');
    expect(await call.said('agent', 0)).toBe('You said hello.');
  });
});

test.skipIf(!hasFlite)(
  'a caller who never stops is answered at the limit, and not cut off by their own voice',
  { timeout: 60_000 },
  async () => {
    const { node } = await openQuiet();
    const call = node.place({ turns: { idle: null, maxTurnMs: 4_000 } });
    const talk = await speech(
      'and another thing and another thing and another thing and another thing and so on and on',
    );
    await call.ear.hearSilence(200);
    for (let count = 0; count < 4; count++) await call.ear.hear(talk);
    expect(await call.said('agent', 0)).toBe('You said and another thing.');
    await call.ear.hearSilence(1_000);
    const endings = await node.metric('antipode_endpointing_seconds');
    expect(endings.filter((line) => line.startsWith('_count{by="max-turn"}'))).not.toEqual([]);
    const agent = call.events.flatMap((event) =>
      event.type === 'transcript' && event.role === 'agent' && event.final ? [event] : [],
    );
    expect(agent.length).toBeGreaterThan(0);
    expect(agent[0]).toMatchObject({ interrupted: false });
    expect(call.end).toBeNull();
    expect(node.warnings()).toEqual([]);
  },
);

describe('a thousand typed messages in a second', { timeout: 60_000 }, () => {
  test.each([
    ['spread over it', 1],
    ['all at once', 0],
  ])('%s leave the last one answered, the context bounded and nothing under way', async (_how, everyMs) => {
    const { node, model } = await openQuiet();
    const conversation = new Conversation();
    const call = node.place({ conversation });
    for (let number = 0; number < 1_000; number++) {
      call.type(`number ${number}`);
      if (everyMs === 0) continue;
      node.clock.advance(everyMs);
      await settle(1);
    }
    expect(await call.said('agent', 999)).toBe('You said number 999.');
    expect(model.spoken.at(-1)).toBe('You said number 999.');
    expect(conversation.entries.length).toBeLessThanOrEqual(400);
    expect(model.chatRequests.length).toBeLessThanOrEqual(1_000);
    expect(node.warnings()).toEqual([]);
    expect(call.end).toBeNull();
    await expect.poll(() => node.clock.pendingCount).toBe(0);
    await node.close();
    await expect.poll(() => model.openCount).toBe(0);
  });
});
