/** Text of the signaling protocol to typed requests and back: validation, and the code for each way to be wrong. */
import type { RawData } from 'ws';
import type { z } from 'zod';
import { AntipodeError, type ErrorCode } from '../errors.ts';
import { MAX_JSON_DEPTH, nestsDeeperThan } from './json-text.ts';
import {
  requestFrameSchema,
  type SignalingData,
  type SignalingEventData,
  type SignalingEventName,
  type SignalingMethod,
  signalingRequests,
} from './protocol.ts';

/** A valid request; `data` fits `method`. */
export type Request = { [M in SignalingMethod]: { id: number; method: M; data: SignalingData<M> } }[SignalingMethod];

/** A frame that can't be acted upon; `id` is the request's when it could be read. */
export interface BadFrame {
  id: number | null;
  error: AntipodeError;
}

/** The fields whose faults are about media, not about the protocol. */
const MEDIA_FIELDS: ReadonlySet<PropertyKey> = new Set(['dtlsParameters', 'rtpParameters', 'rtpCapabilities']);

/** The request in a WebSocket message, or what is wrong with it. */
export function parseFrame(
  raw: RawData,
  isBinary: boolean,
  maxBytes: number,
): { request: Request } | { bad: BadFrame } {
  if (isBinary)
    return bad(null, 'ERR_PROTOCOL_MALFORMED', 'Frames are text: binary ones are not part of the protocol.');
  const bytes = rawBytes(raw);
  if (bytes.length > maxBytes) {
    return bad(null, 'ERR_REQUEST_TOO_LARGE', `A frame of ${bytes.length} bytes is longer than ${maxBytes}.`);
  }
  if (nestsDeeperThan(bytes, MAX_JSON_DEPTH)) {
    return bad(null, 'ERR_PROTOCOL_MALFORMED', `A frame nests deeper than ${MAX_JSON_DEPTH} levels.`);
  }
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString('utf8'));
  } catch {
    return bad(null, 'ERR_PROTOCOL_MALFORMED', 'The frame is not JSON.');
  }
  const frame = requestFrameSchema.safeParse(value);
  if (!frame.success) return { bad: { id: readableId(value), error: malformed(frame.error.issues[0]) } };
  const { id, method } = frame.data;
  if (!isMethod(method)) {
    const known = Object.keys(signalingRequests).join(', ');
    return bad(id, 'ERR_PROTOCOL_METHOD', `Unknown method. Known: ${known}.`, 'method');
  }
  const data = signalingRequests[method].data.safeParse(frame.data.data);
  if (!data.success) return { bad: { id, error: malformed(data.error.issues[0], 'data') } };
  return { request: { id, method, data: data.data } as Request };
}

export function answerText(id: number, data: unknown): string {
  return JSON.stringify({ id, ok: true, data });
}

export function errorText(id: number | null, error: AntipodeError): string {
  return JSON.stringify({ id, ok: false, error: error.toWire() });
}

export function eventText<E extends SignalingEventName>(event: E, data: SignalingEventData<E>): string {
  return JSON.stringify({ event, data });
}

function isMethod(method: string): method is SignalingMethod {
  return Object.hasOwn(signalingRequests, method);
}

function malformed(issue: z.core.$ZodIssue | undefined, prefix?: string): AntipodeError {
  const keys = issue?.path ?? [];
  const media = prefix === 'data' && keys[0] !== undefined && MEDIA_FIELDS.has(keys[0]);
  const path = [...(prefix ? [prefix] : []), ...keys].join('.');
  return new AntipodeError(
    media ? 'ERR_MEDIA_PARAMETERS' : 'ERR_PROTOCOL_MALFORMED',
    `${path || 'frame'}: ${issue?.message ?? 'is not valid'}`,
    { path },
  );
}

function readableId(value: unknown): number | null {
  const id = (value as { id?: unknown } | null)?.id;
  return typeof id === 'number' && Number.isSafeInteger(id) ? id : null;
}

function bad(id: number | null, code: ErrorCode, message: string, path?: string): { bad: BadFrame } {
  return { bad: { id, error: new AntipodeError(code, message, path === undefined ? {} : { path }) } };
}

function rawBytes(raw: RawData): Buffer {
  if (Buffer.isBuffer(raw)) return raw;
  return Array.isArray(raw) ? Buffer.concat(raw) : Buffer.from(raw);
}
