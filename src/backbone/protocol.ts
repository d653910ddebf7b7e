/**
 * The words that a POP and a core exchange over their control channel. One POP-core pair has one channel (WebSocket
 * over mutual TLS); the POP dials. Frames are JSON: requests `{id, method, data}`, answers `{id, ok, data | error}`,
 * events `{event, data}`, heartbeats `{ping: n, t}` / `{pong: n, t}`. Media never travels here, and nothing of a call
 * waits for this channel once the call is up.
 */
import { z } from 'zod';
import { clientEventSchema, clientMessageSchema, sessionEndSchema } from '../agent/client-events.ts';
import { journalStateSchema, wireNoteSchema } from '../agent/journal/index.ts';

/** The newest and the oldest version that this node speaks; two nodes use the newest that both do. */
export const BACKBONE_PROTOCOL_VERSION = 1;
export const BACKBONE_PROTOCOL_MIN_VERSION = 1;
/** Heartbeats leave this often. */
export const HEARTBEAT_INTERVAL_MS = 250;
/** A peer that was silent for this long is taken for gone. */
export const HEARTBEAT_TIMEOUT_MS = 2_000;
/** Longest control frame, bytes. */
export const MAX_CONTROL_FRAME_BYTES = 256 * 1024;

const id = z.string().min(1).max(128);
const epoch = z.number().int().min(1);

/** Where a pipe end listens. */
export const pipeTupleSchema = z.object({
  ip: z.union([z.ipv4(), z.ipv6()]),
  port: z.number().int().min(1).max(65_535),
});
export type PipeTuple = z.infer<typeof pipeTupleSchema>;

/** SRTP key of one direction of a pipe, as mediasoup's SrtpParameters. */
export const srtpParametersSchema = z.object({
  cryptoSuite: z.enum(['AEAD_AES_256_GCM', 'AEAD_AES_128_GCM', 'AES_CM_128_HMAC_SHA1_80', 'AES_CM_128_HMAC_SHA1_32']),
  keyBase64: z.string().min(16).max(128),
});

/**
 * One Opus stream over a pipe: enough for the other end to build the mediasoup rtpParameters for `pipe.produce()`.
 * Both ends use the same fixed payload type (see PIPE_OPUS_PAYLOAD_TYPE in media-pipe).
 */
export const pipeStreamSchema = z.object({
  producerId: z.string().min(1).max(128),
  ssrc: z.number().int().min(1).max(0xffff_ffff),
});
export type PipeStream = z.infer<typeof pipeStreamSchema>;

/** One caller's video over a pipe: its codec and the SSRCs of each of its encodings, as `MediaPipe.sendVideo` tells them. */
export const videoStreamSchema = z.object({
  producerId: z.string().min(1).max(128),
  codec: z.enum(['VP8', 'H264']),
  encodings: z
    .array(
      z.object({
        ssrc: z.number().int().min(1).max(0xffff_ffff),
        rtxSsrc: z.number().int().min(1).max(0xffff_ffff),
        scalabilityMode: z.string().max(16).optional(),
      }),
    )
    .min(1)
    .max(4),
});
export type VideoStream = z.infer<typeof videoStreamSchema>;

/** Who sits in a room: what the others, and the agent, call them. */
export const seatSchema = z.object({
  participantId: id,
  /** No control characters: a model reads it. */
  name: z
    .string()
    .min(1)
    .max(64)
    .regex(/^\P{Cc}+$/u),
});

const roomName = z.string().min(1).max(128);
const roomStream = { room: roomName, participantId: id, pipeId: id };

const confinementSchema = z.object({
  pins: z.string().max(2_000).nullable(),
  endpoints: z.array(z.string().max(120)).max(100),
  hosts: z
    .array(z.object({ host: z.string().min(1).max(253), service: z.string().max(120), region: z.string().max(64) }))
    .max(500),
});

const pipeEnd = z.object({ pipeId: id, tuple: pipeTupleSchema, srtpParameters: srtpParametersSchema });

