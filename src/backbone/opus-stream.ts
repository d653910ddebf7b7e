/**
 * The kind of stream that an agent hears and speaks: Opus at 48 kHz with one payload type on every router, and the mediasoup
 * parameters that say so. Owns no transport.
 */
import type { RouterRtpCodecCapability, RtpParameters } from 'mediasoup/types';
import {
  AUDIO_LEVEL_EXTENSION_ID,
  AUDIO_LEVEL_EXTENSION_URI,
  PACKET_NUMBER_EXTENSION_ID,
  PACKET_NUMBER_EXTENSION_URI,
} from './rtp.ts';

/** Payload type of Opus on every router, direct transport and pipe. */
export const PIPE_OPUS_PAYLOAD_TYPE = 100;
export const OPUS_CLOCK_RATE = 48_000;
/** RTP timestamp units in a frame of 20 ms. */
export const OPUS_FRAME_TIMESTAMP_STEP = 960;

/** `mediaCodecs` of every router, beside video. In-band FEC is asked for so that a lost frame can be had from the next one. */
export const OPUS_ROUTER_CODECS: RouterRtpCodecCapability[] = [
  {
    kind: 'audio',
    mimeType: 'audio/opus',
    clockRate: OPUS_CLOCK_RATE,
    channels: 2,
    preferredPayloadType: PIPE_OPUS_PAYLOAD_TYPE,
    parameters: { useinbandfec: 1, minptime: 10 },
  },
];

/**
 * Send parameters of one Opus stream that we feed ourselves, for `DirectTransport.produce` and `PipeTransport.produce`.
 * `dtx` because a silent mouth or caller sends nothing for long; no NACK because audio has no RTX.
 * @param ssrc the SSRC of the packets, 1 to 2^32 - 1: the producer takes no other, and no two producers of one transport
 * (such as a worker's direct transport, which all its calls share) may have the same
 */
export function opusProducerParameters(ssrc: number): RtpParameters {
  return {
    codecs: [
      {
        mimeType: 'audio/opus',
        payloadType: PIPE_OPUS_PAYLOAD_TYPE,
        clockRate: OPUS_CLOCK_RATE,
        channels: 2,
        parameters: { useinbandfec: 1 },
        rtcpFeedback: [],
      },
    ],
    headerExtensions: [
      { uri: AUDIO_LEVEL_EXTENSION_URI, id: AUDIO_LEVEL_EXTENSION_ID },
      { uri: PACKET_NUMBER_EXTENSION_URI, id: PACKET_NUMBER_EXTENSION_ID },
    ],
    encodings: [{ ssrc, dtx: true }],
    rtcp: { cname: 'antipode', reducedSize: true },
  };
}
