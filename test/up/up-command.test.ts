/** `antipode up` where only a part of a topology runs: as a container would run it. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { type UpCommandOptions, upCommand } from '../../src/up/up-command.ts';
import { freePort, ROOT } from '../e2e/support/server.ts';
import { redisMissing } from '../support/redis-server.ts';

let folder: string;
let redisPort: number;
let out: { text: string; write(more: string): void };

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'antipode-up-'));
  redisPort = await freePort();
  await writeFile(
    join(folder, 'topology.yaml'),
    [
      'version: 1',
      `network: ${150 + (process.pid % 50)}`,
      `redis: { port: ${redisPort}, region: us-east-1 }`,
      'pops: { pop-1: { region: us-east-1, port: 18201, mediaPort: 14501 } }',
      'cores: { core-1: { region: us-east-1, port: 18101 } }',
    ].join('\n'),
  );
});
afterAll(() => rm(folder, { recursive: true, force: true }));

function up(options: Partial<UpCommandOptions>): Promise<0 | 1> {
  out = {
    text: '',
    write(more) {
      this.text += more;
    },
  };
  return upCommand({
    ...{ topology: join(folder, 'topology.yaml'), restart: false, stateDir: join(folder, 'state'), root: ROOT, out },
    ...{ environment: process.env, clock: systemClock, signal: new AbortController().signal },
    ...options,
  });
}

async function has(words: string): Promise<void> {
  while (!out.text.includes(words)) await new Promise((resolve) => setTimeout(resolve, 5));
}

/** Whether somebody listens there. */
async function isTaken(port: number, host: string): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once('error', () => resolve(true));
    server.listen(port, host, () => server.close(() => resolve(false)));
  });
}

describe.skipIf(redisMissing() !== null)('a part of a topology', () => {
  test('runs alone until the signal, and is gone then', async () => {
    const ending = new AbortController();
    const running = up({ only: 'redis', signal: ending.signal });
    await has('It runs');
    expect(out.text).toContain(`redis: on port ${redisPort}, in us-east-1`);
    expect(out.text).not.toContain('pop-1');
    expect(await isTaken(redisPort, '127.0.0.1')).toBe(true);
    ending.abort();
    expect(await running).toBe(0);
    expect(await isTaken(redisPort, '127.0.0.1')).toBe(false);
  });

  test('that is no longer there is said, with 1 as the outcome', async () => {
    const running = up({ only: 'redis' });
    await has('It runs');
    const { Redis } = await import('ioredis');
    const redis = new Redis(redisPort, '127.0.0.1', { retryStrategy: () => null });
    redis.on('error', () => undefined);
    await redis.call('SHUTDOWN', 'NOSAVE').catch(() => undefined); // it answers by going
    redis.disconnect();
    expect(await running).toBe(1);
    expect(out.text).toMatch(/redis ended with 0\n\nNothing of it runs any more\.\n$/);
  });

  test('that there is not is refused, with those that there are', async () => {
    await expect(up({ only: 'redis,pop-2' })).rejects.toMatchObject({
      code: 'ERR_CONFIG_INVALID',
      message: '--only: the topology has no part "pop-2". It has wan, redis, stand-ins, placement, pop-1, core-1.',
    });
  });
});

test('a policy that has the stand-in elsewhere is refused before anything starts', async () => {
  const file = join(folder, 'stand-in.yaml');
  const topology = (more: string) => `version: 1\nredis: { port: 16391, region: us-east-1 }\n${more}
standIn: { port: 18300, region: us-east-1 }
pops: { pop-1: { region: us-east-1, port: 18201, mediaPort: 14501 } }
cores: { core-1: { region: us-east-1, port: 18101 } }\n`;
  await writeFile(file, topology(''));
  await expect(up({ topology: file })).rejects.toMatchObject({
    code: 'ERR_CONFIG_INVALID',
    message: expect.stringContaining('endpoints.places: { "openai@own": us-east-1 }.'),
  });
  await writeFile(join(folder, 'policy.yaml'), 'version: 1\nendpoints: { places: { openai@own: eu-west-1 } }\n');
  await writeFile(file, topology('placement: { policy: policy.yaml }'));
  await expect(up({ topology: file })).rejects.toMatchObject({
    path: 'placement.policy',
    message: expect.stringContaining('{ "openai@own": us-east-1 }, not eu-west-1.'),
  });
});

test('ways that are open already are not opened twice', async () => {
  const ending = new AbortController();
  const running = up({ only: 'wan', signal: ending.signal });
  await has('It runs');
  await expect(up({ only: 'wan' })).rejects.toMatchObject({
    code: 'ERR_PORT_IN_USE',
    message: expect.stringContaining('Does this topology run already?'),
  });
  ending.abort();
  expect(await running).toBe(0);
});
