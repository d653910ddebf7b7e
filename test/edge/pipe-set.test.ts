/** The pipes of a POP to a core that has two ways, with real media workers: the preferred way fails and comes back. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { MediaPipe, type MediaWorker, type PopRequestData } from '../../src/backbone/index.ts';
import { type Clock, systemClock } from '../../src/clock.ts';
import { PipeEchoes } from '../../src/core/pipe-echo.ts';
import { PipeSet } from '../../src/edge/pipe-set.ts';
import { AntipodeError } from '../../src/errors.ts';
import { silentLogger as log } from '../../src/telemetry/index.ts';
import { startWorker } from '../backbone/support/workers.ts';
import { UdpNetwork } from '../wan/udp-network.ts';
import { freePorts } from './support/free-ports.ts';

// Real processes on a machine that may be busy with other tests.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 30_000 });

/** Four times as fast as the real one: half a minute of being well passes in a quarter of it. */
const SPEED = 4;
const clock: Clock = {
  now: () => systemClock.now() * SPEED,
  date: () => systemClock.date(),
  setTimeout: (callback, delayMs) => systemClock.setTimeout(callback, delayMs / SPEED),
};
const POLL = { timeout: 30_000, interval: 20 };
const [POP, CORE] = ['127.0.0.62', '127.0.0.61'];

let popWorker: MediaWorker;
let coreWorker: MediaWorker;
let network: UdpNetwork<'pop' | 'core'>;
let set: PipeSet;
let told: string[];
/** Share of the packets of the first way that are lost. */
let loss: number;

beforeEach(async () => {
  [popWorker, coreWorker] = await Promise.all([startWorker('pop'), startWorker('core')]);
  const popPorts = await freePorts(4, ['127.0.0.1', POP]);
  const corePorts = await freePorts(4, ['127.0.0.1', CORE]);
  let draw = 0;
  loss = 0;
  network = await UdpNetwork.open({
    hosts: {
      pop: { ip: '127.0.0.1', announced: POP, ports: popPorts },
      core: { ip: '127.0.0.1', announced: CORE, ports: corePorts },
    },
    path: () => ({
      delayMs: 1,
      loss: 1e-9,
      // Below the bound is lost: as often as the test says so, evenly.
      random: () => {
        draw += loss;
        if (draw < 1) return 0.5;
        draw -= 1;
        return 0;
      },
    }),
    clock: systemClock,
  });
  told = [];
  const echoes = new PipeEchoes();
  const pipes = new Map<string, MediaPipe>();
  set = new PipeSet({
    coreNodeId: 'core-1',
    ways: [
      { name: 'backbone', listenIp: '127.0.0.1', announcedAddress: POP },
      { name: 'internet', listenIp: '127.0.0.1', announcedAddress: null },
    ],
    ports: popPorts,
    // In place of a control channel and a core behind it.
    request: (async (method: string, data: unknown) => {
      const { pipeId } = data as { pipeId: string };
      if (method === 'pipe.open') {
        const { way, ...remote } = data as PopRequestData<'pipe.open'>;
        const announcedAddress = way === 'backbone' ? CORE : null;
        const options = { pipeId, listenIp: '127.0.0.1', announcedAddress, ports: corePorts };
        const pipe = await MediaPipe.create(coreWorker, options);
        await pipe.connect(remote);
        pipes.set(pipeId, pipe);
        return pipe.local;
      }
      const pipe = pipes.get(pipeId);
      if (!pipe) throw new AntipodeError('ERR_BACKBONE_CLOSED', `There is no pipe ${pipeId}.`);
      if (method === 'pipe.close') pipe.close();
      else return { stream: await echoes.open(pipe, (data as PopRequestData<'pipe.probe'>).stream) };
      return {};
    }) as never,
    clock,
    log,
    onGone: (pipe) => told.push(`gone ${pipe.pipeId}`),
    onBetter: (pipe) => told.push(`better than ${pipe.pipeId}`),
    onWayChanged: (to, why) => told.push(`to ${to}, the other is ${why}`),
  });
});

afterEach(async () => {
  set.close();
  await network[Symbol.asyncDispose]();
  await Promise.all([popWorker.close(), coreWorker.close()]);
});

const used = () => set.measured.find(({ inUse }) => inUse)?.name;
const probes = (name: string) => set.measured.find((way) => way.name === name)?.quality?.probes ?? 0;

describe('a POP with two ways to a core', () => {
  test('measures both and uses the first', async () => {
    const pipe = await set.pipe(popWorker);
    await expect.poll(() => Math.min(probes('backbone'), probes('internet')), POLL).toBeGreaterThan(20);
    const [first, second] = set.measured;
    expect(first).toMatchObject({ name: 'backbone', inUse: true, health: 'well', quality: { loss: 0 } });
    expect(second).toMatchObject({ name: 'internet', inUse: false, health: 'well', quality: { loss: 0 } });
    expect(network.path('pop', 'core').carried).toBeGreaterThan(20);
    expect(await set.pipe(popWorker)).toBe(pipe);
    expect({ told, pipes: set.size }).toEqual({ told: [], pipes: 1 });
  });

  test('leaves the first when it is dead, goes back when it has been well for half a minute', async () => {
    const first = await set.pipe(popWorker);
    await expect.poll(() => Math.min(probes('backbone'), probes('internet')), POLL).toBeGreaterThan(8);
    network.path('pop', 'core').cut(true);
    await expect.poll(used, POLL).toBe('internet');
    expect(told).toEqual(['to internet, the other is dead', `gone ${first.pipeId}`]);
    const second = await set.pipe(popWorker);
    expect(second).not.toBe(first);
    expect(first.closed).toBe(false);

    network.path('pop', 'core').cut(false);
    const mendedAtMs = clock.now();
    await expect.poll(used, POLL).toBe('backbone');
    expect(clock.now() - mendedAtMs).toBeGreaterThan(30_000);
    expect(told.slice(2)).toEqual(['to backbone, the other is well', `better than ${second.pipeId}`]);
    expect(await set.pipe(popWorker)).toBe(first);
  });

  test('leaves the first when it loses a fifth of the packets', async () => {
    const first = await set.pipe(popWorker);
    await expect.poll(() => Math.min(probes('backbone'), probes('internet')), POLL).toBeGreaterThan(8);
    loss = 0.2;
    await expect.poll(used, POLL).toBe('internet');
    expect(told).toEqual(['to internet, the other is poor', `better than ${first.pipeId}`]);
    const { quality } = set.measured[0]!;
    expect(quality?.loss).toBeGreaterThan(0.05);
  });

  test('has a pipe of its own again after its worker died', async () => {
    const first = await set.pipe(popWorker);
    process.kill(popWorker.pid, 'SIGKILL');
    await expect.poll(() => first.closed && popWorker.alive, POLL).toBe(true);
    expect(told).toContain(`gone ${first.pipeId}`);
    const next = await set.pipe(popWorker);
    expect(next.closed).toBe(false);
    await expect.poll(() => probes('backbone'), POLL).toBeGreaterThan(5);
  });
});
