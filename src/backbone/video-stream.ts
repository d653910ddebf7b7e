/**
 * Video between the callers of a room: VP8 and H.264 with one payload type each on every router, and the mediasoup
 * parameters of a stream that comes over a pipe, with RTX and feedback, so that a request for a key frame finds its way
 * back to the sender. Nothing here is decoded. Owns no transport.
 */
import type { RouterRtpCodecCapability, RtpCapabilities, RtpParameters } from 'mediasoup/types';
import { AntipodeError } from '../errors.ts';
import type { VideoStream } from './protocol.ts';

const VIDEO_CLOCK_RATE = 90_000;
/** Requests that go back to the sender, and lost packets that are asked for again. */
const FEEDBACK = [{ type: 'nack' }, { type: 'nack', parameter: 'pli' }, { type: 'ccm', parameter: 'fir' }];
/** A phone that is turned says so in its packets. */
const ORIENTATION_URI = 'urn:3gpp:video-orientation';

const MIME_TYPES = { VP8: 'video/VP8', H264: 'video/H264' } as const satisfies Record<VideoStream['codec'], string>;

/** `mediaCodecs` of every router, beside Opus. H.264 as every browser has it: constrained baseline, packetization mode 1. */
export const VIDEO_ROUTER_CODECS: RouterRtpCodecCapability[] = [
  { kind: 'video', mimeType: MIME_TYPES.VP8, clockRate: VIDEO_CLOCK_RATE, preferredPayloadType: 101 },
  {
    kind: 'video',
    mimeType: MIME_TYPES.H264,
    clockRate: VIDEO_CLOCK_RATE,
    preferredPayloadType: 103,
    parameters: { 'packetization-mode': 1, 'profile-level-id': '42e01f', 'level-asymmetry-allowed': 1 },
  },
];

/**
 * A pipe's consumer of a video producer in the words of the backbone.
 * @throws ERR_MEDIA_PARAMETERS when it is none that the backbone carries
 */
export function videoStreamOf(producerId: string, { codecs, encodings = [] }: RtpParameters): VideoStream {
  const mimeType = codecs[0]?.mimeType.toLowerCase();
  const codec = (['VP8', 'H264'] as const).find((name) => MIME_TYPES[name].toLowerCase() === mimeType);
  if (codec === undefined) throw new AntipodeError('ERR_MEDIA_PARAMETERS', `Video as ${mimeType} is not forwarded.`);
  return {
    producerId,
    codec,
    encodings: encodings.map(({ ssrc, rtx, scalabilityMode }) => {
      if (ssrc === undefined || rtx === undefined) {
        throw new AntipodeError('ERR_INTERNAL', 'mediasoup made a pipe consumer without SSRC or RTX.');
      }
      return { ssrc, rtxSsrc: rtx.ssrc, ...(scalabilityMode !== undefined && { scalabilityMode }) };
    }),
  };
}

/**
 * Send parameters of a video stream that comes over a pipe, for `PipeTransport.produce`.
 * @param capabilities of the router that receives it
 */
export function videoProducerParameters(
  { codec, encodings }: VideoStream,
  { codecs = [], headerExtensions = [] }: RtpCapabilities,
): RtpParameters {
  const mimeType = MIME_TYPES[codec];
  const known = codecs.find((one) => one.mimeType.toLowerCase() === mimeType.toLowerCase());
  const rtx = codecs.find(
    (one) => one.mimeType.toLowerCase() === 'video/rtx' && one.parameters?.apt === known?.preferredPayloadType,
  );
  const payloadType = known?.preferredPayloadType;
  const rtxPayloadType = rtx?.preferredPayloadType;
  if (payloadType === undefined || rtxPayloadType === undefined) {
    throw new AntipodeError('ERR_INTERNAL', `The router knows no ${mimeType}.`);
  }
  return {
    codecs: [
      { mimeType, payloadType, clockRate: VIDEO_CLOCK_RATE, parameters: known?.parameters, rtcpFeedback: FEEDBACK },
      {
        mimeType: 'video/rtx',
        payloadType: rtxPayloadType,
        clockRate: VIDEO_CLOCK_RATE,
        parameters: { apt: payloadType },
        rtcpFeedback: [],
      },
    ],
    headerExtensions: headerExtensions
      .filter(({ kind, uri }) => kind === 'video' && uri === ORIENTATION_URI)
      .map(({ uri, preferredId }) => ({ uri, id: preferredId })),
    encodings: encodings.map(({ ssrc, rtxSsrc, scalabilityMode }) => ({
      ssrc,
      rtx: { ssrc: rtxSsrc },
      ...(scalabilityMode !== undefined && { scalabilityMode }),
    })),
    rtcp: { cname: 'antipode', reducedSize: true },
  };
}
