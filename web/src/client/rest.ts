/**
 * The REST calls of a page: which agents and which POPs there are, and a session with an agent. Owns time-outs, reading of
 * error answers and Retry-After; retries nothing by itself.
 */
import { z } from 'zod';
import type { AgentDescription } from '../../../src/registry/registry.ts';
import {
  type CreateSessionAnswer,
  type CreateSessionRequest,
  createSessionAnswerSchema,
  type PopList,
  popListSchema,
} from '../../../src/signaling/protocol.ts';
import { CallFailure, type Failure, failureOf } from './failure.ts';
import { parseJson } from './json.ts';

export interface RestOptions {
  /** Prefix of every path; empty for the page's own origin. */
  baseUrl: string;
  timeoutMs: number;
  fetch: typeof fetch;
}

const agentsAnswerSchema = z.object({
  agents: z.array(
    z.object({
      name: z.string(),
      title: z.string(),
      description: z.string(),
      notices: z.array(z.object({ level: z.enum(['info', 'warning']), code: z.string(), text: z.string() })),
      examples: z.array(z.string()),
      /** Whether a session with it needs no API key; a page has none. */
      open: z.boolean().default(true),
    }),
  ),
});

const errorAnswerSchema = z.object({
  error: z.object({ code: z.string(), message: z.string(), retryable: z.boolean() }),
  /** Another POP, which may be asked for the session at once. */
  elsewhere: z.object({ sessionsUrl: z.url({ protocol: /^https?$/ }) }).optional(),
});

/** `GET /v1/agents`: the agents that a page may call. @throws CallFailure */
export async function listAgents(options: RestOptions, signal?: AbortSignal): Promise<AgentDescription[]> {
  const answer = await exchange(options, '/v1/agents', { method: 'GET' }, agentsAnswerSchema, signal);
  if (answer.agents.length === 0) throw CallFailure.of('AGENTS_NONE', 'The server lists no agent.');
  const open = answer.agents.filter((agent) => agent.open);
  if (open.length === 0) throw CallFailure.of('AGENTS_CLOSED', 'Every agent needs an API key.');
  return open;
}

/** `GET /v1/pops`: the POPs that this page may come in by. @throws CallFailure */
export function listPops(options: RestOptions, signal?: AbortSignal): Promise<PopList> {
  return exchange(options, '/v1/pops', { method: 'GET' }, popListSchema, signal);
}

/** `POST /v1/sessions`; where this POP has no room, the one that it names is asked, once. @throws CallFailure */
export async function createSession(
  options: RestOptions,
  request: CreateSessionRequest,
  signal?: AbortSignal,
): Promise<CreateSessionAnswer> {
  try {
    return await postSession(options, '/v1/sessions', request, signal);
  } catch (error) {
    const url = error instanceof RefusedHere ? error.sessionsUrl : null;
    if (url === null || signal?.aborted) throw error;
    // What was measured is of no use there, and must not send the request on once more.
    const { probes: _, placementId: __, ...plain } = request;
    return postSession({ ...options, baseUrl: '' }, url, plain, signal).catch(() => {
      // What the own POP said is what the caller can understand.
      throw error;
    });
  }
}

/** This POP has no room, and another one may. */
class RefusedHere extends CallFailure {
  readonly sessionsUrl: string;

  constructor(failure: Failure, sessionsUrl: string) {
    super(failure);
    this.sessionsUrl = sessionsUrl;
  }
}

function postSession(
  options: RestOptions,
  path: string,
  request: CreateSessionRequest,
  signal?: AbortSignal,
): Promise<CreateSessionAnswer> {
  const init = {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(request),
  };
  return exchange(options, path, init, createSessionAnswerSchema, signal);
}

/** Milliseconds of a Retry-After header (seconds or an HTTP date, RFC 9110), null when absent or unreadable. */
export function parseRetryAfter(value: string | null, now: Date): number | null {
  if (value === null) return null;
  if (/^\s*\d+\s*$/.test(value)) return Number(value) * 1_000;
  const at = Date.parse(value);
  return Number.isNaN(at) ? null : Math.max(0, at - now.getTime());
}

async function exchange<T>(
  options: RestOptions,
  path: string,
  init: RequestInit,
  schema: z.ZodType<T>,
  signal?: AbortSignal,
): Promise<T> {
  const timeout = AbortSignal.timeout(options.timeoutMs);
  let response: Response;
  let text: string;
  try {
    response = await options.fetch(options.baseUrl + path, {
      ...init,
      signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
    });
    text = await response.text();
  } catch (error) {
    if (signal?.aborted) throw signal.reason;
    const why = timeout.aborted
      ? `No answer within ${options.timeoutMs / 1_000} s.`
      : 'The request did not get through.';
    throw CallFailure.of('SERVER_UNREACHABLE', why, error);
  }
  const body = parseJson(text);
  if (!response.ok) {
    const retryAfterMs = parseRetryAfter(response.headers.get('retry-after'), new Date());
    const refusal = errorAnswerSchema.safeParse(body);
    if (refusal.success) {
      const failure = CallFailure.fromWire(refusal.data.error, retryAfterMs);
      const { elsewhere } = refusal.data;
      throw elsewhere ? new RefusedHere(failure.failure, elsewhere.sessionsUrl) : failure;
    }
    // A proxy in front of a server that is down answers in its own words.
    const unreachable = response.status >= 502 && response.status <= 504;
    const code = unreachable ? 'SERVER_UNREACHABLE' : 'SERVER_ANSWER';
    throw new CallFailure(failureOf(code, `HTTP ${response.status}`, retryAfterMs));
  }
  const parsed = schema.safeParse(body);
  if (!parsed.success) {
    throw CallFailure.of('SERVER_ANSWER', `${path}: ${parsed.error.issues[0]?.message ?? 'unreadable'}`);
  }
  return parsed.data;
}
