/** RTP capabilities and parameters as clients get them, and no more than JSON can say. */
import type {
  MediaKind,
  Router,
  RtcpFeedback,
  RtpCodecCapability,
  RtpCodecParameters,
  RtpHeaderExtension,
  RtpParameters,
} from 'mediasoup/types';
import { VIDEO_EXTENSIONS } from './room-video.ts';

type Plain<T> = Omit<T, 'parameters'> & { parameters?: Record<string, string | number> };

/** As mediasoup-client's `RtpCapabilities`. */
export interface ClientRtpCapabilities {
  codecs: Plain<RtpCodecCapability>[];
  headerExtensions: (Omit<RtpHeaderExtension, 'kind'> & { kind: MediaKind })[];
}

/** As mediasoup-client's `RtpParameters`, of one stream. */
export interface ClientRtpParameters {
  mid?: string;
  codecs: (Plain<RtpCodecParameters> & { rtcpFeedback?: RtcpFeedback[] })[];
  headerExtensions: { uri: string; id: number; encrypt?: boolean }[];
  encodings: { ssrc?: number; dtx?: boolean; rtx?: { ssrc: number } }[];
  rtcp: { cname?: string; reducedSize?: boolean };
}

/** What clients load their device with: audio only, and in a room video too. */
export function clientRtpCapabilities(
  { rtpCapabilities }: Pick<Router, 'rtpCapabilities'>,
  kinds: readonly MediaKind[] = ['audio'],
): ClientRtpCapabilities {
  const { codecs = [], headerExtensions = [] } = rtpCapabilities;
  return {
    codecs: codecs
      .filter(({ kind }) => kinds.includes(kind))
      .map((codec) => ({ ...codec, parameters: plainParameters(codec.parameters) })),
    headerExtensions: headerExtensions.filter(({ kind, uri }) => {
      if (!kinds.includes(kind)) return false;
      return kind === 'audio' || VIDEO_EXTENSIONS.includes(uri);
    }),
  };
}

/** What a client receives our stream with. */
export function clientRtpParameters(parameters: RtpParameters): ClientRtpParameters {
  const { mid, codecs, headerExtensions = [], encodings = [], rtcp = {} } = parameters;
  return {
    mid,
    codecs: codecs.map((codec) => ({ ...codec, parameters: plainParameters(codec.parameters) })),
    headerExtensions: headerExtensions.map(({ uri, id, encrypt }) => ({ uri, id, encrypt })),
    encodings: encodings.map(({ ssrc, dtx, rtx }) => ({ ssrc, dtx, ...(rtx && { rtx: { ssrc: rtx.ssrc } }) })),
    rtcp: { cname: rtcp.cname, reducedSize: rtcp.reducedSize },
  };
}

function plainParameters(parameters: Record<string, unknown> = {}): Record<string, string | number> {
  const plain: Record<string, string | number> = {};
  for (const [name, value] of Object.entries(parameters)) {
    if (typeof value === 'string' || typeof value === 'number') plain[name] = value;
  }
  return plain;
}
