/** `antipode status`, asked of a real HTTP server. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { status } from '../src/status-command.ts';

const WORLD = {
  version: 1,
  nodes: [
    { nodeId: 'fra-core-2', role: 'core', region: 'eu-central-1', sessions: 0, capacity: 100, draining: true },
    { nodeId: 'fra-core-1', role: 'core', region: 'eu-central-1', sessions: 25, capacity: 100, agents: ['echo'] },
    { nodeId: 'fra-pop-1', role: 'pop', region: 'eu-central-1', sessions: 40, capacity: 40 },
  ],
  agents: { echo: {} },
  paths: [{ from: 'eu-central-1', to: 'us-east-1', p50Ms: 88, p95Ms: 91.25, ageMs: 4_400 }],
};

const keys: (string | undefined)[] = [];
const server = createServer((request, response) => {
  keys.push(request.headers.authorization);
  if (request.url !== '/v1/world') response.writeHead(404);
  response.end(JSON.stringify(WORLD));
});
beforeAll(() => new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve)));
afterAll(() => new Promise((resolve) => server.close(resolve)));

async function statusOf(options: { key?: string; json?: boolean } = {}): Promise<string> {
  let text = '';
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  await status({ url, ...options }, { write: (more) => (text += more) });
  return text;
}

test('the table has POPs first, then cores, each with what it has and takes', async () => {
  expect(await statusOf()).toBe(
    [
      'NODE        ROLE  REGION        SESSIONS  CAPACITY   LOAD  STATE     AGENTS',
      'fra-pop-1   pop   eu-central-1        40        40  100 %  full',
      'fra-core-1  core  eu-central-1        25       100   25 %  open      echo',
      'fra-core-2  core  eu-central-1         0       100    0 %  draining',
      '',
      'FROM          TO         P50 MS  P95 MS  MEASURED',
      'eu-central-1  us-east-1    88.0    91.3  4 s ago',
      '',
    ].join('\n'),
  );
});

test('JSON has the same, and the key goes with the request', async () => {
  const told = JSON.parse(await statusOf({ json: true, key: 'a-key-of-this-test' }));
  expect(told.nodes).toHaveLength(3);
  expect(told.paths).toEqual(WORLD.paths);
  expect(keys.at(-1)).toBe('Bearer a-key-of-this-test');
});

test('a server that is not there is said in words', async () => {
  await expect(status({ url: 'http://127.0.0.1:1' }, { write: () => undefined })).rejects.toMatchObject({
    code: 'ERR_SERVICE_UNAVAILABLE',
    message: expect.stringContaining('No server answers at http://127.0.0.1:1'),
  });
});
