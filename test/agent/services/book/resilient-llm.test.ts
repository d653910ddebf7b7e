import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import type { Tool } from '../../../../src/agent/index.ts';
import { CIRCUIT_BREAKER_DEFAULTS } from '../../../../src/agent/services/book/index.ts';
import { FakeOpenAiCompatible } from '../../../fakes/openai-compatible.ts';
import { answer, type Book, openBook, request, textOf } from './book.ts';

let first: FakeOpenAiCompatible;
let second: FakeOpenAiCompatible;
let book: Book;

beforeEach(async () => {
  first = await FakeOpenAiCompatible.start({ keyless: true });
  second = await FakeOpenAiCompatible.start({ keyless: true });
  first.answer = { text: 'We are open until ten.' };
  second.answer = { text: 'until nine, on Sundays.' };
  book = openBook({
    llm: ['vllm/big', 'ollama/small'],
    environment: { VLLM_BASE_URL: first.baseUrl, OLLAMA_BASE_URL: second.baseUrl },
  });
});
afterEach(async () => {
  book.stack.close();
  expect(book.clock.pendingCount).toBe(0);
  await expect.poll(() => first.openCount + second.openCount).toBe(0);
  await Promise.all([first.close(), second.close()]);
});

const bookTable: Tool = { name: 'book_table', description: 'Books.', parameters: z.object({}), run: () => 'done' };

