/**
 * The WebSocket protocol between a caller's client and a POP, version 1: requests `{id, method, data}`, answers
 * `{id, ok: true, data}` or `{id, ok: false, error}`, events `{event, data}`. Shared by the server, the page and
 * `antipode call`, so it imports zod and plain schemas only. Documented for people in docs/signaling.md.
 */
import { z } from 'zod';
import { clientEventSchema, clientMessageSchema, sessionEndSchema } from '../agent/client-events.ts';

export const SIGNALING_VERSION = 1;

/** How many POPs a caller measures, the longest round trip that it may tell, and how long a join waits for it. */
export const PROBE_LIMITS = { pops: 5, rttMs: 2_000, withinMs: 150 } as const;

const shortText = z.string().min(1).max(256);

/** DTLS parameters of a client's transport (RFC 8122 fingerprints). */
export const dtlsParametersSchema = z.object({
  role: z.enum(['auto', 'client', 'server']).optional(),
  fingerprints: z
    .array(
      z.object({
        algorithm: z.enum(['sha-1', 'sha-224', 'sha-256', 'sha-384', 'sha-512']),
        value: z
          .string()
          .max(256)
          .regex(/^([0-9A-Fa-f]{2}:)+[0-9A-Fa-f]{2}$/),
      }),
    )
    .min(1)
    .max(8),
});

const codecParameters = z.record(z.string().max(64), z.union([z.string().max(256), z.number()]));
const rtcpFeedback = z.array(z.object({ type: z.string().max(64), parameter: z.string().max(64).optional() })).max(16);

/** RTP parameters of one stream, Opus or a room's video, as mediasoup-client's `RtpParameters`. */
export const rtpParametersSchema = z.object({
  mid: z.string().max(32).optional(),
  msid: z.string().max(256).optional(),
  codecs: z
    .array(
      z.object({
        mimeType: z.string().max(64),
        payloadType: z.number().int().min(0).max(127),
        clockRate: z.number().int().min(1).max(1_000_000),
        channels: z.number().int().min(1).max(8).optional(),
        parameters: codecParameters.optional(),
        rtcpFeedback: rtcpFeedback.optional(),
      }),
    )
    .min(1)
    .max(8),
  headerExtensions: z
    .array(
      z.object({
        uri: z.string().max(256),
        id: z.number().int().min(1).max(255),
        encrypt: z.boolean().optional(),
        parameters: codecParameters.optional(),
      }),
    )
    .max(32)
    .optional(),
  encodings: z
    .array(
      z.object({
        ssrc: z.number().int().min(0).max(0xffff_ffff).optional(),
        dtx: z.boolean().optional(),
        /** Video: where lost packets are sent again. */
        rtx: z.object({ ssrc: z.number().int().min(1).max(0xffff_ffff) }).optional(),
        maxBitrate: z.number().int().min(0).optional(),
        active: z.boolean().optional(),
        adaptivePtime: z.boolean().optional(),
        priority: z.string().max(16).optional(),
        networkPriority: z.string().max(16).optional(),
      }),
    )
    .max(1)
    .optional(),
  rtcp: z.object({ cname: z.string().max(256).optional(), reducedSize: z.boolean().optional() }).optional(),
});

/** RTP capabilities of a client's device, as mediasoup-client's `RtpCapabilities`. */
export const rtpCapabilitiesSchema = z.object({
  codecs: z
    .array(
      z.object({
        kind: z.enum(['audio', 'video']),
        mimeType: z.string().max(64),
        preferredPayloadType: z.number().int().min(0).max(127).optional(),
        clockRate: z.number().int().min(1).max(1_000_000),
        channels: z.number().int().min(1).max(8).optional(),
        parameters: codecParameters.optional(),
        rtcpFeedback: rtcpFeedback.optional(),
      }),
    )
    .min(1)
    .max(64),
  headerExtensions: z
    .array(
      z.object({
        kind: z.enum(['audio', 'video']).optional(),
        uri: z.string().max(256),
        preferredId: z.number().int().min(1).max(255),
        preferredEncrypt: z.boolean().optional(),
        direction: z.enum(['sendrecv', 'sendonly', 'recvonly', 'inactive']).optional(),
      }),
    )
    .max(64)
    .optional(),
});

