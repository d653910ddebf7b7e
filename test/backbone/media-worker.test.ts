import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { describe, expect, test } from 'vitest';
import { MediaWorker } from '../../src/backbone/index.ts';
import { systemClock } from '../../src/clock.ts';
import { createMetrics, silentLogger } from '../../src/telemetry/index.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { metricValue, processIsAlive, startWorker, workerBin } from './support/workers.ts';

const CALLERS = { listenIp: '127.0.0.1', port: 0, announcedAddress: null };

describe('MediaWorker.start()', () => {
  test('gives a router for Opus, a direct transport, and a running process', async () => {
    await using worker = await startWorker('one');
    expect(worker.generation).toBe(1);
    expect(worker.alive).toBe(true);
    expect(processIsAlive(worker.pid)).toBe(true);
    expect(worker.direct.type).toBe('direct');
    expect(worker.webRtcServer).toBeUndefined();
    const opus = worker.router.rtpCapabilities.codecs?.[0];
    expect(opus).toMatchObject({ mimeType: 'audio/opus', preferredPayloadType: 100, clockRate: 48_000, channels: 2 });
    const usage = await worker.cpuUsage();
    expect(usage.maxRssBytes).toBeGreaterThan(1024 * 1024);
    expect(usage.userMs).toBeGreaterThanOrEqual(0);
  });

  test('has found the pipe to its process: what is sent in one turn of the event loop can leave together', async () => {
    const warned: string[] = [];
    const log = Object.assign(Object.create(silentLogger) as typeof silentLogger, {
      warn: (_: unknown, words: string) => warned.push(words),
    });
    await using worker = await startWorker('one', { log });
    worker.gatherSends();
    expect((await worker.cpuUsage()).maxRssBytes).toBeGreaterThan(0);
    expect(warned).toEqual([]);
  });

  test('listens for callers on one number for UDP and TCP when the port is 0', async () => {
    await using worker = await startWorker('one', { webRtcServer: CALLERS });
    const dump = await worker.webRtcServer?.dump();
    expect(dump?.udpSockets).toEqual([{ ip: '127.0.0.1', port: worker.webRtcPort }]);
    expect(dump?.tcpServers).toEqual([{ ip: '127.0.0.1', port: worker.webRtcPort }]);
  });

  test('takes the port that it is given, after a death too, and two workers with port 0 never collide', async () => {
    const [a, b] = await Promise.all([
      startWorker('a', { webRtcServer: CALLERS }),
      startWorker('b', { webRtcServer: CALLERS }),
    ]);
    expect(a.webRtcPort).not.toBe(b.webRtcPort);
    const port = a.webRtcPort ?? 0;
    await Promise.all([a.close(), b.close()]);
    await using again = await startWorker('again', { webRtcServer: { ...CALLERS, port } });
    expect(again.webRtcPort).toBe(port);
    const restarted = once(again, 'restarted');
    process.kill(again.pid, 'SIGKILL');
    await restarted;
    expect((await again.webRtcServer?.dump())?.udpSockets).toEqual([{ ip: '127.0.0.1', port }]);
  });

  test.each(['tcp', 'udp'] as const)('names the port that another process has on %s', async (protocol) => {
    const taken = protocol === 'tcp' ? createServer() : createSocket('udp4');
    if (protocol === 'tcp') (taken as ReturnType<typeof createServer>).listen(0, '127.0.0.1');
    else (taken as ReturnType<typeof createSocket>).bind(0, '127.0.0.1');
    await once(taken, 'listening');
    const { port } = taken.address() as AddressInfo;
    const before = process.listenerCount('SIGTERM');
    await expect(startWorker('one', { webRtcServer: { ...CALLERS, port } })).rejects.toMatchObject({
      code: 'ERR_PORT_IN_USE',
      message: expect.stringContaining(`127.0.0.1:${port}`),
    });
    expect(process.listenerCount('SIGTERM')).toBe(before);
    taken.close();
  });

  test("refuses an address that is not this machine's", async () => {
    for (const port of [0, 44_499]) {
      await expect(
        startWorker('one', { webRtcServer: { listenIp: '192.0.2.1', port, announcedAddress: null } }),
      ).rejects.toMatchObject({ code: 'ERR_CONFIG_INVALID' });
    }
  });

  test('says that the binary is missing, or cannot be run', async () => {
    for (const bin of ['/nowhere/mediasoup-worker', import.meta.filename]) {
      await expect(startWorker('one', { workerBin: bin })).rejects.toMatchObject({
        code: 'ERR_MEDIA_WORKER_MISSING',
        message: expect.stringContaining(bin),
      });
    }
  });

  test('leaves the signals of the process to whoever runs it', async () => {
    const before = [process.listenerCount('SIGINT'), process.listenerCount('SIGTERM')];
    await using worker = await startWorker('one');
    expect(worker.alive).toBe(true);
    expect([process.listenerCount('SIGINT'), process.listenerCount('SIGTERM')]).toEqual(before);
  });
});

