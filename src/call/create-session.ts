/** Asks a POP for a session: `POST /v1/sessions`, the first thing that any caller does. */
import { z } from 'zod';
import { AntipodeError } from '../errors.ts';
import { type CreateSessionAnswer, createSessionAnswerSchema } from '../signaling/protocol.ts';
import { errorFromWire } from './signaling-client.ts';

const wireError = z.object({ code: z.string(), message: z.string(), path: z.string().optional() });
const errorBody = z.object({ error: wireError });

export interface CreateSessionOptions {
  /** Base URL of the server, such as http://localhost:8080. */
  url: string;
  agent: string;
  /** The seat that is wanted; null for a session with an agent of its own. */
  seat: { room: string; name: string } | null;
  apiKey: string | null;
  timeoutMs: number;
  signal: AbortSignal;
}

/** @throws AntipodeError with the server's code, ERR_SERVICE_UNAVAILABLE when nobody answers at the URL */
export async function createSession(options: CreateSessionOptions): Promise<CreateSessionAnswer> {
  const endpoint = new URL('v1/sessions', options.url.endsWith('/') ? options.url : `${options.url}/`);
  const headers: Record<string, string> = { 'content-type': 'application/json' };
  if (options.apiKey !== null) headers.authorization = `Bearer ${options.apiKey}`;
  const { status, body } = await post(endpoint, headers, options);
  if (status >= 200 && status < 300) {
    const answer = createSessionAnswerSchema.safeParse(body);
    if (answer.success) return answer.data;
    throw new AntipodeError('ERR_CALL_FAILED', `${endpoint} answered with something else: ${answer.error.message}`);
  }
  const refusal = errorBody.safeParse(body);
  if (refusal.success) throw errorFromWire(refusal.data.error);
  throw new AntipodeError('ERR_CALL_FAILED', `${endpoint} answered with HTTP status ${status}`);
}

async function post(endpoint: URL, headers: Record<string, string>, options: CreateSessionOptions) {
  try {
    const response = await fetch(endpoint, {
      method: 'POST',
      headers,
      body: JSON.stringify({ agent: options.agent, ...options.seat }),
      signal: AbortSignal.any([options.signal, AbortSignal.timeout(options.timeoutMs)]),
    });
    const text = await response.text();
    return { status: response.status, body: parseJson(text) };
  } catch (error) {
    options.signal.throwIfAborted();
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    const words = cause instanceof Error ? cause.message || cause.name : String(cause);
    throw new AntipodeError('ERR_SERVICE_UNAVAILABLE', `no server answers at ${endpoint.origin}: ${words}`, {
      cause: error,
    });
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
