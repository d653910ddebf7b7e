/**
 * Checks what a caller says of its DTLS and RTP and keeps of it what an Opus call needs, so that nothing else ever
 * reaches mediasoup: its request builder is shared by all the calls of a worker, and is not made for input that it
 * refuses half-way.
 */
import type { DtlsParameters, RtpCapabilities, RtpHeaderExtensionParameters, RtpParameters } from 'mediasoup/types';
import { z } from 'zod';
import { AUDIO_LEVEL_EXTENSION_URI, OPUS_CLOCK_RATE } from '../backbone/index.ts';
import { AntipodeError } from '../errors.ts';

/** Digest lengths in bytes (RFC 8122). */
const DIGEST_BYTES = { 'sha-1': 20, 'sha-224': 28, 'sha-256': 32, 'sha-384': 48, 'sha-512': 64 } as const;

const dtlsSchema = z.object({
  role: z.enum(['auto', 'client', 'server']).default('auto'),
  fingerprints: z
    .array(
      z
        .object({
          algorithm: z.enum(['sha-1', 'sha-224', 'sha-256', 'sha-384', 'sha-512']),
          value: z.string().regex(/^[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2})*$/),
        })
        .refine(({ algorithm, value }) => (value.length + 1) / 3 === DIGEST_BYTES[algorithm], 'wrong length of digest'),
    )
    .min(1)
    .max(8),
});

/** Header extensions that a caller's Opus may carry; any other is left out. */
const CALLER_EXTENSIONS: string[] = [
  AUDIO_LEVEL_EXTENSION_URI,
  'urn:ietf:params:rtp-hdrext:sdes:mid',
  'http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time',
  'http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01',
] satisfies RtpHeaderExtensionParameters['uri'][];
/** Opus format parameters that we hand on (RFC 7587). */
const OPUS_PARAMETERS = ['useinbandfec', 'usedtx', 'minptime', 'ptime', 'maxaveragebitrate', 'stereo', 'sprop-stereo'];

const opusSchema = z.object({
  mimeType: z.string().regex(/^audio\/opus$/i, 'only audio/opus is taken'),
  payloadType: z.number().int().min(0).max(127),
  clockRate: z.literal(OPUS_CLOCK_RATE),
  channels: z.literal(2),
  parameters: z.record(z.string(), z.unknown()).default({}),
  rtcpFeedback: z.array(z.object({ type: z.string(), parameter: z.string().optional() })).default([]),
});

const rtpSchema = z.object({
  mid: z.string().min(1).max(32).optional(),
  codecs: z.tuple([opusSchema]),
  headerExtensions: z.array(z.object({ uri: z.string(), id: z.number().int().min(1).max(14) })).default([]),
  encodings: z
    .array(z.object({ ssrc: z.number().int().min(1).max(0xffff_ffff).optional(), dtx: z.boolean().optional() }))
    .max(1)
    .default([]),
  rtcp: z.object({ cname: z.string().min(1).max(256).optional() }).default({}),
});

const capabilitiesSchema = z.object({
  codecs: z
    .array(
      z.object({
        kind: z.enum(['audio', 'video']),
        mimeType: z.string().regex(/^(audio|video)\/.+/),
        preferredPayloadType: z.number().int().min(0).max(127).optional(),
        clockRate: z.number().int().min(1),
        channels: z.number().int().min(1).optional(),
        parameters: z.record(z.string(), z.unknown()).default({}),
        rtcpFeedback: z.array(z.object({ type: z.string(), parameter: z.string().optional() })).default([]),
      }),
    )
    .max(64),
  headerExtensions: z
    .array(z.object({ kind: z.enum(['audio', 'video']), uri: z.string(), preferredId: z.number().int().min(1) }))
    .max(64)
    .default([]),
});

/** @throws ERR_MEDIA_PARAMETERS with the path of what is wrong */
export function callerDtlsParameters(input: unknown): DtlsParameters {
  const { role, fingerprints } = parsed(dtlsSchema, input, 'dtlsParameters');
  return {
    role,
    fingerprints: fingerprints.map(({ algorithm, value }) => ({ algorithm, value: value.toUpperCase() })),
  };
}

/**
 * One Opus stream with at most one encoding, told apart by its SSRC or its MID.
 * @throws ERR_MEDIA_PARAMETERS with the path of what is wrong
 */
export function callerRtpParameters(input: unknown): RtpParameters {
  const { mid, codecs, headerExtensions, encodings, rtcp } = parsed(rtpSchema, input, 'rtpParameters');
  const [opus] = codecs;
  const ssrc = encodings[0]?.ssrc;
  if (ssrc === undefined && mid === undefined) {
    throw new AntipodeError('ERR_MEDIA_PARAMETERS', 'The stream has neither an SSRC nor a MID.', {
      path: 'rtpParameters.encodings',
    });
  }
  const known = headerExtensions.filter(({ uri }) => CALLER_EXTENSIONS.includes(uri));
  if (new Set(known.map(({ id }) => id)).size !== known.length) {
    throw new AntipodeError('ERR_MEDIA_PARAMETERS', 'Two header extensions have the same id.', {
      path: 'rtpParameters.headerExtensions',
    });
  }
  return {
    mid,
    codecs: [{ ...opus, parameters: opusParameters(opus.parameters) }],
    headerExtensions: known as RtpHeaderExtensionParameters[],
    encodings: [{ ...(ssrc === undefined ? {} : { ssrc }), dtx: encodings[0]?.dtx ?? false }],
    rtcp: { cname: rtcp.cname, reducedSize: true },
  };
}

/** @throws ERR_MEDIA_PARAMETERS with the path of what is wrong */
export function callerRtpCapabilities(input: unknown): RtpCapabilities {
  const { codecs, headerExtensions } = parsed(capabilitiesSchema, input, 'rtpCapabilities');
  return {
    codecs: codecs
      .filter(({ mimeType }) => mimeType.toLowerCase() === 'audio/opus')
      .map((codec) => ({ ...codec, parameters: opusParameters(codec.parameters) })) as RtpCapabilities['codecs'],
    headerExtensions: headerExtensions.filter(
      ({ kind, uri }) => kind === 'audio' && CALLER_EXTENSIONS.includes(uri),
    ) as RtpCapabilities['headerExtensions'],
  };
}

function opusParameters(parameters: Record<string, unknown>): Record<string, number> {
  const kept: Record<string, number> = {};
  for (const name of OPUS_PARAMETERS) {
    const value = parameters[name];
    if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 510_000) kept[name] = value;
  }
  return kept;
}

function parsed<S extends z.ZodType>(schema: S, input: unknown, name: string): z.output<S> {
  const result = schema.safeParse(input);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw new AntipodeError('ERR_MEDIA_PARAMETERS', `Bad ${name}: ${issue?.message ?? 'not understood'}.`, {
    path: [name, ...(issue?.path ?? []).map(String)].join('.'),
  });
}
