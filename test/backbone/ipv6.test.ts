/** The backbone over IPv6: control channel, media pipes, and a socket on every address that others reach by either family. */
import { networkInterfaces } from 'node:os';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { MediaPipe, type MediaPipeOptions, type MediaWorker } from '../../src/backbone/index.ts';
import { Backbone, ready } from './support/control.ts';
import { Stream, startWorker } from './support/workers.ts';

vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 });

const hasIpv6 = Object.values(networkInterfaces())
  .flat()
  .some((each) => each?.address === '::1');
if (!hasIpv6)
  process.stderr.write('SKIPPED: this machine has no IPv6; nothing here shows that the backbone works over it\n');

describe.skipIf(!hasIpv6)('over IPv6', () => {
  let workers: [MediaWorker, MediaWorker];
  beforeAll(async () => {
    workers = await Promise.all([startWorker('a'), startWorker('b')]);
  });
  afterAll(() => Promise.all(workers.map((worker) => worker.close())));

  test('a POP dials a core and is served', async () => {
    await using backbone = await Backbone.start({ host: '::1' });
    const pop = await backbone.dial({ host: '::1' });
    await pop.request('session.ready', ready('s'));
    expect(backbone.handlers.heard).toEqual(['opened pop-1 away', 'request session.ready s']);
  });

  test('a core on every address is reached by both families', async () => {
    await using backbone = await Backbone.start({ host: '::' });
    const six = await backbone.dial({ host: '::1' });
    const four = await backbone.dial({ host: '127.0.0.1', nodeId: 'pop-4' });
    await Promise.all([six.request('session.ready', ready('a')), four.request('session.ready', ready('b'))]);
    expect(backbone.server.peerCount).toBe(2);
  });

  type Listening = Pick<MediaPipeOptions, 'listenIp' | 'announcedAddress'>;
  const open = async (a: Listening, b: Listening) => {
    const options = { pipeId: 'pipe-6' };
    const pair = await Promise.all([
      MediaPipe.create(workers[0], { ...options, ...a }),
      MediaPipe.create(workers[1], { ...options, ...b }),
    ]);
    return pair;
  };
  const only = (listenIp: string) => ({ listenIp, announcedAddress: null });
  const everywhere = (announcedAddress: string) => ({ listenIp: '::', announcedAddress });

  test.each([
    ['of the same address', only('::1'), only('::1')],
    ['of which one listens on every address, to IPv6', everywhere('::1'), only('::1')],
    ['of which one listens on every address, to IPv4', everywhere('127.0.0.1'), only('127.0.0.1')],
    ['that both listen on every address', everywhere('127.0.0.1'), everywhere('127.0.0.1')],
  ])('media goes both ways between ends %s', async (_which, a, b) => {
    const [left, right] = await open(a, b);
    await Promise.all([left.connect(right.local), right.connect(left.local)]);
    const there = await Stream.open(workers[0], left, right, workers[1], 1_001);
    const back = await Stream.open(workers[1], right, left, workers[0], 1_002);
    for (let packet = 1; packet <= 5; packet++) {
      there.send(packet, packet * 960);
      back.send(packet, packet * 960);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    await Promise.all([there.until(5), back.until(5)]);
    expect(there.received.map(({ sequenceNumber }) => sequenceNumber)).toEqual([1, 2, 3, 4, 5]);
    for (const closing of [there.producer, back.producer, left, right]) closing.close();
  });

  test('ends of different families that cannot meet say so', async () => {
    const [left, right] = await open(only('127.0.0.1'), only('::1'));
    await expect(left.connect(right.local)).rejects.toMatchObject({
      code: 'ERR_MEDIA_PARAMETERS',
      message: expect.stringContaining('one is IPv4, the other IPv6'),
    });
    left.close();
    right.close();
  });
});
