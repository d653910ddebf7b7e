/** Light callers against a door as a POP has it: a real mediasoup PlainTransport with SRTP, and an echo behind it. */
import { join } from 'node:path';
import { createDecoder, createEncoder } from 'libopus-wasm';
import { createWorker } from 'mediasoup';
import type { Worker } from 'mediasoup/types';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { chirp, PROBE_FRAME_SAMPLES, PROBE_RATE } from '../../bench/light-caller/chirp.ts';
import { ChirpDetector } from '../../bench/light-caller/chirp-detector.ts';
import {
  LIGHT_CALLER_SUITE,
  LightCaller,
  type LightCallerReport,
  makeSrtpKey,
  type ProbeSignal,
  recordProbeSignal,
  type SrtpKey,
} from '../../bench/light-caller/index.ts';
import { OPUS_ROUTER_CODECS, opusProducerParameters, PIPE_OPUS_PAYLOAD_TYPE } from '../../src/backbone/index.ts';
import { loadClip } from '../../src/call/clip.ts';

const CALLER_SSRC = 1_234;
const AGENT_SSRC = 4_321;
/** An event loop under load may add this much to a trip. */
const LOADED_MS = 150;

let worker: Worker;
let signal: ProbeSignal;

beforeAll(async () => {
  worker = await createWorker({ logLevel: 'error' });
  const clip = await loadClip(join(import.meta.dirname, '../audio/book-table.wav'));
  const speech = Int16Array.from(clip.frames.flatMap((frame) => [...frame]));
  signal = await recordProbeSignal(speech);
});

afterAll(() => worker.close());

/** A door whose echo gives back `answer(packet)` after `holdMs`. */
async function door(localKey: SrtpKey, holdMs: number, dropEvery = 0) {
  const router = await worker.createRouter({ mediaCodecs: OPUS_ROUTER_CODECS });
  const plain = await router.createPlainTransport({
    listenInfo: { protocol: 'udp', ip: '127.0.0.1', port: 0 },
    rtcpMux: true,
    comedia: true,
    enableSrtp: true,
    srtpCryptoSuite: LIGHT_CALLER_SUITE,
  });
  await plain.connect({ srtpParameters: localKey });
  const direct = await router.createDirectTransport();
  const caller = await plain.produce({ kind: 'audio', rtpParameters: opusProducerParameters(CALLER_SSRC) });
  const tap = await direct.consume({ producerId: caller.id, rtpCapabilities: router.rtpCapabilities });
  const agent = await direct.produce({ kind: 'audio', rtpParameters: opusProducerParameters(AGENT_SSRC) });
  await plain.consume({ producerId: agent.id, rtpCapabilities: router.rtpCapabilities });
  let count = 0;
  tap.on('rtp', (packet) => {
    count++;
    if (dropEvery > 0 && count % dropEvery === 0) return;
    const copy = Buffer.from(packet);
    copy.writeUInt32BE(AGENT_SSRC, 8);
    if (holdMs === 0) agent.send(copy);
    else setTimeout(() => agent.send(copy), holdMs);
  });
  return {
    remote: { ip: '127.0.0.1', port: plain.tuple.localPort },
    remoteKey: plain.srtpParameters as SrtpKey,
    close: () => router.close(),
  };
}

async function talk(seconds: number, holdMs: number, dropEvery = 0, measureTrips = true): Promise<LightCallerReport> {
  const localKey = makeSrtpKey();
  const { remote, remoteKey, close } = await door(localKey, holdMs, dropEvery);
  const caller = new LightCaller({
    remote,
    localKey,
    remoteKey,
    ssrc: CALLER_SSRC,
    payloadType: PIPE_OPUS_PAYLOAD_TYPE,
    signal,
    measureTrips,
  });
  await caller.start();
  await new Promise((resolve) => setTimeout(resolve, seconds * 1_000));
  const report = await caller.stop();
  close();
  return report;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}

test('a path that forwards packets has a trip of its network time, each chirp once, and nothing lost', async () => {
  const report = await talk(3, 0);
  expect(report.sent).toBeGreaterThan(140);
  expect(report).toMatchObject({ lost: 0, disordered: 0, undecipherable: 0 });
  expect(report.received).toBeGreaterThan(report.sent - 10);
  expect(report.tripsMs.length).toBeGreaterThanOrEqual(5);
  expect(report.tripsMs.length).toBeLessThanOrEqual(6);
  expect(Math.min(...report.tripsMs)).toBeGreaterThanOrEqual(0);
  expect(median(report.tripsMs)).toBeLessThan(LOADED_MS);
}, 30_000);

