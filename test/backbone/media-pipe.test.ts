import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  AUDIO_LEVEL_EXTENSION_ID,
  buildRtp,
  MediaPipe,
  type MediaWorker,
  opusProducerParameters,
  PIPE_OPUS_PAYLOAD_TYPE,
} from '../../src/backbone/index.ts';
import { joinedPipes, Stream, startWorker } from './support/workers.ts';

const LOOPBACK = { pipeId: 'pipe-1', listenIp: '127.0.0.1', announcedAddress: null };

describe('MediaPipe', () => {
  let pop: MediaWorker;
  let core: MediaWorker;
  beforeAll(async () => {
    [pop, core] = await Promise.all([startWorker('pop'), startWorker('core')]);
  });
  afterAll(() => Promise.all([pop?.close(), core?.close()]));

  let lastSsrc = 1_000;
  /** Streams of one worker share its direct transport, where each SSRC may be used once. */
  async function stream(): Promise<Stream> {
    const [out, into] = await joinedPipes(pop, core);
    lastSsrc += 1;
    return Stream.open(pop, out, into, core, lastSsrc);
  }

  test('carries packets in order with number, timestamp, marker and payload as they were sent', async () => {
    const sent = await stream();
    for (let n = 0; n < 200; n++) sent.send(1_000 + n, 48_000 + 960 * n);
    await sent.until(200);
    expect(sent.received.map((view) => view.sequenceNumber)).toEqual(Array.from({ length: 200 }, (_, n) => 1_000 + n));
    expect(sent.received.map((view) => view.timestamp)).toEqual(
      Array.from({ length: 200 }, (_, n) => 48_000 + 960 * n),
    );
    expect(sent.received[7]?.payload.toString()).toBe('packet 1007');
    expect(sent.received[7]?.payloadType).toBe(PIPE_OPUS_PAYLOAD_TYPE);
  });

  test('keeps the numbering over reordering, gaps and the wrap', async () => {
    const over = await stream();
    const numbers = [65_530, 65_532, 65_531, 65_535, 65_536, 65_539, 65_537, 65_538, 65_900];
    for (const n of numbers) over.send(n, (960 * n) >>> 0);
    await over.until(numbers.length);
    expect(over.received.map((view) => view.packetNumber)).toEqual(numbers);
    expect(over.received.map((view) => view.sequenceNumber)).toEqual(numbers.map((n) => n & 0xffff));
    expect(over.received.map((view) => view.timestamp)).toEqual(numbers.map((n) => 960 * n));
  });

  test("shifts the RTP header's own numbers, which is why packets carry theirs in an extension", async () => {
    const over = await stream();
    over.send(10, 0);
    over.send(11, 960, Buffer.alloc(0));
    over.send(12, 1_920);
    await over.until(2);
    const [first, second] = over.received;
    expect(first?.wireSequenceNumber).not.toBe(10);
    // The packet without payload was swallowed and its number given to the next.
    expect((second?.wireSequenceNumber ?? 0) - (first?.wireSequenceNumber ?? 0)).toBe(1);
    expect([first?.sequenceNumber, second?.sequenceNumber]).toEqual([10, 12]);
  });

  test('tells the SSRC that travels, and sends the payload encrypted', async () => {
    const eavesdropper = createSocket('udp4').bind(0, '127.0.0.1');
    await once(eavesdropper, 'listening');
    const out = await MediaPipe.create(pop, LOOPBACK);
    const { port } = eavesdropper.address();
    await out.connect({ tuple: { ip: '127.0.0.1', port }, srtpParameters: out.local.srtpParameters });
    const producer = await pop.direct.produce({ kind: 'audio', rtpParameters: opusProducerParameters(600) });
    const sent = await out.send(producer);
    const datagram = once(eavesdropper, 'message');
    const payload = Buffer.from('my card number is');
    producer.send(buildRtp({ payloadType: 100, marker: false, sequenceNumber: 1, timestamp: 0, ssrc: 600, payload }));
    const [packet] = (await datagram) as [Buffer];
    eavesdropper.close();
    expect(sent.stream).toEqual({ producerId: producer.id, ssrc: packet.readUInt32BE(8) });
    expect(sent.stream.ssrc).not.toBe(600);
    expect(packet.length).toBeGreaterThan(payload.length + 12);
    expect(packet.includes(payload.subarray(3, 9))).toBe(false);
  });

  test('loses what its description says, and nothing else', async () => {
    const late = await stream();
    late.send(5_000, 0);
    for (const n of [5_000, 5_000 - 1_024, 5_000 - 1_023, 5_000 + 2_999]) late.send(n, 960);
    await late.until(3);
    expect(late.received.map((view) => view.sequenceNumber)).toEqual([5_000, 3_977, 7_999]);
    const jump = await stream();
    jump.send(0, 0);
    for (let n = 0; n < 6; n++) jump.send(3_000 + n, 960 * n);
    await jump.until(3);
    expect(jump.received.map((view) => view.sequenceNumber)).toEqual([0, 3_004, 3_005]);
  });

  test('carries the audio level of a packet that has one', async () => {
    const over = await stream();
    const packet = Buffer.alloc(24);
    packet.writeUInt16BE(0x9064, 0);
    packet.writeUInt32BE(over.ssrc, 8);
    // One byte headers, two words: audio level (id 6) 0x85, packet number (id 12) 7, one byte of padding.
    packet.set(Buffer.from('bede00026085c30000000700', 'hex'), 12);
    over.producer.send(Buffer.concat([packet, Buffer.from('opus')]));
    await over.until(1);
    expect(over.received[0]?.extension(AUDIO_LEVEL_EXTENSION_ID)?.toString('hex')).toBe('85');
    expect(over.received[0]?.packetNumber).toBe(7);
  });

  test('goes on after a long silence without losing the first packet', async () => {
    const over = await stream();
    over.send(1, 0);
    await over.until(1);
    over.send(2, 48_000 * 600);
    await over.until(2);
    expect(over.received[1]).toMatchObject({ sequenceNumber: 2, timestamp: 28_800_000 });
  });

  test('carries both ways at once', async () => {
    const [atPop, atCore] = await joinedPipes(pop, core);
    const up = await Stream.open(pop, atPop, atCore, core, 21);
    const down = await Stream.open(core, atCore, atPop, pop, 22);
    up.send(1, 0);
    down.send(2, 0);
    await Promise.all([up.until(1), down.until(1)]);
    expect(up.received[0]?.sequenceNumber).toBe(1);
    expect(down.received[0]?.sequenceNumber).toBe(2);
    const stats = await atPop.getStats();
    expect(stats.rtpBytesSent).toBeGreaterThan(0);
    expect(stats.rtpBytesReceived).toBeGreaterThan(0);
    // SRTP's tag of 16 bytes (AEAD_AES_256_GCM) shows in the datagram.
    expect(stats.bytesSent).toBeGreaterThan(stats.rtpBytesSent);
  });

  test('lets nothing through from an end with another key', async () => {
    const [out, into, other] = await Promise.all([
      MediaPipe.create(pop, LOOPBACK),
      MediaPipe.create(core, LOOPBACK),
      MediaPipe.create(core, LOOPBACK),
    ]);
    await out.connect(into.local);
    await into.connect({ tuple: out.local.tuple, srtpParameters: other.local.srtpParameters });
    const over = await Stream.open(pop, out, into, core, 31);
    for (let n = 0; n < 20; n++) over.send(n, 960 * n);
    const [good, goodInto] = await joinedPipes(pop, core);
    const witness = await Stream.open(pop, good, goodInto, core, 32);
    witness.send(1, 0);
    await witness.until(1);
    expect(over.received).toEqual([]);
    expect((await out.getStats()).rtpBytesSent).toBeGreaterThan(0);
  });

  test('connects once', async () => {
    const [out, into] = await joinedPipes(pop, core);
    await expect(out.connect(into.local)).rejects.toMatchObject({ code: 'ERR_MEDIA_STATE' });
  });

  test('refuses a key that is none, an SSRC in use, and a producer of elsewhere', async () => {
    const pipe = await MediaPipe.create(pop, LOOPBACK);
    const bad = { cryptoSuite: 'AEAD_AES_256_GCM' as const, keyBase64: 'dG9vIHNob3J0IGEga2V5' };
    await expect(pipe.connect({ tuple: { ip: '127.0.0.1', port: 9 }, srtpParameters: bad })).rejects.toMatchObject({
      code: 'ERR_MEDIA_PARAMETERS',
    });
    await pipe.receive({ producerId: 'p', ssrc: 77 });
    await expect(pipe.receive({ producerId: 'q', ssrc: 77 })).rejects.toMatchObject({ code: 'ERR_MEDIA_PARAMETERS' });
    const foreign = (await stream()).consumer as unknown as Parameters<MediaPipe['send']>[0];
    await expect(pipe.send(foreign)).rejects.toMatchObject({ code: 'ERR_MEDIA_PARAMETERS' });
  });

  test('listens on the ports that it is given, and says when none of them is free', async () => {
    const taken = createSocket('udp4').bind(0, '127.0.0.1');
    await once(taken, 'listening');
    const { port } = taken.address();
    await expect(MediaPipe.create(pop, { ...LOOPBACK, ports: { min: port, max: port } })).rejects.toMatchObject({
      code: 'ERR_CONFIG_INVALID',
      message: `Backbone media can't listen on 127.0.0.1, UDP ports ${port} to ${port}.`,
    });
    await new Promise<void>((resolve) => taken.close(resolve));
    const pipe = await MediaPipe.create(pop, { ...LOOPBACK, ports: { min: port, max: port } });
    expect(pipe.local.tuple.port).toBe(port);
    pipe.close();
  });

  test('refuses to announce a wildcard or a name', async () => {
    for (const options of [
      { ...LOOPBACK, listenIp: '0.0.0.0' },
      { ...LOOPBACK, announcedAddress: 'pop.example' },
    ]) {
      await expect(MediaPipe.create(pop, options)).rejects.toMatchObject({ code: 'ERR_CONFIG_INVALID' });
    }
  });

  test('close() ends its streams, tells once, and is final', async () => {
    const [out, into] = await joinedPipes(pop, core);
    const over = await Stream.open(pop, out, into, core, 41);
    const told: string[] = [];
    into.onClose((reason) => told.push(reason));
    const consumerClosed = new Promise<void>((resolve) => over.consumer.once('producerclose', () => resolve()));
    into.close();
    into.close();
    await consumerClosed;
    expect(told).toEqual(['closed']);
    expect(into.closed).toBe(true);
    expect(over.consumer.closed).toBe(true);
    await expect(into.receive({ producerId: 'p', ssrc: 1 })).rejects.toMatchObject({ code: 'ERR_BACKBONE_CLOSED' });
    const late = new Promise((resolve) => into.onClose(resolve));
    expect(await late).toBe('closed');
  });

  test('a closed sender stream stops the packets and leaves the producer', async () => {
    const [out] = await joinedPipes(pop, core);
    const { producer } = await stream();
    const sent = await out.send(producer);
    sent.close();
    sent.close();
    expect(producer.closed).toBe(false);
    expect((await out.send(producer)).stream.ssrc).not.toBe(sent.stream.ssrc);
  });
});

describe('MediaPipe of a worker that dies', () => {
  test('closes with the reason and refuses further use', async () => {
    await using worker = await startWorker('mortal');
    const pipe = await MediaPipe.create(worker, LOOPBACK);
    const told = new Promise((resolve) => pipe.onClose(resolve));
    const replaced = new Promise((resolve) => worker.once('restarted', resolve));
    process.kill(worker.pid, 'SIGKILL');
    expect(await told).toBe('worker-died');
    await expect(pipe.getStats()).rejects.toMatchObject({ code: 'ERR_MEDIA_WORKER_DIED' });
    await replaced;
    const next = await MediaPipe.create(worker, LOOPBACK);
    expect(next.closed).toBe(false);
  });
});
