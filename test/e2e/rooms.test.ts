/** A room across processes: two POPs, two cores, one Redis, callers who are processes too, and REST about the room. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { roomViewSchema } from '../../src/signaling/rest-protocol.ts';
import { RedisServer, redisMissing } from '../support/redis-server.ts';
import { antipodeCall, COUNT } from './support/antipode-call.ts';
import { type RoleProcess, startRole } from './support/role-process.ts';
import { freePort } from './support/server.ts';

const API_KEY = 'a-key-of-the-rooms-test';
const headers = { authorization: `Bearer ${API_KEY}` };

describe.skipIf(redisMissing() !== null)('a room across processes', () => {
  const stack = new AsyncDisposableStack();
  const cores = new Map<string, RoleProcess>();
  let pops: RoleProcess[];

  beforeAll(async () => {
    const stateDir = await mkdtemp(join(tmpdir(), 'antipode-rooms-'));
    stack.defer(() => rm(stateDir, { recursive: true, force: true }));
    const redis = stack.use(await RedisServer.start());
    const environment = { ANTIPODE_STATE_DIR: stateDir, ANTIPODE_REGISTRY: 'redis', ANTIPODE_REDIS_URL: redis.url };
    const door = { ANTIPODE_OPEN_AGENTS: '*', ANTIPODE_API_KEYS: API_KEY };
    const starting = [
      startRole('core', 'core-1', environment),
      startRole('core', 'core-2', environment),
      ...['pop-1', 'pop-2'].map(async (nodeId) =>
        startRole('edge', nodeId, { ...environment, ...door, ANTIPODE_MEDIA_PORT: String(await freePort()) }),
      ),
    ];
    const started = await Promise.allSettled(starting);
    for (const one of started) if (one.status === 'fulfilled') stack.use(one.value);
    const nodes = await Promise.all(starting);
    for (const core of nodes.slice(0, 2)) cores.set(core.nodeId, core);
    pops = nodes.slice(2);
  }, 60_000);
  afterAll(() => stack.disposeAsync());

  async function view(pop: RoleProcess) {
    const response = await fetch(`${pop.url}/v1/rooms/meeting`, { headers });
    return response.ok ? roomViewSchema.parse(await response.json()) : null;
  }

  test('callers by two POPs hear the agent and each other, are listed, muted, and told of', async () => {
    const [one, two] = pops as [RoleProcess, RoleProcess];
    const room = ['--room', 'meeting', '--agent', 'echo'];
    const ann = antipodeCall(one.url, ...room, '--as', 'Ann', '--stay', '14');
    await expect
      .poll(async () => (await view(one))?.participants.map(({ name }) => name), { timeout: 20_000 })
      .toEqual(['Ann']);
    const ben = antipodeCall(two.url, ...room, '--as', 'Ben', '--say', COUNT, '--stay', '2');
    await expect.poll(async () => (await view(two))?.participants.length, { timeout: 20_000 }).toBe(2);
    const [here, there] = await Promise.all([view(one), view(two)]);
    expect(here?.participants.map(({ name, pop }) => [name, pop]).sort()).toEqual([
      ['Ann', 'pop-1'],
      ['Ben', 'pop-2'],
    ]);
    expect(here).toMatchObject({ agent: 'echo', core: there?.core, pops: [{ pop: 'pop-1' }, { pop: 'pop-2' }] });
    const bens = await ben;
    expect(bens.summary).toMatchObject({ connected: 1, failed: 0 });
    expect(bens.calls[0]?.company).toMatchObject([{ name: 'Ann', pop: 'pop-1', stayed: true }]);
    const anns = (await ann).calls[0];
    expect(anns?.error).toBeUndefined();
    expect(anns?.company).toMatchObject([{ name: 'Ben', pop: 'pop-2', stayed: false }]);
    expect(anns?.company?.[0]?.heardMs, 'what Ben said').toBeGreaterThan(1_000);
    await expect.poll(() => view(one), { timeout: 10_000 }).toBeNull();
  }, 90_000);

  test('a room that was closed by REST is over for all, at both POPs', async () => {
    const [one, two] = pops as [RoleProcess, RoleProcess];
    const room = ['--room', 'meeting', '--agent', 'echo', '--stay', '60'];
    const calls = [antipodeCall(one.url, ...room, '--as', 'Ann'), antipodeCall(two.url, ...room, '--as', 'Ben')];
    const ended = Promise.allSettled(calls);
    await expect.poll(async () => (await view(one))?.participants.length, { timeout: 20_000 }).toBe(2);
    const { participants } = (await view(one))!;
    const { participantId } = participants.find(({ name }) => name === 'Ben')!;
    const muted = await fetch(`${one.url}/v1/rooms/meeting/participants/${participantId}/mute`, {
      method: 'POST',
      headers,
    });
    expect(muted.status).toBe(204);
    await expect
      .poll(async () => (await view(two))?.participants.find(({ name }) => name === 'Ben')?.muted, { timeout: 10_000 })
      .toBe(true);
    const closed = await fetch(`${one.url}/v1/rooms/meeting`, { method: 'DELETE', headers });
    expect(await closed.json()).toEqual({ room: 'meeting', ended: 2 });
    await expect.poll(async () => [await view(one), await view(two)], { timeout: 10_000 }).toEqual([null, null]);
    // Long before the minute that they would have stayed.
    await ended;
  }, 90_000);

  test('a room whose core is killed goes on at the other one, with everybody in it', async () => {
    const [one, two] = pops as [RoleProcess, RoleProcess];
    const room = ['--room', 'meeting', '--agent', 'front-desk', '--stay', '60'];
    const calls = [antipodeCall(one.url, ...room, '--as', 'Ann'), antipodeCall(two.url, ...room, '--as', 'Ben')];
    const ended = Promise.allSettled(calls);
    /** The stream by which this POP has the one who came in by the other. */
    const other = async (pop: RoleProcess) =>
      (await view(pop))?.participants.find((participant) => participant.pop !== pop.nodeId)?.audio ?? null;
    for (const pop of pops) await expect.poll(() => other(pop), { timeout: 20_000 }).not.toBeNull();
    const [former, heard] = [(await view(one))!.core!, await Promise.all(pops.map(other))];
    cores.get(former)!.process.kill('SIGKILL');
    const next = [...cores.keys()].find((nodeId) => nodeId !== former);
    await expect
      .poll(async () => [(await view(one))?.core, (await view(two))?.core], { timeout: 15_000 })
      .toEqual([next, next]);
    for (const pop of pops) {
      await expect.poll(async () => [null, ...heard].includes(await other(pop)), { timeout: 15_000 }).toBe(false);
    }
    const closed = await fetch(`${one.url}/v1/rooms/meeting`, { method: 'DELETE', headers });
    expect(await closed.json()).toEqual({ room: 'meeting', ended: 2 });
    await expect.poll(async () => [await view(one), await view(two)], { timeout: 10_000 }).toEqual([null, null]);
    await ended;
  }, 90_000);
});
