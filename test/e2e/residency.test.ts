/**
 * A pinned call over the whole path: a server in the EU whose policy pins every session, a caller in a real browser, an
 * agent whose tool reaches for a host that is not within the pin, and the record of what the call's data touched.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { breakOf, residencyRecordSchema } from '../../src/placement/index.ts';
import { createSessionAnswerSchema } from '../../src/signaling/index.ts';
import { type FakeChatAnswer, type FakeChatRequest, FakeOpenAi } from '../fakes/openai.ts';
import { openBrowser } from './support/browser.ts';
import { ROOT, startServer } from './support/server.ts';
import { silence } from './support/sound.ts';

/** Calls the tool with what it is told, and says what came of it. */
function chat({ messages }: FakeChatRequest): FakeChatAnswer {
  const last = messages.at(-1)!;
  if (last.role === 'tool') return { text: `It says ${last.content?.replace(/[^a-z ]/gi, ' ')}.` };
  return { toolCalls: [{ name: 'reach', arguments: JSON.stringify({ url: last.content }) }] };
}

const AGENT = `
import { z } from '${ROOT}/node_modules/zod/index.js';
import { cascade, cascadeLegs, defineAgent } from '${ROOT}/src/agent/index.ts';
export default defineAgent({
  name: 'reacher', title: 'Reacher', description: 'Reaches out.', examples: [], legs: cascadeLegs,
  pipeline: (call, services) => cascade({
    call, services, instructions: 'Reach.', greeting: 'Hello.',
    tools: [{
      name: 'reach', description: 'Reaches.', parameters: z.object({ url: z.string() }),
      run: async ({ url }) => (await fetch(url)).text(),
    }],
  }),
});
`;
const POLICY = `
version: 1
residency: { pin: eu }
endpoints:
  places: { openai@own: eu-central-1, openai-transcriptions@own: eu-central-1 }
`;
const KEY = 'a-key-of-this-test-0123456789';

test('a call that is pinned to the EU shows where it runs; a tool that reaches for another place is stopped, logged, counted and recorded', async () => {
  await using stack = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), 'antipode-agents-'));
  stack.defer(() => rm(folder, { recursive: true }));
  await Promise.all([
    writeFile(join(folder, 'reacher.ts'), AGENT),
    writeFile(join(folder, 'placement.yaml'), POLICY),
    writeFile(
      join(folder, 'antipode.yaml'),
      `node: { region: eu-central-1 }\ncore: { agentsDir: ${folder} }\nplacement: { policyFile: ${folder}/placement.yaml }\n`,
    ),
  ]);
  const fake = stack.adopt(await FakeOpenAi.start({ chat, speak: () => new Int16Array(2_400) }), (it) => it.close());
  const reached: string[] = [];
  const elsewhere = stack.adopt(
    createServer((request, response) => {
      reached.push(request.url!);
      response.end('reached');
    }).listen(0),
    (server) => void server.close(),
  );
  const server = stack.use(
    await startServer({
      arguments: ['--config', join(folder, 'antipode.yaml')],
      environment: { OPENAI_API_KEY: fake.apiKey, OPENAI_BASE_URL: fake.baseUrl, ANTIPODE_API_KEYS: KEY },
    }),
  );
  const { page } = stack.use(await openBrowser({ microphone: silence(60) }));
  const created = page.waitForResponse((response) => /\/v1\/sessions$/.test(response.url()));
  await page.goto(`${server.url}/?agent=reacher&autojoin=1`);
  const { sessionId } = createSessionAnswerSchema.parse(await (await created).json());

  const said = page.locator('[data-testid=transcript] [data-role=agent][data-final=true]');
  await said.first().waitFor({ timeout: 30_000 });
  const placement = await page.getByTestId('placement').innerText();
  expect(placement).toContain('eu-central-1');
  expect(placement).toContain('is the only place within "eu" (policy) with a core that can take reacher');

  const { port } = elsewhere.address() as AddressInfo;
  await page.getByTestId('message').fill(`http://localhost:${port}/`);
  await page.keyboard.press('Enter');
  await expect.poll(() => said.last().innerText(), { timeout: 15_000 }).toContain('It says');
  expect(await said.last().innerText()).not.toContain('reached');
  expect(reached).toEqual([]);

  const headers = { authorization: `Bearer ${KEY}` };
  const answer = await fetch(`${server.url}/v1/sessions/${sessionId}/residency`, { headers });
  const record = residencyRecordSchema.parse(await answer.json());
  expect(breakOf(record)).toBeNull();
  const stopped = record.entries.filter(({ kind }) => kind === 'stopped');
  expect(stopped.map(({ name, detail }) => `${name} by ${detail}`)).toEqual(['localhost by fetch']);
  const touched = record.entries.filter(({ kind }) => kind !== 'stopped');
  expect(new Set(touched.map(({ kind }) => kind))).toEqual(new Set(['node', 'store', 'endpoint']));
  expect(touched.filter(({ jurisdiction }) => jurisdiction !== 'EU')).toEqual([]);

  expect(server.output()).toMatch(/"code":"ERR_EGRESS_FORBIDDEN".*"host":"localhost".*a pinned session was stopped/);
  const metrics = await (await fetch(`${server.url}/metrics`, { headers })).text();
  expect(metrics).toContain('antipode_egress_stopped_total{by="fetch"} 1');
});
