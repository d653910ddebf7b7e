import { afterEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { GeminiLive, type GeminiLiveOptions } from '../../../../src/agent/services/s2s/gemini-live.ts';
import type { S2sOpenOptions } from '../../../../src/agent/services/s2s.ts';
import { systemClock } from '../../../../src/clock.ts';
import { silentLogger } from '../../../../src/telemetry/index.ts';
import { FakeGeminiLive } from '../../../fakes/gemini-live.ts';
import { sayTones } from '../../../fakes/tone-words.ts';
import { s2sConformance } from './conformance.ts';
import { RecordedSession } from './recorded-session.ts';

s2sConformance('Gemini Live', async ({ apiKey, ...options }) => {
  const fake = await FakeGeminiLive.start();
  return {
    s2s: new GeminiLive({ apiKey: apiKey ?? fake.apiKey, baseUrl: fake.url, ...options }),
    toolName: 'look_up',
    rewinds: true,
    resumes: true,
    // What we told the service to say stands in its memory as words of the caller, in brackets.
    context: () => fake.context.filter((line) => !line.startsWith('user: [')),
    refuse: (status) => {
      fake.faults.refuse = status;
    },
    stall: () => {
      fake.faults.stalls = true;
    },
    talkNonsense: () => {
      fake.faults.garbage = true;
    },
    failAnswers: () => {
      fake.faults.failReason = 'RESPONSE_REJECTED';
    },
    succeed: () => {
      fake.faults.failReason = null;
    },
    cutNextAnswer: () => {
      Object.assign(fake.faults, { cutAfterChunks: 3, cuts: 1 });
    },
    dropAll: () => fake.dropAll(),
    pace: (spacingMs) => {
      fake.spacingMs = spacingMs;
    },
    openCount: () => fake.openCount,
    connections: () => fake.requests.length,
    close: () => fake.close(),
  };
});

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function begin(options: Partial<GeminiLiveOptions> = {}, openOptions: Partial<S2sOpenOptions> = {}) {
  const fake = await FakeGeminiLive.start();
  closing.push(() => fake.close());
  const shared = { clock: systemClock, log: silentLogger, replyTimeoutMs: 20_000 };
  const s2s = new GeminiLive({ apiKey: fake.apiKey, baseUrl: fake.url, ...shared, ...options });
  const call = new RecordedSession(s2s, openOptions);
  closing.push(() => call.session.close());
  return { fake, call };
}

describe('Gemini Live', () => {
  test('is set up as the reference says, with its own turn detection off', async () => {
    const tool = { name: 'look_up', description: 'Looks up.', parameters: z.object({ a: z.number() }), run: () => '' };
    const { fake, call } = await begin({ model: 'a-model' }, { tools: [tool], voice: 'Puck' });
    call.asks(['one']);
    await call.replies();
    expect(fake.setups).toEqual([
      {
        model: 'models/a-model',
        generationConfig: {
          responseModalities: ['AUDIO'],
          speechConfig: { voiceConfig: { prebuiltVoiceConfig: { voiceName: 'Puck' } } },
        },
        systemInstruction: { parts: [{ text: 'Be brief.' }] },
        tools: [
          {
            functionDeclarations: [
              {
                name: 'look_up',
                description: 'Looks up.',
                parametersJsonSchema: expect.objectContaining({ type: 'object', required: ['a'] }),
              },
            ],
          },
        ],
        realtimeInputConfig: { automaticActivityDetection: { disabled: true } },
        inputAudioTranscription: {},
        outputAudioTranscription: {},
        sessionResumption: {},
      },
    ]);
  });

  test("takes up the service's own memory where nothing has happened since, and tells its own where that is refused", async () => {
    const { fake, call } = await begin();
    call.asks(['one']);
    await call.replies();
    fake.dropAll();
    await call.until(() => call.of('reconnected').length === 1, 'the next connection');
    expect(fake.setups[1]!.sessionResumption).toEqual({ handle: 'handle-0' });
    expect(fake.context).toEqual(['user: one [300 ms]', 'assistant: You said one. [650 ms]']);
    call.asks(['two']);
    await call.replies(2);
    fake.faults.refuseHandles = true;
    fake.dropAll();
    await call.until(() => call.of('reconnected').length === 2, 'the next connection');
    await expect
      .poll(() => fake.context)
      .toEqual([...['user: one', 'assistant: You said one.', 'user: two', 'assistant: You said two.']]);
  });

  test('moves to another connection in peace when the service says that it goes away', async () => {
    const { fake, call } = await begin();
    call.asks(['one']);
    await call.replies();
    fake.dialogs[0]!.say({ goAway: { timeLeft: '10s' } });
    await expect.poll(() => fake.setups.length).toBe(2);
    call.asks(['two']);
    await call.replies(2);
    expect(call.said).toBe('You said one.You said two.');
    expect([call.of('reconnecting'), call.errors]).toEqual([[], []]);
  });

  test('asks by new instructions from the next answer on', async () => {
    const { fake, call } = await begin();
    call.asks(['one']);
    await call.replies();
    call.session.update({ instructions: 'Be long.' });
    await expect
      .poll(() => fake.setups.map(({ systemInstruction }) => systemInstruction?.parts[0]?.text))
      .toEqual(['Be brief.', 'Be long.']);
  });

  test('holds what the caller says while an answer is made, and sends it when that is whole', async () => {
    const { fake, call } = await begin();
    fake.spacingMs = 10;
    call.asks(['one', 'two']);
    await call.until(() => call.soundMs >= 200, 'some sound');
    call.hears(['three']);
    await call.replies();
    expect(call.said).toBe('You said one two.');
    call.session.endTurn();
    await call.replies(2);
    expect(call.said).toBe('You said one two.You said three.');
    expect(fake.requests.length).toBe(1);
  });

  test("finds the caller's turns itself when that is wanted, and is cut off by the caller", async () => {
    const { fake, call } = await begin({}, { turns: 'service' });
    fake.spacingMs = 10;
    call.hearsSound(sayTones(['one', 'two']));
    call.hearsSound(new Int16Array(16_000 / 2));
    await call.until(() => call.soundMs >= 200, 'the answer');
    expect(call.events.slice(0, 1)).toEqual([{ type: 'callerStarted', utterance: 0 }]);
    call.hearsSound(sayTones(['three']));
    await call.until(() => call.of('callerStarted').length === 2, 'the interruption');
    call.session.interrupt({ playedMs: 150, words: 'You' });
    call.hearsSound(new Int16Array(16_000 / 2));
    await call.until(() => call.said.endsWith('You said three.'), 'the next answer');
    await call.replies();
    expect(call.runs.map(({ outcome }) => outcome)).toEqual(['aborted', 'ok']);
  });

  test('counts what the service counts', async () => {
    const { call } = await begin();
    call.asks(['one']);
    await call.replies();
    expect(call.runs[0]!.usage).toMatchObject({ inputTokens: 30, outputTokens: 20, audioOutputTokens: 20 });
  });
});
