/** The cheap caller's transport against a real media worker: ICE, DTLS and SRTP as a browser would do them. */
import { once } from 'node:events';
import * as mediasoup from 'mediasoup';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { RtpHeader } from 'werift-rtp';
import type { OfferedTransport } from '../../../src/signaling/protocol.ts';
import { workerBin } from '../../backbone/support/workers.ts';
import { makeCallerIdentity } from './caller-identity.ts';
import { LightTransport } from './light-transport.ts';

const OPUS = {
  kind: 'audio',
  mimeType: 'audio/opus',
  clockRate: 48_000,
  channels: 2,
  preferredPayloadType: 100,
} as const;
let worker: mediasoup.types.Worker;
let transport: mediasoup.types.WebRtcTransport;
let light: LightTransport;

beforeEach(async () => {
  worker = await mediasoup.createWorker({ workerBin: workerBin(), logLevel: 'none' });
  const router = await worker.createRouter({ mediaCodecs: [OPUS] });
  transport = await router.createWebRtcTransport({ listenInfos: [{ protocol: 'udp', ip: '127.0.0.1' }] });
});
afterEach(() => {
  light.close();
  worker.close();
});

function offer(): OfferedTransport {
  const { id: transportId, iceParameters, iceCandidates, dtlsParameters } = transport;
  return { transportId, iceParameters, iceCandidates, dtlsParameters } as OfferedTransport;
}

async function connect(onRefused?: () => void): Promise<void> {
  light = new LightTransport({ offer: offer(), identity: await makeCallerIdentity(), onRtp() {}, onRefused });
  const { role, fingerprints } = light.dtlsParameters;
  await Promise.all([
    light.connect(),
    transport.connect({ dtlsParameters: { role, fingerprints: [...fingerprints] } }),
  ]);
}

test('is connected, and what it sends is taken', async () => {
  await connect();
  await expect.poll(() => transport.dtlsState).toBe('connected');
  const producer = await transport.produce({
    kind: 'audio',
    rtpParameters: { codecs: [{ ...OPUS, payloadType: 100 }], encodings: [{ ssrc: 7 }] },
  });
  for (let number = 0; number < 5; number++) {
    const fields = { payloadType: 100, sequenceNumber: number, timestamp: number * 960, ssrc: 7 };
    light.sendRtp(Buffer.from([0xf8, 0xff, 0xfe]), new RtpHeader(fields));
  }
  await expect.poll(async () => (await producer.getStats())[0]?.packetCount).toBe(5);
});

test('refuses a server whose certificate is not the one that was announced', async () => {
  const forged = offer();
  for (const fingerprint of forged.dtlsParameters.fingerprints) {
    fingerprint.value = fingerprint.value.replaceAll(/[0-9A-F]/g, '0');
  }
  light = new LightTransport({ offer: forged, identity: await makeCallerIdentity(), onRtp() {} });
  const { role, fingerprints } = light.dtlsParameters;
  const connecting = light.connect();
  const told = transport.connect({ dtlsParameters: { role, fingerprints: [...fingerprints] } });
  await expect(connecting).rejects.toThrow('and not the one that was announced');
  await told;
});

test('tells when nobody listens there any more', async () => {
  const onRefused = vi.fn();
  await connect(onRefused);
  const died = once(worker, 'subprocessclose');
  worker.close();
  await died;
  const send = () => light.sendRtp(Buffer.from([0xf8, 0xff, 0xfe]), new RtpHeader({ ssrc: 7, payloadType: 100 }));
  await expect
    .poll(() => {
      send();
      return onRefused.mock.calls.length;
    })
    .toBe(1);
});