describe('MediaWorker that is killed', () => {
  test('is not replaced, counted or reported once it was retired', async () => {
    const metrics = createMetrics({ processMetrics: false });
    await using worker = await startWorker('retired', { metrics });
    let died = 0;
    worker.on('died', () => {
      died += 1;
    });
    worker.retire();
    const gone = once(worker.worker, 'subprocessclose');
    process.kill(worker.pid, 'SIGKILL');
    await gone;
    await worker.close();
    expect([died, worker.generation, worker.alive]).toEqual([0, 1, false]);
    expect(await metrics.metrics()).toContain('antipode_media_worker_deaths_total{worker="retired"} 0');
  });

  test('tells, counts, and replaces the process in the same object', async () => {
    const metrics = createMetrics({ processMetrics: false });
    await using worker = await startWorker('mortal', { metrics, webRtcServer: CALLERS });
    const { pid, router } = worker;
    const order: string[] = [];
    worker.on('died', ({ generation }) =>
      order.push(`died ${generation} alive=${worker.alive} closed=${router.closed}`),
    );
    const restarted = once(worker, 'restarted');
    process.kill(pid, 'SIGKILL');
    await restarted;
    expect(order).toEqual(['died 1 alive=false closed=true']);
    expect(worker.generation).toBe(2);
    expect(worker.alive).toBe(true);
    expect(worker.pid).not.toBe(pid);
    expect(worker.router.closed).toBe(false);
    expect(worker.webRtcServer?.closed).toBe(false);
    expect(processIsAlive(pid)).toBe(false);
    expect(await metricValue(metrics, 'antipode_media_worker_deaths_total', { worker: 'mortal' })).toBe(1);
    expect(await metricValue(metrics, 'antipode_media_worker_up', { worker: 'mortal' })).toBe(1);
  });

  test('waits longer before each replacement of one that dies young', async () => {
    const clock = new FakeClock();
    const worker = await startWorker('mortal', { clock });
    const died = () => {
      const event = once(worker, 'died');
      process.kill(worker.pid, 'SIGKILL');
      return event;
    };
    const first = once(worker, 'restarted');
    await died();
    await first;
    for (const waitMs of [100, 200, 400]) {
      await died();
      const restarted = once(worker, 'restarted');
      expect(clock.pendingCount).toBe(1);
      clock.advance(waitMs - 1);
      expect(clock.pendingCount).toBe(1);
      clock.advance(1);
      expect(clock.pendingCount).toBe(0);
      await restarted;
    }
    clock.advance(10_000);
    const atOnce = once(worker, 'restarted');
    await died();
    expect(clock.pendingCount).toBe(0);
    await atOnce;
    expect(worker.generation).toBe(6);
    await worker.close();
  });

  test('is replaced even when a listener throws', async () => {
    await using worker = await startWorker('mortal');
    worker.on('died', () => {
      throw new Error('a bad listener');
    });
    const restarted = once(worker, 'restarted');
    process.kill(worker.pid, 'SIGKILL');
    await restarted;
    expect(worker.generation).toBe(2);
  });

  test('has no usage to tell between death and replacement', async () => {
    const clock = new FakeClock();
    const worker = await startWorker('mortal', { clock });
    for (let round = 0; round < 2; round++) {
      const restarted = round === 0 ? once(worker, 'restarted') : null;
      const died = once(worker, 'died');
      process.kill(worker.pid, 'SIGKILL');
      await died;
      await restarted;
    }
    await expect(worker.cpuUsage()).rejects.toMatchObject({ code: 'ERR_MEDIA_WORKER_DIED' });
    await worker.close();
    expect(clock.pendingCount).toBe(0);
  });
});

describe('MediaWorker.close()', () => {
  test('leaves no process, however often it is called, and does not count as a death', async () => {
    const metrics = createMetrics({ processMetrics: false });
    const worker = await startWorker('one', { metrics });
    const { pid } = worker;
    let deaths = 0;
    worker.on('died', () => {
      deaths += 1;
    });
    await Promise.all([worker.close(), worker.close()]);
    await worker.close();
    expect(processIsAlive(pid)).toBe(false);
    expect(worker.alive).toBe(false);
    expect(deaths).toBe(0);
    expect(await metricValue(metrics, 'antipode_media_worker_deaths_total', { worker: 'one' })).toBe(0);
  });

  test('kills a process that does not go by itself', async () => {
    const clock = new FakeClock();
    const worker = await startWorker('stuck', { clock });
    const { pid } = worker;
    process.kill(pid, 'SIGSTOP');
    const closed = worker.close();
    clock.advance(999);
    await new Promise((resolve) => setImmediate(resolve));
    expect(processIsAlive(pid)).toBe(true);
    clock.advance(1);
    await closed;
    expect(processIsAlive(pid)).toBe(false);
  });

  test('while a replacement is on its way leaves none', async () => {
    const worker = await startWorker('mortal');
    const died = once(worker, 'died');
    let restarts = 0;
    worker.on('restarted', () => {
      restarts += 1;
    });
    process.kill(worker.pid, 'SIGKILL');
    await died;
    await worker.close();
    expect(restarts).toBe(0);
    expect(processIsAlive(worker.pid)).toBe(false);
  });

  test('takes MEDIASOUP_WORKER_BIN when no binary is named', async () => {
    expect(process.env.MEDIASOUP_WORKER_BIN).toBe(workerBin());
    const worker = await MediaWorker.start({
      name: 'default',
      log: silentLogger,
      metrics: createMetrics({ processMetrics: false }),
      clock: systemClock,
    });
    await worker.close();
    expect(worker.alive).toBe(false);
  });
});
