/**
 * libwebrtc in Node, loaded when the first call needs it. mediasoup-client's browser handler runs on it unchanged once
 * `RTCPeerConnection` and `MediaStream` are globals, as they are in a browser; nothing else of the process uses them.
 *
 * The native module crashes when Node tears its environment down by itself, so a process that loaded it must end by
 * `process.exit()` (see `callMain` in command.ts; node-webrtc issue 636).
 */
import type { nonstandard } from '@roamhq/wrtc';
import type { Device } from 'mediasoup-client/types';

/** 10 ms of received audio as the sink hands it over. */
export interface SinkFrame {
  samples: Int16Array;
  sampleRate: number;
  channelCount: number;
}

export interface AudioSource {
  createTrack(): MediaStreamTrack;
  onData(frame: {
    samples: Int16Array;
    sampleRate: number;
    bitsPerSample: number;
    channelCount: number;
    numberOfFrames: number;
  }): void;
}

export interface AudioSink {
  ondata: ((frame: SinkFrame) => void) | null;
  stop(): void;
}

export interface WebRtc {
  createDevice(): Device;
  createAudioSource(): AudioSource;
  createAudioSink(track: MediaStreamTrack): AudioSink;
}

export async function loadWebRtc(): Promise<WebRtc> {
  const { default: wrtc } = await import('@roamhq/wrtc');
  const { Device } = await import('mediasoup-client');
  Object.assign(globalThis, { RTCPeerConnection: wrtc.RTCPeerConnection, MediaStream: wrtc.MediaStream });
  const { RTCAudioSource, RTCAudioSink } = wrtc.nonstandard as typeof nonstandard;
  return {
    createDevice: () => new Device({ handlerName: 'Chrome111' }),
    createAudioSource: () => new RTCAudioSource() as unknown as AudioSource,
    createAudioSink: (track) => new RTCAudioSink(track) as unknown as AudioSink,
  };
}