/** Requests from a POP to a core: method -> data and answer. */
export const popRequests = {
  hello: {
    data: z.object({
      version: z.number().int(),
      /** The oldest version that it speaks; `version` when absent. */
      minVersion: z.number().int().optional(),
      nodeId: id,
      region: z.string().max(64),
      /** This connection goes on where the node's present one is left: nothing is lost in between. */
      continues: z.boolean().optional(),
    }),
    answer: z.object({
      /** The version that is spoken from now on. */
      version: z.number().int(),
      nodeId: id,
      region: z.string().max(64),
      /** That there was one to go on from. */
      continued: z.boolean().optional(),
    }),
  },
  /** Open a media pipe: both ends exchange tuple and key, then connect. One pipe per POP worker and way. */
  'pipe.open': {
    /** `way`: by which of the core's addresses; the preferred one when absent or unknown. */
    data: pipeEnd.extend({ way: z.string().max(32).optional() }),
    answer: pipeEnd,
  },
  /** A stream of the POP that is to come back as it is, over the same pipe: what happens to it on the way is measured. */
  'pipe.probe': {
    data: z.object({ pipeId: id, stream: pipeStreamSchema }),
    answer: z.object({ stream: pipeStreamSchema }),
  },
  'pipe.close': { data: z.object({ pipeId: id }), answer: z.object({}) },
  /** Start (or take over, with a higher epoch) a session at this core. `uplink` is the caller's voice on the pipe. */
  'session.attach': {
    data: z.object({
      sessionId: id,
      epoch,
      pipeId: id,
      agent: z.string().min(1).max(64),
      room: z.string().max(128),
      residency: z.string().max(2_000).nullable(),
      /** Its services and what keeps its data in; null: as the core is configured. */
      confinement: confinementSchema.nullable(),
      metadata: z.record(z.string(), z.unknown()),
      /** Normal when absent. */
      priority: z.enum(['normal', 'high']).optional(),
      uplink: pipeStreamSchema,
      /**
       * Another core held the session: the journal that it wrote, and its mouth's RTP timestamp (48 kHz) just after the last
       * frame that was played, null when none was. The agent goes on at once and hears; it speaks after `session.ready`.
       */
      resume: z
        .object({ journal: journalStateSchema, playedTimestamp: z.number().int().min(0).max(0xffff_ffff).nullable() })
        .optional(),
      /**
       * This core has the session already, for another POP that the caller has left: it goes on for this one, which must
       * come with a later epoch. What it was not known to have been played is sent again after `session.ready`.
       */
      adopt: z.boolean().optional(),
      /**
       * The session takes a seat in room `room`, whose agent all seats share: the first one's. Absent: an agent of its own.
       * All seats of a room at one POP use one pipe, and are answered with one `downlink`.
       */
      seat: seatSchema.optional(),
    }),
    answer: z.object({ downlink: pipeStreamSchema }),
  },
  /** The caller's media path is up at the POP: the agent may speak now and be heard. */
  'session.ready': { data: z.object({ sessionId: id, epoch }), answer: z.object({}) },
  /** The POP's side of the session changed its pipe (its worker was replaced); the agent goes on. */
  'session.repipe': {
    data: z.object({ sessionId: id, epoch, pipeId: id, uplink: pipeStreamSchema }),
    answer: z.object({ downlink: pipeStreamSchema }),
  },
  /** `elsewhere`: another core has the session; without it, one that is `replaced` waits for another POP. */
  'session.detach': {
    data: z.object({ sessionId: id, epoch, end: sessionEndSchema, elsewhere: z.boolean().optional() }),
    answer: z.object({}),
  },
  /**
   * Another core is to have the session: pause it between turns, as soon as there is such a moment. When none comes within
   * `withinMs` it is paused in the middle of a turn if `cut` says so, at the end of a sentence where one is near. A paused
   * agent neither speaks nor begins a turn, and what the caller says is not consumed. `session.yielded` tells of it.
   */
  'session.yield': {
    data: z.object({ sessionId: id, epoch, withinMs: z.number().int().min(0).max(600_000), cut: z.boolean() }),
    answer: z.object({}),
  },
  /** It stays here: a paused session goes on, and one that was only asked need not pause any more. */
  'session.unyield': { data: z.object({ sessionId: id, epoch }), answer: z.object({}) },
  /** A seat's caller shows video: to the POPs of the others. Takes the place of the one before. */
  'room.publish': {
    data: z.object({ sessionId: id, epoch, pipeId: id, kind: z.literal('video'), stream: videoStreamSchema }),
    answer: z.object({}),
  },
  /** No more video of this caller. */
  'room.unpublish': { data: z.object({ sessionId: id, epoch, kind: z.literal('video') }), answer: z.object({}) },
} as const;
export type PopRequestMethod = keyof typeof popRequests;
export type PopRequestData<M extends PopRequestMethod> = z.infer<(typeof popRequests)[M]['data']>;
export type PopRequestAnswer<M extends PopRequestMethod> = z.infer<(typeof popRequests)[M]['answer']>;

