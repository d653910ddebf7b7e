import { queryObjects, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Conversation } from '../../../src/agent/index.ts';
import { Scheduler } from '../../../src/agent/scheduler.ts';
import { Turn } from '../../../src/agent/turn.ts';
import { FakeCartesia } from '../../fakes/cartesia.ts';
import { FakeDeepgram } from '../../fakes/deepgram.ts';
import { FakeOpenAi } from '../../fakes/openai.ts';
import { MemoryCall } from '../../support/memory-call.ts';
import { hasFlite, speech } from '../speech.ts';
import { closeAfterwards, openNode } from './node.ts';
import { ENDED_SESSIONS, tell } from './sessions.ts';

const SIDE_BY_SIDE = 20;

setFlagsFromString('--expose-gc');
const collectGarbage: () => void = runInNewContext('gc');

let warnings: string[] = [];
const onWarning = (warning: Error) => {
  if (warning.name !== 'ExperimentalWarning') warnings.push(`${warning.name}: ${warning.message}`);
};
beforeEach(() => {
  warnings = [];
  process.on('warning', onWarning);
});
afterEach(() => {
  process.off('warning', onWarning);
});

/** Sockets, servers and programs that are open; timers of the process are the test runner's too. */
function resources(): string[] {
  return process
    .getActiveResourcesInfo()
    .filter((kind) => /^(TCP|TLS|UDP|Process)/.test(kind))
    .sort();
}

function alive() {
  collectGarbage();
  return {
    turns: queryObjects(Turn, { format: 'count' }),
    schedulers: queryObjects(Scheduler, { format: 'count' }),
    conversations: queryObjects(Conversation, { format: 'count' }),
    calls: queryObjects(MemoryCall, { format: 'count' }),
  };
}

interface Stack {
  readonly stt: string;
  readonly tts: string;
  readonly sessions: number;
  readonly needsFlite?: true;
}

const STACKS: [string, Stack][] = [
  ['services by HTTP', { stt: 'whisper-server/any', tts: 'kokoro#any', sessions: 640 }],
  ['services on sockets', { stt: 'deepgram', tts: 'cartesia#any', sessions: 240 }],
  ['a voice that is a program', { stt: 'deepgram,whisper-server/any', tts: 'flite', sessions: 80, needsFlite: true }],
];

test.each(STACKS.filter(([, { needsFlite }]) => hasFlite || !needsFlite))(
  'sessions with %s leave nothing behind, however they end',
  { timeout: 120_000 },
  async (_name, stack) => {
    const talk = hasFlite ? await speech('I would like to hear a story') : new Int16Array(16_000);
    const kinds = hasFlite ? ENDED_SESSIONS : ENDED_SESSIONS.filter(({ name }) => !name.includes('a word'));
    await expect.poll(resources).toEqual([]);
    const model = closeAfterwards(
      await FakeOpenAi.start({ keyless: true, chat: tell, speak: (text) => new Int16Array(text.length * 600) }),
    );
    const deepgram = closeAfterwards(await FakeDeepgram.start());
    const cartesia = closeAfterwards(await FakeCartesia.start());
    const node = await openNode({
      flite: true,
      environment: {
        ANTIPODE_STT: stack.stt,
        ANTIPODE_LLM: 'vllm/any',
        ANTIPODE_TTS: stack.tts,
        WHISPER_BASE_URL: model.baseUrl,
        VLLM_BASE_URL: model.baseUrl,
        KOKORO_BASE_URL: model.baseUrl,
        DEEPGRAM_API_KEY: deepgram.apiKey,
        DEEPGRAM_BASE_URL: deepgram.server.url,
        CARTESIA_API_KEY: cartesia.apiKey,
        CARTESIA_BASE_URL: cartesia.baseUrl,
      },
    });

    const ended: Record<string, number> = {};
    const most = { turns: 0, schedulers: 0, conversations: 0, calls: 0 };
    let begun = 0;
    let run = 0;
    const runAll = async (count: number) => {
      const until = begun + count;
      const oneByOne = async () => {
        while (begun < until) {
          const kind = kinds[begun++ % kinds.length]!;
          const call = Object.assign(new MemoryCall({ clock: node.clock }), { metadata: { cascade: kind.cascade } });
          const running = node.host.start('clumsy', call);
          await kind.run(call, talk);
          if (++run === 50) {
            const counts = alive();
            for (const key of Object.keys(most) as (keyof typeof most)[]) most[key] = Math.max(most[key], counts[key]);
          }
          call.leave();
          await running.done;
          expect(call.ear.listenerCount + call.messageListenerCount + call.mouth.listenerCount).toBe(0);
          const how = `${kind.name}: ${call.end!.code}`;
          ended[how] = (ended[how] ?? 0) + 1;
        }
      };
      await Promise.all(Array.from({ length: SIDE_BY_SIDE }, oneByOne));
    };
    /** As if nobody had called: without connections that are kept, and without what the fakes and the log remember. */
    const quiet = async () => {
      await expect.poll(() => node.host.runningCount).toBe(0);
      await expect.poll(() => cartesia.speaking, { timeout: 10_000 }).toBe(0);
      model.dropConnections();
      deepgram.server.dropAll();
      cartesia.dropConnections();
      await expect
        .poll(() => model.openCount + deepgram.server.openCount + cartesia.connectionCount, { timeout: 10_000 })
        .toBe(0);
      for (const memory of [node.lines, model.chatRequests, model.headers, model.spoken, model.warmings])
        memory.length = 0;
      for (const memory of [model.transcriptionForms, cartesia.received, cartesia.requests]) memory.length = 0;
      for (const memory of [cartesia.canceled, deepgram.controls, deepgram.server.requests]) memory.length = 0;
      await expect
        .poll(() => alive(), { timeout: 20_000, interval: 500 })
        .toEqual({ turns: 0, schedulers: 0, conversations: 0, calls: 0 });
      return { timers: node.clock.pendingCount, heap: process.memoryUsage().heapUsed, resources: resources() };
    };

    await runAll(SIDE_BY_SIDE * 2);
    const before = await quiet();
    await runAll(stack.sessions);
    const after = await quiet();

    // What is counted was there to be counted.
    expect(Math.min(...Object.values(most)), JSON.stringify(most)).toBeGreaterThan(0);
    expect(Object.keys(ended).length).toBe(kinds.length);
    expect(after.timers).toBe(before.timers);
    expect(after.resources).toEqual(before.resources);
    expect((after.heap - before.heap) / stack.sessions).toBeLessThan(5_000);
    expect(warnings).toEqual([]);

    await node.close();
    expect(node.clock.pendingCount).toBe(0);
    await Promise.all([model.close(), deepgram.close(), cartesia.close()]);
    await expect.poll(resources, { timeout: 10_000 }).toEqual([]);
  },
);
