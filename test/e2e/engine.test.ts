/**
 * What the page shows while it happens: a tool that the model uses, a sound over the agent, an interruption, and what the
 * call costs; over the whole path, with a server that speaks OpenAI's wire protocol in OpenAI's place.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { resample } from '../../src/call/resample.ts';
import { type FakeChatAnswer, type FakeChatRequest, FakeOpenAi } from '../fakes/openai.ts';
import { openBrowser } from './support/browser.ts';
import { type RunningServer, startServer } from './support/server.ts';
import { concat, decodeWav, recognize, silence, speak } from './support/sound.ts';

const COUNT = 'One. Two. Three. Four. Five. Six. Seven. Eight. Nine. Ten. Eleven. Twelve. Thirteen. Fourteen.';

/** Looks at the clock, or counts for long. */
function chat({ messages }: FakeChatRequest): FakeChatAnswer {
  const last = messages.at(-1);
  if (last?.role === 'tool') return { text: 'It is noon.' };
  if (/time/.test(last?.content ?? '')) return { toolCalls: [{ name: 'get_time', arguments: '{}' }] };
  return { text: /count/.test(last?.content ?? '') ? COUNT : 'All right.' };
}

let fake: FakeOpenAi;
let server: RunningServer;
beforeAll(async () => {
  fake = await FakeOpenAi.start({
    chat,
    transcribe: (wav) => recognize(decodeWav(wav), '(stop please | please count to thirty)'),
    speak: async (text) => resample(await speak(text), 16_000, 24_000),
  });
  server = await startServer({ environment: { OPENAI_API_KEY: fake.apiKey, OPENAI_BASE_URL: fake.baseUrl } });
}, 60_000);
afterAll(async () => {
  await server.stop();
  await fake.close();
});

describe('the page, while it happens,', () => {
  test('shows a tool that the agent uses, and what the call costs', async () => {
    await using caller = await openBrowser({ microphone: silence(60) });
    await caller.page.goto(`${server.url}/?agent=front-desk&autojoin=1`);
    const said = caller.page.locator('[data-testid=transcript] [data-role=agent][data-final=true]');
    await said.first().waitFor({ timeout: 30_000 });
    await caller.page.getByTestId('message').fill('What time is it?');
    await caller.page.keyboard.press('Enter');
    const tool = caller.page.locator('.moment[data-kind=tool]');
    await tool.first().waitFor({ timeout: 10_000 });
    await expect.poll(() => tool.first().getAttribute('data-state'), { timeout: 10_000 }).toBe('ok');
    expect(await tool.first().innerText()).toContain('get_time');
    await expect.poll(() => said.last().innerText(), { timeout: 10_000 }).toContain('It is noon.');
    const costs = caller.page.locator('[data-testid=cost] tr[data-kind]');
    await expect.poll(() => costs.count(), { timeout: 10_000 }).toBeGreaterThanOrEqual(2);
    const kinds = await costs.evaluateAll((rows) => rows.map((row) => row.getAttribute('data-kind')));
    expect(kinds).toEqual(expect.arrayContaining(['llm', 'tts']));
    expect(await caller.page.getByTestId('cost-total').innerText()).toMatch(/\$/);
    expect(caller.errors).toEqual([]);
  });

  test('shows that the agent paused for a sound, and was cut off by words', async () => {
    const stop = await speak('stop please');
    await using caller = await openBrowser({ microphone: concat(silence(9), stop, silence(30)) });
    await caller.page.goto(`${server.url}/?agent=front-desk&autojoin=1`);
    const said = caller.page.locator('[data-testid=transcript] [data-role=agent][data-final=true]');
    await said.first().waitFor({ timeout: 30_000 });
    await caller.page.getByTestId('message').fill('Please count.');
    await caller.page.keyboard.press('Enter');
    const interruption = caller.page.locator('.moment[data-kind=interruption]');
    await interruption.first().waitFor({ timeout: 30_000 });
    await expect.poll(() => interruption.last().getAttribute('data-outcome'), { timeout: 20_000 }).toBe('confirmed');
    const cut = caller.page.locator('[data-testid=transcript] [data-role=agent][data-interrupted=true]');
    await cut.first().waitFor({ timeout: 10_000 });
    expect(await cut.first().innerText()).toMatch(/One\./);
    expect(await cut.first().innerText()).not.toMatch(/Fourteen/);
  });
});
