/**
 * What an agent tells the caller's client beside audio, and what the client may tell the agent: the message port.
 * These schemas are shared by the core that sends, the POP that forwards and the page that shows, so this file
 * imports nothing but zod and runs in a browser too.
 */
import { z } from 'zod';

/** Milliseconds of each part of one turn, from the caller's last sound to our first packet. */
export const turnTimelineSchema = z.object({
  turn: z.number().int().nonnegative(),
  /** Caller's last voiced sound to the decision that the turn is over. */
  endpointingMs: z.number().nonnegative().nullable(),
  /** Decision to final transcript. */
  sttMs: z.number().nonnegative().nullable(),
  /** Final transcript to the first words of the reply. */
  llmMs: z.number().nonnegative().nullable(),
  /** First words of the reply to the first synthesized audio. */
  ttsMs: z.number().nonnegative().nullable(),
  /** First synthesized audio to the mouth's first packet. */
  mouthMs: z.number().nonnegative().nullable(),
  /** Core to POP and back, as measured on the control channel (a full round trip). */
  backboneRttMs: z.number().nonnegative().nullable(),
  /** Caller's last sound heard at the core to the mouth's first packet. */
  totalMs: z.number().nonnegative(),
  /** Whether the caller cut this reply off. */
  interrupted: z.boolean(),
});
export type TurnTimeline = z.infer<typeof turnTimelineSchema>;

/** Somebody in a room. */
export const speakerSchema = z.object({ participantId: z.string().min(1).max(128), name: z.string().min(1).max(64) });

export const agentStateSchema = z.enum(['starting', 'listening', 'thinking', 'speaking']);
export type AgentState = z.infer<typeof agentStateSchema>;

/** What one service did for a call, and what that costs by the catalogue's prices. */
const serviceUsageSchema = z.object({
  kind: z.enum(['stt', 'llm', 'tts', 's2s']),
  service: z.string().max(64),
  model: z.string().max(120).nullable(),
  requests: z.number().int().nonnegative(),
  /** Counted units by name, such as `inputTokens`, `characters`, `audioInSeconds`. */
  units: z.record(z.string().max(40), z.number().nonnegative()),
  /** US dollars; null when the catalogue has no price for it. */
  costUsd: z.number().nonnegative().nullable(),
});

export const callUsageSchema = z.object({
  services: z.array(serviceUsageSchema).max(32),
  /** Sum of the known costs, US dollars. */
  costUsd: z.number().nonnegative(),
  /** Services in `services` without a price: the sum is without them. */
  unpriced: z.array(z.string().max(200)).max(32),
});
export type CallUsage = z.infer<typeof callUsageSchema>;

/** Agent -> client. A discriminated union on `type`. */
export const clientEventSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('agent-state'), state: agentStateSchema }),
  /** In a room, with who it is. */
  z.object({ type: z.literal('caller-speaking'), speaking: z.boolean(), speaker: speakerSchema.optional() }),
  z.object({
    type: z.literal('transcript'),
    /** Stable per utterance: a later event with the same id replaces the earlier one. */
    id: z.string().max(64),
    turn: z.number().int().nonnegative(),
    role: z.enum(['caller', 'agent']),
    text: z.string().max(16_384),
    final: z.boolean(),
    /** Agent's words only: true when the caller cut them off; `text` then holds what was heard. */
    interrupted: z.boolean().optional(),
    /** Caller's words only: whose, in a room. */
    speaker: speakerSchema.optional(),
  }),
  /** Sent with the first packet of an answer, and again when the caller cut it off: the later one replaces the earlier. */
  z.object({ type: z.literal('turn'), timeline: turnTimelineSchema }),
  z.object({
    type: z.literal('notice'),
    level: z.enum(['info', 'warning', 'error']),
    code: z.string().max(64),
    text: z.string().max(2_000),
  }),
  /** A tool that the agent uses: sent when it begins and, with the same `id`, when it has ended. */
  z.object({
    type: z.literal('tool'),
    id: z.string().max(128),
    turn: z.number().int().nonnegative(),
    name: z.string().max(64),
    state: z.enum(['running', 'ok', 'failed', 'timed-out', 'unknown-tool', 'invalid-arguments', 'cancelled']),
    /** Null while it runs. */
    tookMs: z.number().nonnegative().nullable(),
  }),
  /** A sound over the agent: it paused, then was cut off, or went on because it was none for it. */
  z.object({
    type: z.literal('interruption'),
    turn: z.number().int().nonnegative(),
    outcome: z.enum(['paused', 'confirmed', 'rejected']),
  }),
  /** What the call has used so far; the later one replaces the earlier. */
  z.object({ type: z.literal('usage'), usage: callUsageSchema }),
  /**
   * Another core has the call: for `gapMs` the agent was not there. The former one is lost or ends, or was left: it is to be
   * empty (`drain`), somebody asked for it (`order`), or the other place is better (`placement`).
   */
  z.object({
    type: z.literal('moved'),
    reason: z.enum(['core-lost', 'core-shutdown', 'drain', 'order', 'placement']),
    gapMs: z.number().nonnegative(),
  }),
  z.object({ type: z.literal('custom'), name: z.string().max(64), data: z.unknown() }),
]);
export type ClientEvent = z.infer<typeof clientEventSchema>;

/** Client -> agent. */
export const clientMessageSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('text'), text: z.string().min(1).max(4_000) }),
  z.object({ type: z.literal('custom'), name: z.string().max(64), data: z.unknown() }),
]);
export type ClientMessage = z.infer<typeof clientMessageSchema>;

/** Why a session ended; `reason` words are for people. */
export const sessionEndSchema = z.object({
  code: z.enum([
    'agent-hung-up',
    'caller-left',
    'caller-lost',
    'deleted',
    'agent-failed',
    'node-shutdown',
    'expired',
    'replaced',
  ]),
  reason: z.string().max(500),
});
export type SessionEnd = z.infer<typeof sessionEndSchema>;
