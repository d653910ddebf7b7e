/**
 * A caller's WebRTC in a process of its own, since libwebrtc's Node binding can't be unloaded: sends a tone, counts what
 * it hears, and asks its parent over IPC for what a caller asks a POP for. Driven by web-rtc-caller.ts.
 */
import { Device } from 'mediasoup-client';
import type { ConsumerOptions, Transport, TransportOptions } from 'mediasoup-client/types';
import { loadWebRtc } from '../../src/call/web-rtc.ts';
import type { ChildMessage, ParentMessage } from './web-rtc-caller.ts';

/** The last 300 ms of a stream: its pitch and how loud it is. */
class Sounding {
  #frames: { samples: Int16Array; rate: number }[] = [];

  push(samples: Int16Array, rate: number): void {
    this.#frames.push({ samples: Int16Array.from(samples), rate });
    if (this.#frames.length > 30) this.#frames.shift();
  }

  get heard(): { hz: number; rms: number } {
    let [crossings, energy, count] = [0, 0, 0];
    for (const { samples } of this.#frames) {
      for (let at = 0; at < samples.length; at++) {
        energy += samples[at]! ** 2;
        if (at > 0 && samples[at - 1]! < 0 !== samples[at]! < 0) crossings += 1;
      }
      count += samples.length - 1;
    }
    const rate = this.#frames[0]?.rate ?? 1;
    return {
      hz: Math.round((crossings * rate) / Math.max(1, count) / 2),
      rms: Math.round(Math.sqrt(energy / Math.max(1, count))),
    };
  }
}

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
  send.on('produce', ({ kind, rtpParameters }, done, failed) => {
    ask<{ producerId: string }>('produce', { transportId: send.id, kind, rtpParameters }).then(
      ({ producerId }) => done({ id: producerId }),
      failed,
    );
  });
  const source = webRtc.createAudioSource();
  const step = (2 * Math.PI * (offer.hz ?? 440)) / 48_000;
  let phase = 0;
  setInterval(() => {
    const samples = Int16Array.from({ length: 480 }, () => Math.round(8_000 * Math.sin(phase++ * step)));
    source.onData({ samples, sampleRate: 48_000, bitsPerSample: 16, channelCount: 1, numberOfFrames: 480 });
  }, 10);
  await send.produce({ track: source.createTrack() });
  const { consumerId, ...consumed } = await ask<Omit<ConsumerOptions, 'id'> & { consumerId: string }>('consume', {
    transportId: recv.id,
    rtpCapabilities: device.recvRtpCapabilities,
  });
  const consumer = await recv.consume({ id: consumerId, ...consumed });
  const agent = new Sounding();
  webRtc.createAudioSink(consumer.track).ondata = ({ samples, sampleRate }) => {
    frames += 1;
    agent.push(samples, sampleRate);
  };
  const others = new Map<string, Sounding>();
  const pictures = new Map<string, number>();
  const { RTCVideoSink, RTCVideoSource } = (await import('@roamhq/wrtc')).default.nonstandard;
  const show = async () => {
    const camera = new RTCVideoSource();
    const [width, height] = [320, 240];
    const data = new Uint8Array((width * height * 3) / 2);
    setInterval(() => {
      data.fill(Math.floor(performance.now() / 50) % 256, 0, width * height);
      camera.onFrame({ width, height, data });
    }, 66);
    await send.produce({ track: camera.createTrack() });
  };
  const listenTo = async (producerId: string) => {
    const { consumerId: id, ...rest } = await ask<Omit<ConsumerOptions, 'id'> & { consumerId: string }>('consume', {
      ...{ transportId: recv.id, rtpCapabilities: device.recvRtpCapabilities, producerId },
    });
    const other = await recv.consume({ id, ...rest });
    if (other.kind === 'video') {
      const sink = new RTCVideoSink(other.track);
      pictures.set(producerId, 0);
      sink.onframe = ({ frame }: { frame: { width: number } }) => {
        if (frame.width > 0) pictures.set(producerId, (pictures.get(producerId) ?? 0) + 1);
      };
      tell({ type: 'listening', producerId });
      return;
    }
    const sounding = new Sounding();
    others.set(producerId, sounding);
    webRtc.createAudioSink(other.track).ondata = ({ samples, sampleRate }) => sounding.push(samples, sampleRate);
    tell({ type: 'listening', producerId });
  };
  const inbound = async () => {
    for (const report of (await recv.getStats()).values()) {
      if (report.type === 'inbound-rtp' && report.trackIdentifier === consumer.track.id)
        return { received: report.packetsReceived, lost: report.packetsLost };
    }
    return { received: 0, lost: 0 };
  };
  process.on('message', (message: ParentMessage) => {
    if (message.type === 'stats') void inbound().then((packets) => tell({ type: 'stats', frames, ...packets }));
    if (message.type === 'listen') {
      listenTo(message.producerId).catch((error: Error) => tell({ type: 'failed', reason: error.message }));
    }
    if (message.type === 'show') show().catch((error: Error) => tell({ type: 'failed', reason: error.message }));
    if (message.type === 'seen') tell({ type: 'seen', pictures: pictures.get(message.producerId) ?? 0 });
    if (message.type === 'agent') tell({ type: 'agent', ...agent.heard });
    if (message.type === 'heard') {
      const heard = others.get(message.producerId)?.heard ?? { hz: 0, rms: 0 };
      tell({ type: 'heard', producerId: message.producerId, ...heard });
    }
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