/** A WebRTC transport that the POP offers, as mediasoup-client's `createSendTransport` options. */
export const offeredTransportSchema = z.object({
  transportId: z.string().max(64),
  iceParameters: z.object({ usernameFragment: shortText, password: shortText, iceLite: z.boolean().optional() }),
  iceCandidates: z.array(
    z.object({
      foundation: z.string(),
      priority: z.number(),
      ip: z.string(),
      address: z.string(),
      protocol: z.enum(['udp', 'tcp']),
      port: z.number().int(),
      type: z.enum(['host', 'srflx', 'prflx', 'relay']),
      tcpType: z.enum(['active', 'passive', 'so']).optional(),
    }),
  ),
  dtlsParameters: dtlsParametersSchema,
});
export type OfferedTransport = z.infer<typeof offeredTransportSchema>;

const predictedMs = z.object({ p50: z.number(), p95: z.number() });

/** Where the session runs and why, for people. */
export const placementViewSchema = z.object({
  pop: z.object({ nodeId: z.string(), region: z.string() }),
  core: z.object({ nodeId: z.string(), region: z.string() }),
  caller: z.object({ country: z.string().nullable(), city: z.string().nullable(), how: z.string() }),
  reason: z.string(),
  /** Round trips to POPs that the caller measured, and what each counts as: less or more where it can't be. */
  probes: z
    .array(z.object({ pop: z.string(), region: z.string(), rttMs: z.number(), countedMs: z.number() }))
    .optional(),
  /** What the decision went by; absent from POPs of before it was told. */
  prediction: z
    .object({
      /** From the end of the caller's words to the first sound of the answer. */
      predictedMs,
      /** Milliseconds of the p50 by part, such as `popCore` or `llm`. */
      parts: z.record(z.string(), z.number()),
      /** Where each figure comes from, such as `measured` or `distance`. */
      sources: z.record(z.string(), z.string()),
      /** What is behind those that were measured, by the same names. */
      measured: z
        .record(
          z.string(),
          z.object({
            /** Requests or turns. */
            count: z.number().optional(),
            /** Since the newest of them. */
            ageMs: z.number(),
            /** Share that they have in the figure; all of it when absent. */
            confidence: z.number().optional(),
          }),
        )
        .optional(),
      /** Leg -> the address that it goes to, and the region where that stands. */
      endpoints: z.record(z.string(), z.object({ id: z.string(), region: z.string() })),
      /** What it would have been elsewhere, or why it could not be there; the best first. */
      alternatives: z.array(
        z.object({
          core: z.string(),
          predictedMs: predictedMs.nullable(),
          parts: z.record(z.string(), z.number()),
          excluded: z.string().nullable(),
        }),
      ),
      /** Every pin that holds, and who asked for it. */
      pins: z.array(z.object({ places: z.array(z.string()), from: z.string() })),
    })
    .optional(),
});
export type PlacementView = z.infer<typeof placementViewSchema>;

const agentView = z.object({
  name: z.string(),
  title: z.string(),
  description: z.string(),
  notices: z.array(z.object({ level: z.enum(['info', 'warning']), code: z.string(), text: z.string() })),
  examples: z.array(z.string()),
});

/** Another POP by which the caller may come back to its session, with its resume token. */
export const otherPopSchema = z.object({
  pop: z.string().min(1).max(128),
  region: z.string().max(64),
  signalingUrl: z.url({ protocol: /^wss?$/ }),
});
export type OtherPop = z.infer<typeof otherPopSchema>;

/** How many of them a client is told. */
export const MAX_OTHER_POPS = 3;
const otherPops = z.array(otherPopSchema).max(8);

const participantId = z.string().min(1).max(128);
const producerId = z.string().min(1).max(128);

/** One who is in a room, as the others there see it. */
export const participantSchema = z.object({
  participantId,
  name: z.string(),
  muted: z.boolean(),
  speaking: z.boolean(),
  /** `producerId` to consume its voice by; null when none is heard. */
  audio: z.string().nullable(),
  /** And its video. */
  video: z.string().nullable(),
  /** Node id of its POP. */
  pop: z.string(),
});
export type Participant = z.infer<typeof participantSchema>;

