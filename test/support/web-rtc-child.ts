/**
 * A caller's WebRTC in a process of its own, since libwebrtc's Node binding can't be unloaded: sends a tone, counts what
 * it hears, and asks its parent over IPC for what a caller asks a POP for. Driven by web-rtc-caller.ts.
 */
import { Device } from 'mediasoup-client';
import type { ConsumerOptions, Transport, TransportOptions } from 'mediasoup-client/types';
import { loadWebRtc } from '../../src/call/web-rtc.ts';
import type { ChildMessage, ParentMessage } from './web-rtc-caller.ts';

const tell = (message: ChildMessage) => process.send?.(message);
const answers = new Map<number, { resolve: (data: never) => void; reject: (error: Error) => void }>();
let lastId = 0;
let frames = 0;

function ask<T>(method: string, data: unknown): Promise<T> {
  const id = ++lastId;
  tell({ type: 'request', id, method, data });
  return new Promise((resolve, reject) => answers.set(id, { resolve, reject }));
}

async function connect(offer: Extract<ParentMessage, { type: 'connect' }>): Promise<void> {
  const webRtc = await loadWebRtc();
  const device = new Device({ handlerName: 'Chrome111' });
  await device.load({ routerRtpCapabilities: offer.routerRtpCapabilities });
  const options = ({ transportId, ...rest }: typeof offer.sendTransport): TransportOptions => ({
    id: transportId,
    ...rest,
  });
  const send = device.createSendTransport(options(offer.sendTransport));
  const recv = device.createRecvTransport(options(offer.recvTransport));
  for (const transport of [send, recv] as Transport[]) {
    transport.on('connect', ({ dtlsParameters }, done, failed) => {
      ask('connectTransport', { transportId: transport.id, dtlsParameters }).then(() => done(), failed);
    });
    transport.on('connectionstatechange', (state) => tell({ type: 'state', direction: transport.direction, state }));
  }
  send.on('produce', ({ rtpParameters }, done, failed) => {
    ask<{ producerId: string }>('produce', { transportId: send.id, rtpParameters }).then(
      ({ producerId }) => done({ id: producerId }),
      failed,
    );
  });
  const source = webRtc.createAudioSource();
  let phase = 0;
  setInterval(() => {
    const samples = Int16Array.from({ length: 480 }, () => Math.round(8_000 * Math.sin(phase++ * 0.0576)));
    source.onData({ samples, sampleRate: 48_000, bitsPerSample: 16, channelCount: 1, numberOfFrames: 480 });
  }, 10);
  await send.produce({ track: source.createTrack() });
  const { consumerId, ...consumed } = await ask<Omit<ConsumerOptions, 'id'> & { consumerId: string }>('consume', {
    transportId: recv.id,
    rtpCapabilities: device.recvRtpCapabilities,
  });
  const consumer = await recv.consume({ id: consumerId, ...consumed });
  webRtc.createAudioSink(consumer.track).ondata = () => {
    frames += 1;
  };
  const inbound = async () => {
    for (const report of (await recv.getStats()).values()) {
      if (report.type === 'inbound-rtp') return { received: report.packetsReceived, lost: report.packetsLost };
    }
    return { received: 0, lost: 0 };
  };
  process.on('message', (message: ParentMessage) => {
    if (message.type === 'stats') void inbound().then((packets) => tell({ type: 'stats', frames, ...packets }));
    if (message.type !== 'hang-up') return;
    send.close();
    recv.close();
  });
  tell({ type: 'ready' });
}

process.on('message', (message: ParentMessage) => {
  if (message.type === 'connect') {
    connect(message).catch((error: Error) => tell({ type: 'failed', reason: error.message }));
  } else if (message.type === 'answer') {
    const waiting = answers.get(message.id);
    answers.delete(message.id);
    if (message.error !== undefined) waiting?.reject(new Error(message.error));
    else waiting?.resolve(message.data as never);
  }
});
// The native module crashes when the process ends by itself.
process.on('disconnect', () => process.exit(0));
