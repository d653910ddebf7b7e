/**
 * Checks what a caller says of its video and keeps of it what a call needs: one stream of VP8 or H.264 in one quality,
 * with its retransmissions. Beside caller-parameters.ts, which does so for the voice.
 */
import type { RtpCapabilities, RtpHeaderExtensionParameters, RtpParameters } from 'mediasoup/types';
import { z } from 'zod';
import { AntipodeError } from '../errors.ts';

/** Header extensions that a caller's video may carry; any other is left out. */
export const VIDEO_EXTENSIONS: string[] = [
  'urn:ietf:params:rtp-hdrext:sdes:mid',
  'http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time',
  'http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01',
  'urn:3gpp:video-orientation',
] satisfies RtpHeaderExtensionParameters['uri'][];

const VIDEO_CLOCK_RATE = 90_000;
const VIDEO = /^video\/(vp8|h264)$/i;
const RTX = /^video\/rtx$/i;
/** Format parameters that we hand on (RFC 6184, RFC 4588). */
const NUMBERS = ['packetization-mode', 'level-asymmetry-allowed', 'apt'];
/** Feedback that is understood on the way (RFC 4585, RFC 5104). */
const FEEDBACK = new Set(['nack ', 'nack pli', 'ccm fir', 'transport-cc ', 'goog-remb ']);

const ssrc = z.number().int().min(1).max(0xffff_ffff);
const feedback = z.array(z.object({ type: z.string(), parameter: z.string().default('') })).default([]);
const parameters = z.record(z.string(), z.unknown()).default({});
const codec = z.object({
  mimeType: z.string().regex(/^video\/(vp8|h264|rtx)$/i, 'only VP8 and H264 are taken'),
  payloadType: z.number().int().min(0).max(127),
  clockRate: z.literal(VIDEO_CLOCK_RATE),
  parameters,
  rtcpFeedback: feedback,
});

const rtpSchema = z.object({
  mid: z.string().min(1).max(32).optional(),
  codecs: z.array(codec).min(1).max(2),
  headerExtensions: z.array(z.object({ uri: z.string(), id: z.number().int().min(1).max(14) })).default([]),
  encodings: z.tuple([z.object({ ssrc: ssrc.optional(), rtx: z.object({ ssrc }).optional() })], 'one quality is taken'),
  rtcp: z.object({ cname: z.string().min(1).max(256).optional() }).default({}),
});

/** One video stream with one encoding. @throws ERR_MEDIA_PARAMETERS with the path of what is wrong */
export function callerVideoParameters(input: unknown): RtpParameters {
  const result = rtpSchema.safeParse(input);
  if (!result.success) {
    const issue = result.error.issues[0];
    throw bad(issue?.message ?? 'not understood', (issue?.path ?? []).map(String));
  }
  const { mid, codecs, headerExtensions, encodings, rtcp } = result.data;
  const [first, second] = codecs;
  const [encoding] = encodings;
  if (first === undefined || !VIDEO.test(first.mimeType)) throw bad('the first codec must be VP8 or H264', ['codecs']);
  if (second !== undefined && (!RTX.test(second.mimeType) || second.parameters.apt !== first.payloadType)) {
    throw bad('the second codec must be the retransmissions of the first', ['codecs', '1']);
  }
  if (encoding.ssrc === undefined && mid === undefined) throw bad('neither an SSRC nor a MID', ['encodings']);
  const known = headerExtensions.filter(({ uri }) => VIDEO_EXTENSIONS.includes(uri));
  if (new Set(known.map(({ id }) => id)).size !== known.length) {
    throw bad('two header extensions have the same id', ['headerExtensions']);
  }
  return {
    mid,
    codecs: codecs.map((one) => ({ ...one, ...cleaned(one) })) as RtpParameters['codecs'],
    headerExtensions: known as RtpHeaderExtensionParameters[],
    encodings: [{ ...encoding }],
    rtcp: { cname: rtcp.cname, reducedSize: true },
  };
}

const capability = z.object({
  mimeType: z.string(),
  clockRate: z.number().int(),
  preferredPayloadType: z.number().int().min(0).max(127).optional(),
  parameters,
  rtcpFeedback: feedback,
});
const capabilitiesSchema = z.object({
  codecs: z.array(z.unknown()).max(64),
  headerExtensions: z.array(z.unknown()).max(64).default([]),
});
const extension = z.object({
  kind: z.literal('video'),
  uri: z.string().refine((uri) => VIDEO_EXTENSIONS.includes(uri)),
  preferredId: z.number().int().min(1).max(255),
});

/** What a client can receive of video. @throws ERR_MEDIA_PARAMETERS when it is none of ours */
export function callerVideoCapabilities(input: unknown): RtpCapabilities {
  const result = capabilitiesSchema.safeParse(input);
  if (!result.success) throw bad('not understood', [], 'rtpCapabilities');
  const codecs = result.data.codecs.flatMap((one) => {
    const { data } = capability.safeParse(one);
    const isOurs = data !== undefined && (VIDEO.test(data.mimeType) || RTX.test(data.mimeType));
    return isOurs && data.clockRate === VIDEO_CLOCK_RATE ? [{ ...data, kind: 'video', ...cleaned(data) }] : [];
  });
  const headerExtensions = result.data.headerExtensions.flatMap((one) => extension.safeParse(one).data ?? []);
  return { codecs, headerExtensions } as RtpCapabilities;
}

function cleaned(one: { parameters: Record<string, unknown>; rtcpFeedback: { type: string; parameter: string }[] }) {
  const kept: Record<string, string | number> = {};
  for (const name of NUMBERS) {
    const value = one.parameters[name];
    if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 127) kept[name] = value;
  }
  const profile = one.parameters['profile-level-id'];
  if (typeof profile === 'string' && /^[0-9a-f]{6}$/i.test(profile)) kept['profile-level-id'] = profile;
  return {
    parameters: kept,
    rtcpFeedback: one.rtcpFeedback.filter(({ type, parameter }) => FEEDBACK.has(`${type} ${parameter}`)),
  };
}

function bad(message: string, path: string[], name = 'rtpParameters'): AntipodeError {
  return new AntipodeError('ERR_MEDIA_PARAMETERS', `Bad ${name}: ${message}.`, { path: [name, ...path].join('.') });
}
