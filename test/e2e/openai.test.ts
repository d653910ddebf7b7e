/**
 * The front desk with a key, over the whole path: `antipode dev` given OpenAI's place by the environment alone, a server
 * that speaks OpenAI's wire protocol there, which hears with pocketsphinx and speaks with flite, and a real caller.
 */
import { expect, test } from 'vitest';
import { resample } from '../../src/call/resample.ts';
import { type FakeChatAnswer, type FakeChatRequest, FakeOpenAi } from '../fakes/openai.ts';
import { antipodeCall, WHAT_TIME } from './support/antipode-call.ts';
import { startServer } from './support/server.ts';
import { decodeWav, recognize, speak } from './support/sound.ts';

/** A model that looks at the clock when it is asked for the time. */
function chat({ messages }: FakeChatRequest): FakeChatAnswer {
  const last = messages.at(-1);
  if (last?.role === 'tool') return { text: `The clock says ${last.content?.replace(/\W+/g, ' ')}.` };
  return /time/.test(last?.content ?? '') ? { toolCalls: [{ name: 'get_time', arguments: '{}' }] } : { text: 'I see.' };
}

test('the front desk runs on OpenAI by the environment alone', async () => {
  const fake = await FakeOpenAi.start({
    chat,
    transcribe: (wav) => recognize(decodeWav(wav), '(what time is it | please count to thirty | goodbye)'),
    speak: async (text) => resample(await speak(text), 16_000, 24_000),
    latencyMs: 30,
  });
  await using server = await startServer({
    environment: { OPENAI_API_KEY: fake.apiKey, OPENAI_BASE_URL: fake.baseUrl },
  });
  const report = await antipodeCall(server.url, '--say', WHAT_TIME);
  const [one] = report.calls;
  expect(one?.error).toBeUndefined();
  expect(one?.transcript.find(({ role }) => role === 'caller')?.text).toBe('what time is it');
  expect(one?.transcript.at(-1)).toMatchObject({
    role: 'agent',
    text: expect.stringMatching(/^The clock says .*(a m|p m|o clock)/),
  });
  expect(one?.turns[0]?.voiceToVoiceMs).toBeGreaterThan(300);
  expect(server.output()).not.toContain(fake.apiKey);
  await fake.close();
});