test('a path that holds each packet for 170 ms has a trip longer by 170 ms', async () => {
  const report = await talk(3, 170);
  expect(report).toMatchObject({ lost: 0, undecipherable: 0 });
  expect(report.tripsMs.length).toBeGreaterThanOrEqual(4);
  expect(Math.min(...report.tripsMs)).toBeGreaterThanOrEqual(169);
  expect(median(report.tripsMs)).toBeLessThan(170 + LOADED_MS);
}, 30_000);

test('dropped packets are counted, also by a caller that measures no trips', async () => {
  const report = await talk(2, 0, 10, false);
  const dropped = Math.floor(report.sent / 10);
  expect(report.lost).toBeGreaterThanOrEqual(dropped - 2);
  expect(report.lost).toBeLessThanOrEqual(dropped);
  expect(report.tripsMs).toEqual([]);
}, 30_000);

test('a caller with a wrong key is not let in', async () => {
  const { remote, remoteKey, close } = await door(makeSrtpKey(), 0);
  const caller = new LightCaller({
    remote,
    localKey: makeSrtpKey(),
    remoteKey,
    ssrc: CALLER_SSRC,
    payloadType: PIPE_OPUS_PAYLOAD_TYPE,
    signal,
    measureTrips: false,
  });
  await caller.start();
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(await caller.stop()).toMatchObject({ received: 0, tripsMs: [] });
  close();
});

describe('the probe signal', () => {
  const PERIOD = 25 * PROBE_FRAME_SAMPLES;

  test('is found at the same place whatever speech lies between the chirps, to a hundredth of a millisecond', async () => {
    const decoder = await createDecoder({ channels: 1, sampleRate: PROBE_RATE });
    const found: number[] = [];
    const detector = new ChirpDetector((position) => found.push(position));
    for (let frame = 0; frame < 400; frame++) {
      const packet = signal.packets[frame % signal.packets.length]!;
      detector.push(decoder.decode(packet), frame * PROBE_FRAME_SAMPLES);
    }
    decoder.free();
    expect(found).toHaveLength(16);
    for (const [index, position] of found.entries()) {
      expect(Math.abs(position - (index * PERIOD + signal.chirpAt))).toBeLessThan(0.08);
    }
  });

  test('shows exactly the look-ahead of an encoder on its way', async () => {
    const inner = await createDecoder({ channels: 1, sampleRate: 16_000 });
    const encoder = await createEncoder({ channels: 1, sampleRate: 16_000, frameSize: 320 });
    const outer = await createDecoder({ channels: 1, sampleRate: PROBE_RATE });
    const found: number[] = [];
    const detector = new ChirpDetector((position) => found.push(position));
    for (let frame = 0; frame < 100; frame++) {
      const again = encoder.encode(inner.decode(signal.packets[frame]!));
      detector.push(outer.decode(again), frame * PROBE_FRAME_SAMPLES);
    }
    const lookAhead = (encoder.getLookahead() * PROBE_RATE) / 16_000;
    for (const handle of [inner, encoder, outer]) handle.free();
    expect(lookAhead).toBeGreaterThan(0);
    expect(found).toHaveLength(4);
    for (const [index, position] of found.entries()) {
      expect(Math.abs(position - (index * PERIOD + signal.chirpAt + lookAhead))).toBeLessThan(0.4);
    }
  });

  test('a chirp over two frames is found to a fraction of a sample, a tone of its loudness is not', () => {
    const wave = chirp(PROBE_RATE);
    const stream = new Int16Array(6 * PROBE_FRAME_SAMPLES);
    for (let index = 0; index < wave.length; index++) stream[200 + index] = Math.round(wave[index]!);
    const tone = Int16Array.from({ length: 6 * PROBE_FRAME_SAMPLES }, (_, index) => 6_000 * Math.sin(index * 0.8));
    const found: number[] = [];
    const detector = new ChirpDetector((position) => found.push(position));
    for (const samples of [stream, tone]) {
      const offset = samples === tone ? stream.length : 0;
      for (let at = 0; at < samples.length; at += PROBE_FRAME_SAMPLES) {
        detector.push(samples.subarray(at, at + PROBE_FRAME_SAMPLES), offset + at);
      }
    }
    expect(found).toHaveLength(1);
    expect(found[0]).toBeCloseTo(200, 1);
  });
});