describe('a language model with another behind it', () => {
  test('is the only one that is asked while it works', async () => {
    expect(textOf(await answer(book))).toBe('We are open until ten.');
    expect(second.requests).toEqual([]);
    expect(book.changes).toEqual([]);
    expect(book.runs).toMatchObject([{ kind: 'llm', service: 'vllm', model: 'big', region: null, outcome: 'ok' }]);
    expect(book.runs[0]!.usage).toMatchObject({ inputTokens: 9, outputTokens: 3 });
  });

  test.each([
    [{ status: 401 }, 'ERR_SERVICE_FAILED'],
    [{ status: 429 }, 'ERR_SERVICE_UNAVAILABLE'],
    [{ status: 500 }, 'ERR_SERVICE_FAILED'],
    ['html' as const, 'ERR_SERVICE_FAILED'],
  ])('is replaced when it answers %j: the same request goes to the next', async (trouble, code) => {
    first.trouble = trouble;
    expect(textOf(await answer(book))).toBe('until nine, on Sundays.');
    expect(second.requests[0]!.messages).toEqual(first.requests[0]!.messages);
    expect(book.changes).toEqual([`llm vllm > ollama: ${code}`]);
    expect(book.outcomes()).toEqual([`vllm ${code}`, 'ollama ok']);
    expect(await book.failovers()).toBe('antipode_service_failovers_total{kind="llm",from="vllm",to="ollama"} 1');
  });

  test.each(['cut', 'early-end', 'malformed', 'error-event'] as const)(
    'is gone on from what was said when it breaks off in the middle (%s)',
    async (trouble) => {
      first.answer = { text: 'We are open' };
      first.trouble = trouble;
      expect(textOf(await answer(book, { said: 'Let me see. ' }))).toBe('We are open until nine, on Sundays.');
      const [instructions, ...others] = second.requests[0]!.messages;
      expect(instructions!.content).toMatch(/^Be brief\.[\s\S]*cut off after: "We are open"/);
      expect(others).toEqual([
        { role: 'user', content: 'Hello?' },
        { role: 'assistant', content: 'Let me see. We are open' },
      ]);
    },
  );

  test('is given up when it says nothing for too long, and counts as failed', async () => {
    first.trouble = 'hang';
    const answering = answer(book);
    await first.requested(1);
    book.clock.advance(2_999);
    expect(second.requests).toEqual([]);
    book.clock.advance(1);
    expect(textOf(await answering)).toBe('until nine, on Sundays.');
    await first.abandoned(1);
    expect(book.changes).toEqual(['llm vllm > ollama: ERR_SERVICE_TIMEOUT']);
    expect(book.runs[0]).toMatchObject({ outcome: 'ERR_SERVICE_TIMEOUT', firstAtMs: null });
    expect(book.runs[0]!.endedAtMs - book.runs[0]!.startedAtMs).toBe(3_000);
  });

  test('has its own time when no other could take over', async () => {
    first.trouble = 'hang';
    second.trouble = 'hang';
    const answering = answer(book).catch((error: unknown) => error);
    await first.requested(1);
    book.clock.advance(3_000);
    await second.requested(1);
    await book.clock.advanceAsync(7_900, 100);
    expect(book.runs.length).toBe(1);
    await book.clock.advanceAsync(200, 100);
    expect(await answering).toMatchObject({ code: 'ERR_SERVICE_TIMEOUT' });
  });

  test('is not replaced once it called a tool, which must not be called twice', async () => {
    first.answer = { text: 'One moment. ', toolCalls: [{ name: 'book_table', arguments: '{}' }] };
    const events = [];
    const failing = (async () => {
      for await (const event of book.stack.llm.respond(request(book, { tools: [bookTable] }))) {
        events.push(event.type);
        if (event.type === 'tool-call') throw new Error('the pipeline broke');
      }
    })();
    await expect(failing).rejects.toThrow('the pipeline broke');
    expect(second.requests).toEqual([]);
  });

  test('is left alone after failures in a row, and tried again by one request later', async () => {
    first.trouble = { status: 500 };
    for (let count = 0; count < 3; count++) await answer(book);
    expect(await book.isOpen('llm', 'vllm')).toBe(true);
    await answer(book);
    expect(first.requests.length).toBe(3);
    expect(book.changes.length).toBe(3);
    first.trouble = null;
    book.clock.advance(CIRCUIT_BREAKER_DEFAULTS.openMs);
    expect(textOf(await answer(book))).toBe('We are open until ten.');
    expect(await book.isOpen('llm', 'vllm')).toBe(false);
  });

  test('is left alone for long as soon as it refuses our key', async () => {
    first.trouble = { status: 403 };
    await answer(book);
    expect(await book.isOpen('llm', 'vllm')).toBe(true);
    book.clock.advance(CIRCUIT_BREAKER_DEFAULTS.maxOpenMs);
    await answer(book);
    expect(first.requests.length).toBe(1);
  });

  test('is left alone for as long as it asks to be', async () => {
    first.trouble = { status: 429, retryAfterSeconds: 30 };
    await answer(book);
    expect(await book.isOpen('llm', 'vllm')).toBe(true);
    book.clock.advance(29_999);
    await answer(book);
    expect(first.requests.length).toBe(1);
    book.clock.advance(1);
    await answer(book);
    expect(first.requests.length).toBe(2);
  });

  test('costs few requests when it is down and many calls ask at once, over and over', async () => {
    first.trouble = { status: 500 };
    for (let round = 0; round < 5; round++) {
      const answers = await Promise.all(Array.from({ length: 20 }, () => answer(book)));
      expect(new Set(answers.map(textOf))).toEqual(new Set(['until nine, on Sundays.']));
    }
    // Those of the first round, which were under way together.
    expect(first.requests.length).toBe(20);
    first.trouble = null;
    book.clock.advance(CIRCUIT_BREAKER_DEFAULTS.openMs);
    await Promise.all(Array.from({ length: 20 }, () => answer(book)));
    // One of them tries.
    expect(first.requests.length).toBe(21);
    await answer(book);
    expect(first.requests.length).toBe(22);
  });

  test('fails at once when all are left alone', async () => {
    first.trouble = { status: 500 };
    second.trouble = { status: 500 };
    for (let count = 0; count < 3; count++)
      await expect(answer(book)).rejects.toMatchObject({ code: 'ERR_SERVICE_FAILED' });
    await expect(answer(book)).rejects.toMatchObject({
      code: 'ERR_SERVICE_UNAVAILABLE',
      message: 'Left alone for a while after failures: vllm, ollama.',
    });
    expect(first.requests.length + second.requests.length).toBe(6);
  });

  test('counts no failure when the caller speaks over it, whether or not it had begun', async () => {
    first.trouble = 'hang';
    for (let count = 1; count <= 5; count++) {
      const turn = new AbortController();
      const answering = answer(book, { signal: turn.signal });
      await first.requested(count);
      turn.abort('interrupted');
      await expect(answering).rejects.toBe('interrupted');
    }
    expect(second.requests).toEqual([]);
    await expect.poll(() => book.outcomes()).toEqual(Array(5).fill('vllm aborted'));
    expect(await book.isOpen('llm', 'vllm')).toBe(false);
    await first.abandoned(5);
  });

  test('is asked once more, and no other, when the connection was lost under the request', async () => {
    let requests = 0;
    const server = createServer((_request, response) => {
      if (++requests === 1) response.socket!.resetAndDestroy();
      else response.writeHead(307, { location: `${first.baseUrl}/chat/completions` }).end();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const lossy = openBook({ llm: ['vllm/big'], environment: { VLLM_BASE_URL: `http://127.0.0.1:${port}/v1` } });
    // What it answers then is refused, which is no lost connection.
    await expect(answer(lossy)).rejects.toMatchObject({ code: 'ERR_SERVICE_FAILED' });
    expect(requests).toBe(2);
    expect(lossy.outcomes()).toEqual(['vllm ERR_SERVICE_UNAVAILABLE', 'vllm ERR_SERVICE_FAILED']);
    lossy.stack.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
});
