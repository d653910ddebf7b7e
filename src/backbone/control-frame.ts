/**
 * The frames of the control channel as text: parsing of what came in, writing of what goes out. Owns the envelope
 * (request, answer, event, heartbeat); what a method or an event holds is protocol.ts.
 */
import { z } from 'zod';
import { AntipodeError, ERROR_CODES, type ErrorCode, type WireError } from '../errors.ts';

const requestId = z.number().int().min(1).max(Number.MAX_SAFE_INTEGER);
const word = z.string().min(1).max(64);
const beat = z.number().int().nonnegative().max(Number.MAX_SAFE_INTEGER);

const wireErrorSchema = z.object({
  code: word,
  message: z.string().max(4_000),
  retryable: z.boolean(),
  path: z.string().max(500).optional(),
});

const requestSchema = z.object({ id: requestId, method: word, data: z.unknown() });
const answerSchema = z.discriminatedUnion('ok', [
  z.object({ id: requestId, ok: z.literal(true), data: z.unknown() }),
  z.object({ id: requestId, ok: z.literal(false), error: wireErrorSchema }),
]);
const eventSchema = z.object({ event: word, data: z.unknown() });
const pingSchema = z.object({ ping: beat });
const pongSchema = z.object({ pong: beat });

/** `data` is not yet checked against the method or event that it belongs to. */
export type Frame =
  | { kind: 'request'; id: number; method: string; data: unknown }
  | { kind: 'answer'; id: number; ok: true; data: unknown }
  | { kind: 'answer'; id: number; ok: false; error: AntipodeError }
  | { kind: 'event'; event: string; data: unknown }
  | { kind: 'ping'; beat: number }
  | { kind: 'pong'; beat: number };

/** The frame in `text`, or null when it is none. */
export function parseFrame(text: string): Frame | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return null;
  if ('event' in value) {
    const { data } = eventSchema.safeParse(value);
    return data ? { kind: 'event', event: data.event, data: data.data } : null;
  }
  if ('method' in value) {
    const { data } = requestSchema.safeParse(value);
    return data ? { kind: 'request', id: data.id, method: data.method, data: data.data } : null;
  }
  if ('ok' in value) {
    const { data } = answerSchema.safeParse(value);
    if (!data) return null;
    if (data.ok) return { kind: 'answer', id: data.id, ok: true, data: data.data };
    return { kind: 'answer', id: data.id, ok: false, error: fromWire(data.error) };
  }
  if ('ping' in value) {
    const { data } = pingSchema.safeParse(value);
    return data ? { kind: 'ping', beat: data.ping } : null;
  }
  if ('pong' in value) {
    const { data } = pongSchema.safeParse(value);
    return data ? { kind: 'pong', beat: data.pong } : null;
  }
  return null;
}

/** The peer's error as ours; a code that this version doesn't know becomes ERR_INTERNAL and is named in the message. */
function fromWire(error: z.infer<typeof wireErrorSchema>): AntipodeError {
  const known = Object.hasOwn(ERROR_CODES, error.code);
  const code = known ? (error.code as ErrorCode) : 'ERR_INTERNAL';
  return new AntipodeError(code, known ? error.message : `${error.code}: ${error.message}`, { path: error.path });
}

export function requestText(id: number, method: string, data: unknown): string {
  return JSON.stringify({ id, method, data });
}

export function answerText(id: number, data: unknown): string {
  return JSON.stringify({ id, ok: true, data });
}

export function refusalText(id: number, error: WireError): string {
  return JSON.stringify({ id, ok: false, error });
}

export function eventText(event: string, data: unknown): string {
  return JSON.stringify({ event, data });
}

/** @param timeMs the sender's monotonic clock, for people who read a capture */
export function pingText(beatNumber: number, timeMs: number): string {
  return JSON.stringify({ ping: beatNumber, t: timeMs });
}

export function pongText(beatNumber: number, timeMs: number): string {
  return JSON.stringify({ pong: beatNumber, t: timeMs });
}

/** The first thing that is wrong with a frame's data. */
export function badData(name: string, error: z.ZodError): AntipodeError {
  const issue = error.issues[0];
  const path = ['data', ...(issue?.path ?? [])].join('.');
  return new AntipodeError('ERR_BACKBONE_PROTOCOL', `${name}: ${path}: ${issue?.message ?? 'invalid'}`, { path });
}
