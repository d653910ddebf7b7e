import type { IncomingMessage, ServerResponse } from 'node:http';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { KeptConnections } from '../../../src/agent/services/kept-connections.ts';
import { bodyOf, HttpFake } from '../../fakes/http-fake.ts';

const patient = { timeout: 10_000 };

/** Answers with what it was sent, by the script that the path names. */
class EchoFake extends HttpFake {
  requests = 0;

  protected async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.requests++;
    const body = await bodyOf(request);
    switch (request.url) {
      case '/redirect':
        response.writeHead(307, { location: `${this.origin}/elsewhere` }).end();
        return;
      case '/nothing':
        response.writeHead(204).end();
        return;
      case '/hang':
        return;
      case '/drop':
        response.destroy();
        return;
      case '/part':
        response.write('the first half', () => setTimeout(() => response.destroy(), 10));
        return;
      case '/endless':
        while (!response.destroyed) {
          if (!response.write(Buffer.alloc(16_384))) await new Promise((resolve) => response.once('drain', resolve));
        }
        return;
      default:
        response.writeHead(200, { 'content-type': request.headers['content-type'] ?? '', 'x-seen': 'yes' });
        response.end(body);
    }
  }
}

let fake: EchoFake;
let connections: KeptConnections;
beforeEach(async () => {
  fake = await new EchoFake().listen();
  connections = new KeptConnections();
});
afterEach(async () => {
  connections.close();
  connections.close();
  await expect.poll(() => fake.openCount, patient).toBe(0);
  await fake.close();
});

const post = (path: string, init: RequestInit = {}) =>
  connections.fetch(fake.origin + path, { method: 'POST', body: 'hello', ...init });

test('sends and gives back bodies, headers and statuses as fetch does', async () => {
  const answer = await post('/echo', { headers: { 'content-type': 'text/plain' } });
  expect([answer.status, answer.headers.get('x-seen'), answer.headers.get('content-type')]).toEqual([
    200,
    'yes',
    'text/plain',
  ]);
  expect(await answer.text()).toBe('hello');
  expect((await post('/nothing')).body).toBeNull();
});

test('writes forms as the platform does', async () => {
  const form = new FormData();
  form.append('model', 'whisper-1');
  form.append('file', new Blob(['sound']), 'utterance.wav');
  const answer = await post('/echo', { body: form });
  const back = await answer.formData();
  expect(back.get('model')).toBe('whisper-1');
  expect(await (back.get('file') as File).text()).toBe('sound');
});

test('uses one connection for request after request', async () => {
  for (let count = 0; count < 5; count++) await (await post('/echo')).text();
  expect(fake.connections).toBe(1);
});

test('keeps a connection whose answer was read but for its last bytes', async () => {
  for (let count = 0; count < 3; count++) {
    const reader = (await post('/echo')).body!.getReader();
    await reader.read();
    await reader.cancel();
    await expect.poll(() => connections.idleCount, patient).toBe(1);
  }
  expect(fake.connections).toBe(1);
});

test('closes a connection whose answer goes on and on while nobody reads it', async () => {
  const reader = (await post('/endless')).body!.getReader();
  await reader.read();
  await reader.cancel();
  await expect.poll(() => fake.openCount, patient).toBe(0);
});

test('makes a service wait for a reader that is slow', async () => {
  const reader = (await post('/endless')).body!.getReader();
  let bytes = 0;
  for (let count = 0; count < 200; count++) bytes += (await reader.read()).value?.byteLength ?? 0;
  expect(bytes).toBeGreaterThan(200 * 1_000);
  await reader.cancel();
});

test('sends a request again when the connection that it was given had just been closed', async () => {
  await (await post('/echo')).text();
  fake.dropConnections();
  expect(await (await post('/echo')).text()).toBe('hello');
});

test('sends a request that fails on a new connection only once', async () => {
  await expect(post('/drop')).rejects.toMatchObject({ code: 'ECONNRESET' });
  expect(fake.requests).toBe(1);
});

test('follows no redirect', async () => {
  expect((await post('/redirect')).status).toBe(307);
  expect(fake.requests).toBe(1);
});

test('fails in the body when the connection breaks in the middle', async () => {
  const answer = await post('/part');
  await expect(answer.text()).rejects.toThrow();
});

test.each(['/hang', '/endless'])('lets go at once when it is aborted, at %s', async (path) => {
  const controller = new AbortController();
  const reason = new Error('over');
  const reading = post(path, { signal: controller.signal }).then((answer) => answer.arrayBuffer());
  reading.catch(() => {});
  await expect.poll(() => fake.requests, patient).toBe(1);
  controller.abort(reason);
  await expect(reading).rejects.toBe(reason);
  await expect.poll(() => fake.openCount, patient).toBe(0);
  await expect(post('/echo', { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
});

test('opens one connection ahead, and none when one waits', async () => {
  connections.warm(fake.origin);
  connections.warm(fake.origin);
  await expect.poll(() => connections.idleCount, patient).toBe(1);
  connections.warm(fake.origin);
  await (await post('/echo')).text();
  expect([fake.connections, fake.warmings.length]).toEqual([1, 1]);
});

test('warming a service that is not there fails nobody', async () => {
  const { origin } = fake;
  await fake.close();
  connections.warm(origin);
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(connections.idleCount).toBe(0);
});

test('sends nothing once it is closed', async () => {
  connections.close();
  await expect(post('/echo')).rejects.toMatchObject({ code: 'ERR_SHUTTING_DOWN' });
  connections.warm(fake.origin);
  expect(fake.connections).toBe(0);
});