const joinAnswer = z.object({
  version: z.number().int(),
  sessionId: z.string(),
  room: z.string(),
  agent: agentView,
  /** Opens the session again after a dropped socket; each answer brings a new one. */
  resumeToken: z.string(),
  resumeWindowMs: z.number().int(),
  /** True when the media of an earlier socket goes on: nothing needs to be set up again. */
  mediaKept: z.boolean(),
  routerRtpCapabilities: rtpCapabilitiesSchema,
  /** Both null when mediaKept. */
  sendTransport: offeredTransportSchema.nullable(),
  recvTransport: offeredTransportSchema.nullable(),
  iceServers: z.array(
    z.object({ urls: z.array(z.string()), username: z.string().optional(), credential: z.string().optional() }),
  ),
  placement: placementViewSchema,
  /** Where to come back when this POP is lost, the best first; nowhere when absent. */
  elsewhere: otherPops.optional(),
  /** This POP has taken the session over from another one: `seq` of events begins anew, with 1. */
  adopted: z.boolean().optional(),
  /** In a room: who this client is there. */
  participant: z.object({ participantId }).optional(),
  /** And everybody who is there now, this client too. */
  participants: z.array(participantSchema).optional(),
});
export type JoinAnswer = z.infer<typeof joinAnswer>;

/**
 * Requests of a client: method -> data and answer. Order: `join` or `resume` first; then connectTransport, produce and
 * consume in any order and without waiting for one another.
 */
export const signalingRequests = {
  join: {
    data: z.object({ version: z.number().int(), token: z.string().min(1).max(4_096) }),
    answer: joinAnswer,
  },
  resume: {
    data: z.object({
      version: z.number().int(),
      resumeToken: z.string().min(1).max(4_096),
      /** True when the client still has its transports and wants to keep them. */
      keepMedia: z.boolean(),
    }),
    answer: joinAnswer,
  },
  connectTransport: {
    data: z.object({ transportId: z.string().min(1).max(64), dtlsParameters: dtlsParametersSchema }),
    answer: z.object({}),
  },
  restartIce: {
    data: z.object({ transportId: z.string().min(1).max(64) }),
    answer: z.object({ iceParameters: offeredTransportSchema.shape.iceParameters }),
  },
  produce: {
    data: z.object({
      transportId: z.string().min(1).max(64),
      /** Video in a room only, VP8 or H.264. */
      kind: z.enum(['audio', 'video']),
      rtpParameters: rtpParametersSchema,
    }),
    answer: z.object({ producerId: z.string() }),
  },
  /** The agent's voice, or by `producerId` the voice or video of another in the room. */
  consume: {
    data: z.object({
      transportId: z.string().min(1).max(64),
      rtpCapabilities: rtpCapabilitiesSchema,
      producerId: producerId.optional(),
    }),
    answer: z.object({
      consumerId: z.string(),
      producerId: z.string(),
      kind: z.enum(['audio', 'video']),
      rtpParameters: rtpParametersSchema,
    }),
  },
  /**
   * In a room: silences this client's own voice, or lets it be heard again. Another's with the grant `moderate`, and
   * only to silence it.
   */
  mute: { data: z.object({ muted: z.boolean(), participantId: participantId.optional() }), answer: z.object({}) },
  /** In a room: ends another's session; needs the grant `moderate`. */
  remove: { data: z.object({ participantId }), answer: z.object({}) },
  /** Words for the agent that are typed, not spoken. */
  message: { data: clientMessageSchema, answer: z.object({}) },
  ping: { data: z.object({}), answer: z.object({ serverTime: z.iso.datetime() }) },
  leave: { data: z.object({}), answer: z.object({}) },
} as const;
export type SignalingMethod = keyof typeof signalingRequests;
export type SignalingData<M extends SignalingMethod> = z.infer<(typeof signalingRequests)[M]['data']>;
export type SignalingAnswer<M extends SignalingMethod> = z.infer<(typeof signalingRequests)[M]['answer']>;

/** Events to a client. */
export const signalingEvents = {
  /** Anything that the agent tells: transcript, state, timelines, notices. */
  agent: clientEventSchema,
  /** The media of this call is gone at the POP (a worker died): resume with keepMedia: false, at once. */
  'media-lost': z.object({ code: z.string(), reason: z.string() }),
  /** In a room: somebody came, left, or is other than before. Not told again after a resume, whose answer has them all. */
  'participant-joined': participantSchema,
  'participant-left': participantSchema,
  'participant-changed': participantSchema,
  'session-ended': sessionEndSchema,
  /** The other POPs have changed; in place of those of the answer. */
  elsewhere: z.object({ elsewhere: otherPops }),
  /** This POP wants to be left: resume at one of these now, and leave this one when that is done. */
  'come-back': z.object({ elsewhere: otherPops, reason: z.string().max(500) }),
} as const;
export type SignalingEventName = keyof typeof signalingEvents;
export type SignalingEventData<E extends SignalingEventName> = z.infer<(typeof signalingEvents)[E]>;

