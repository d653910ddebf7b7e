/** The stand-in for AI services: what it says to the front desk, and that our own adapters can hear and ask it. */
import { spawnSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { configSchema } from '../../src/config/index.ts';
import { silentLogger } from '../../src/telemetry/index.ts';
import { answerOf } from '../../src/up/stand-in/answers.ts';
import { StandIn } from '../../src/up/stand-in/server.ts';
import { freePort } from '../e2e/support/server.ts';

const TOOLS = ['get_time', 'book_table', 'hang_up'];
const NOW = new Date('2026-01-01T12:00:00Z');
const user = (content: string) => ({ role: 'user', content });

describe('its answers', () => {
  test('ask for the time by the tool, and tell what it said', () => {
    const asked = [user('What time is it?')];
    expect(answerOf(asked, TOOLS, NOW)).toEqual({ tool: 'get_time' });
    const told = [...asked, { role: 'assistant', content: null }, { role: 'tool', content: '{"time":"noon"}' }];
    expect(answerOf(told, TOOLS, NOW)).toEqual({ text: 'It is noon.' });
    expect(answerOf([...told, user('What time is it?')], TOOLS, NOW)).toEqual({ tool: 'get_time' });
  });

  test('hang up by the tool, and say goodbye', () => {
    const asked = [user('goodbye')];
    expect(answerOf(asked, TOOLS, NOW)).toEqual({ tool: 'hang_up' });
    expect(answerOf([...asked, { role: 'tool', content: 'ok' }], TOOLS, NOW)).toEqual({
      text: 'Thank you for calling. Goodbye.',
    });
  });

  test('remember what was said before, as the front desk does', () => {
    expect(answerOf([user('I would like to book a table')], TOOLS, NOW)).toEqual({
      text: expect.stringMatching(/how many/i),
    });
    expect(answerOf([user('I would like to book a table'), user('two people')], TOOLS, NOW)).toEqual({
      text: expect.stringMatching(/when|day/i),
    });
    expect(answerOf([user('lorem ipsum')], TOOLS, NOW)).toEqual({
      text: expect.stringContaining('did not understand'),
    });
    expect(answerOf([], TOOLS, NOW)).toEqual({ text: expect.stringContaining('did not understand') });
  });
});

describe.skipIf(spawnSync('pocketsphinx_continuous').error !== undefined)('its server', () => {
  let standIn: StandIn;
  let base: string;
  beforeAll(async () => {
    const port = await freePort();
    base = `http://127.0.0.1:${port}/v1`;
    const { command, modelDir } = configSchema.parse({}).services.pocketsphinx;
    standIn = await StandIn.start({
      ...{ port, hearMs: 0, thinkMs: 0, command, modelDir },
      ...{ clock: systemClock, log: silentLogger },
    });
  });
  afterAll(() => standIn?.[Symbol.asyncDispose]());

  test('hears the front desk’s sentences, really', async () => {
    const form = new FormData();
    const wav = await readFile(join(import.meta.dirname, '../audio/what-time.wav'));
    form.set('file', new Blob([new Uint8Array(wav)]), 'utterance.wav');
    form.set('model', 'any');
    const response = await fetch(`${base}/audio/transcriptions`, { method: 'POST', body: form });
    expect([response.status, await response.json()]).toEqual([200, { text: 'what time is it' }]);
    expect(response.headers.get('x-antipode')).toBe('a stand-in, no AI service');
  });

  test('streams an answer, and refuses what it is not for', async () => {
    const ask = (path: string, body: object) => fetch(`${base}${path}`, { method: 'POST', body: JSON.stringify(body) });
    const answer = await (await ask('/chat/completions', { stream: true, messages: [user('hello')] })).text();
    const words = [...answer.matchAll(/"content":"([^"]*)"/g)].map(([, word]) => word).join('');
    expect(words).toBe('How can I help you?');
    expect(answer.endsWith('data: [DONE]\n\n')).toBe(true);
    expect((await ask('/chat/completions', { messages: [] })).status).toBe(400);
    expect((await ask('/audio/speech', {})).status).toBe(404);
  });
});