/** Events from a POP to a core. */
export const popEvents = {
  'session.message': z.object({ sessionId: id, epoch, message: clientMessageSchema }),
  /**
   * The writer's truth: `timestamp` is the RTP timestamp (48 kHz, the mouth's own numbering) just after the last frame
   * that left the writer. Sent when playing starts, every 100 ms while it goes on, and when it stops.
   */
  'session.played': z.object({
    sessionId: id,
    epoch,
    timestamp: z.number().int().min(0).max(0xffff_ffff),
    frames: z.number().int().nonnegative(),
  }),
  /**
   * The POP holds the agent's voice for a sound of the caller, its duck number `duck` (from 1, per call). `timestamp`: as
   * in `session.played`, null when nothing was; `uplinkPacket`: number of the caller's packet that decided it.
   */
  'reflex.ducked': z.object({
    sessionId: id,
    epoch,
    duck: z.number().int().min(1),
    timestamp: z.number().int().min(0).max(0xffff_ffff).nullable(),
    uplinkPacket: z.number().int().nonnegative(),
  }),
  /** The POP has the session's journal up to note `to`. */
  'session.journaled': z.object({ sessionId: id, epoch, to: z.number().int().positive() }),
  /** The caller's client lost or regained its way to the POP. */
  'session.caller': z.object({ sessionId: id, epoch, state: z.enum(['connected', 'disconnected']) }),
  /** The caller of a seat is muted, or not any more: nobody hears a muted one, the agent neither. */
  'session.muted': z.object({ sessionId: id, epoch, muted: z.boolean() }),
  /** A moderator at this POP wants something done to a participant at another one; `sessionId` is of any seat here. */
  'room.order': z.object({ sessionId: id, epoch, participantId: id, order: z.enum(['mute', 'remove']) }),
} as const;
export type PopEventName = keyof typeof popEvents;
export type PopEventData<E extends PopEventName> = z.infer<(typeof popEvents)[E]>;

/** Events from a core to a POP. */
export const coreEvents = {
  'session.event': z.object({ sessionId: id, epoch, event: clientEventSchema }),
  /** Drop what has not been written of mouth frames whose RTP timestamp is before `beforeTimestamp` (48 kHz, mod 2^32). */
  'session.flush': z.object({ sessionId: id, epoch, beforeTimestamp: z.number().int().min(0).max(0xffff_ffff) }),
  'session.ended': z.object({ sessionId: id, epoch, end: sessionEndSchema }),
  /** Whether the POP may silence the agent for a sound of the caller; it may not before it is told so. */
  'reflex.armed': z.object({ sessionId: id, epoch, armed: z.boolean() }),
  /**
   * What the core makes of the sound behind duck `duck`. `pending`: a voice was heard, and what it means is being decided;
   * `rejected`: the agent goes on. That it was an interruption is said by `session.flush`.
   */
  'reflex.answered': z.object({
    sessionId: id,
    epoch,
    duck: z.number().int().min(1),
    verdict: z.enum(['pending', 'rejected']),
  }),
  /**
   * What another core would need to go on with the call: note `from` (from 1, per epoch) and those that follow it. Sent
   * again until acknowledged. `restart`: what came before is to be forgotten.
   */
  'session.journal': z.object({
    sessionId: id,
    epoch,
    from: z.number().int().positive(),
    restart: z.boolean(),
    notes: z.array(wireNoteSchema).min(1).max(10_000),
  }),
  /**
   * What became of `session.yield`: the session is paused and its journal has `notes` notes; not `atTurnBoundary`: its agent
   * was stopped in the middle of a turn and can only be resumed elsewhere, or here by a later attach. Or why it is not
   * paused, for people.
   */
  'session.yielded': z.object({
    sessionId: id,
    epoch,
    notes: z.number().int().nonnegative(),
    atTurnBoundary: z.boolean(),
    refused: z.string().max(500).nullable(),
  }),
  /** The core wants all of its sessions to move within this time; null: it takes sessions again. */
  'core.draining': z.object({ withinMs: z.number().int().nonnegative().nullable() }),
  /** What the session's data touched at the core's side, for its residency record. */
  'session.touched': z.object({
    sessionId: id,
    epoch,
    touch: z.object({
      kind: z.enum(['endpoint', 'store', 'stopped']),
      name: z.string().max(300),
      region: z.string().max(64).nullable(),
      detail: z.string().max(500),
    }),
  }),
  /** A pipe's worker died at the core: the POP opens a new pipe and sends session.repipe for its sessions. */
  'pipe.closed': z.object({ pipeId: id }),
  /** Who is in a room, whole, at each change: to every POP that has a seat in it. */
  'room.members': z.object({
    room: roomName,
    members: z
      .array(
        z.object({
          participantId: id,
          name: z.string().min(1).max(64),
          sessionId: id,
          /** Node id of its POP. */
          pop: id,
          muted: z.boolean(),
          video: z.boolean(),
        }),
      )
      .max(1_000),
  }),
  /** A participant at another POP is heard, or seen, over this pipe. Takes the place of an earlier one of the same kind. */
  'room.stream': z.discriminatedUnion('kind', [
    z.object({ ...roomStream, kind: z.literal('audio'), stream: pipeStreamSchema }),
    z.object({ ...roomStream, kind: z.literal('video'), stream: videoStreamSchema }),
  ]),
  /** Not any more over this pipe. */
  'room.stream-closed': z.object({ ...roomStream, kind: z.enum(['audio', 'video']) }),
  /** To the POP of the participant: what a moderator at another POP wants done to it. */
  'room.ordered': z.object({ room: roomName, participantId: id, order: z.enum(['mute', 'remove']) }),
} as const;
export type CoreEventName = keyof typeof coreEvents;
export type CoreEventData<E extends CoreEventName> = z.infer<(typeof coreEvents)[E]>;