/** The frame around every request. */
export const requestFrameSchema = z.object({
  id: z.number().int().min(0).max(0xffff_ffff),
  method: z.string().min(1).max(32),
  data: z.unknown(),
});

const wireError = z.object({
  code: z.string(),
  message: z.string(),
  retryable: z.boolean(),
  path: z.string().optional(),
});

/** Whatever a server may send. */
export const serverFrameSchema = z.union([
  z.object({ id: z.number().int(), ok: z.literal(true), data: z.unknown() }),
  z.object({ id: z.number().int().nullable(), ok: z.literal(false), error: wireError }),
  z.object({
    event: z.string(),
    /** Of `agent` events: their number in the session, from 1. After a resume some may come a second time. */
    seq: z.number().int().min(1).optional(),
    data: z.unknown(),
  }),
]);

/** Close codes of the WebSocket (RFC 6455, private range). */
export const CLOSE_CODES = {
  sessionEnded: 4000,
  protocolError: 4001,
  unauthorized: 4002,
  joinTimeout: 4003,
  flood: 4004,
  superseded: 4005,
  shuttingDown: 4006,
} as const;

/** What a caller may do: send its voice, hear, send typed messages; in a room send video, mute and remove others. */
export const grantSchema = z.enum(['speak', 'listen', 'message', 'video', 'moderate']);
export type Grant = z.infer<typeof grantSchema>;

/** `POST /v1/sessions` */
export const createSessionRequestSchema = z.strictObject({
  agent: z.string().min(1).max(64),
  room: z
    .string()
    .min(1)
    .max(128)
    .regex(/^[\w.:-]+$/)
    .optional(),
  /** Places with commas between, any of which will do; `&` between pins that hold together: `eu & de,fr`. */
  residency: z.string().min(1).max(200).optional(),
  metadata: z.record(z.string().max(64), z.unknown()).optional(),
  /** With `room`: the caller takes a seat in it, under this name, and shares its agent with the others there. */
  name: z
    .string()
    .min(1)
    .max(64)
    .regex(/^\P{Cc}+$/u, 'must not hold control characters')
    .optional(),
  /** Absent: all but `moderate`. */
  grants: z.array(grantSchema).max(8).optional(),
  /** Of a reservation by POST /v1/placements at this POP: its slot is given back as this session takes one. */
  placementId: z.string().min(1).max(64).optional(),
  /** Round trips to POPs of `GET /v1/pops` that the caller measured. */
  probes: z
    .array(
      z.strictObject({
        pop: z.string().min(1).max(128),
        rttMs: z.number().min(0).max(PROBE_LIMITS.rttMs),
      }),
    )
    .max(PROBE_LIMITS.pops)
    .optional(),
});
export type CreateSessionRequest = z.infer<typeof createSessionRequestSchema>;

/** `GET /v1/pops`: the POPs that a caller may come in by, the nearest by its address first. */
export const popListSchema = z.object({
  pops: z.array(
    z.object({
      pop: z.string(),
      region: z.string(),
      /** Answers 204 to GET. */
      probeUrl: z.url({ protocol: /^https?$/ }),
      /** Round trip by the caller's address, ms; null when its place or the region's is unknown. */
      expectedMs: z.number().nullable().default(null),
    }),
  ),
  /** A join should not wait longer for measurements. */
  probeWithinMs: z.number().min(0).max(10_000),
});
export type PopList = z.infer<typeof popListSchema>;

export const createSessionAnswerSchema = z.object({
  sessionId: z.string(),
  room: z.string(),
  /** With a seat in the room: who the caller is there. */
  participantId: participantId.optional(),
  signalingUrl: z.url({ protocol: /^wss?$/ }),
  token: z.string(),
  iceServers: joinAnswer.shape.iceServers,
  expiresAt: z.iso.datetime(),
  placement: placementViewSchema,
});
export type CreateSessionAnswer = z.infer<typeof createSessionAnswerSchema>;
