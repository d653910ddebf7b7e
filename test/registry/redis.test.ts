/** One Redis server on loopback, two processes' worth of handles on it. */
import { afterAll, beforeAll } from 'vitest';
import { RedisServer, redisMissing } from '../support/redis-server.ts';
import { describeRegistry } from './conformance.ts';
import { openPair } from './support.ts';

let server: RedisServer;
const missing = redisMissing();

beforeAll(async () => {
  if (missing === null) server = await RedisServer.start();
});
afterAll(() => server?.[Symbol.asyncDispose]());

describeRegistry('Redis, one server', () => openPair({ url: server.url }), missing);
