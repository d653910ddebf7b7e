/** `GET` and `POST /v1/sessions`, `GET` and `DELETE /v1/sessions/:id`, `GET /v1/agents`: how sessions are asked for. */
import express, { type ErrorRequestHandler, type Request, type RequestHandler, type Response, Router } from 'express';
import { AntipodeError, asAntipodeError } from '../errors.ts';
import { knownAgents } from '../placement/index.ts';
import type { AgentDescription, Registry, SessionRecord } from '../registry/index.ts';
import type { Logger } from '../telemetry/index.ts';
import { fellowCors } from './fellow-pops.ts';
import type { Caller, Gate } from './gate.ts';
import { MAX_JSON_DEPTH, nestsDeeperThan } from './json-text.ts';
import { type PopChoice, SENT_BY } from './pop-choice.ts';
import { type CreateSessionRequest, createSessionRequestSchema } from './protocol.ts';
import { JsonTooDeep, methodNotAllowed, type RefusalLocals, restError, validBody } from './rest-errors.ts';
import { type AgentList, type SessionView, storedPlacementSchema } from './rest-protocol.ts';
import { listSessions } from './rest-sessions-list.ts';
import type { SessionBook } from './session-book.ts';
import type { SignalingMetrics } from './signaling-metrics.ts';

/** Longest metadata of a session as JSON, bytes. */
export const MAX_METADATA_BYTES = 16_384;

export interface SessionRoutesOptions {
  gate: Gate;
  book: SessionBook;
  popChoice: PopChoice;
  log: Logger;
  registry: Registry;
  maxBodyBytes: number;
  metrics: SignalingMetrics;
  /** The signaling URL for the name by which this request reached us. */
  signalingUrlOf(request: Request): string;
}

export function sessionRoutes(options: SessionRoutesOptions): Router {
  const { gate, book, metrics } = options;
  const router = Router();

  const limited: RequestHandler = (request, _response, next) => {
    gate.demandRate(request);
    next();
  };
  const jsonOnly: RequestHandler = (request, _response, next) => {
    if (request.is('application/json')) return next();
    throw new AntipodeError('ERR_REQUEST_MALFORMED', 'The body must be JSON, with Content-Type: application/json.');
  };
  const parseJson = express.json({
    limit: options.maxBodyBytes,
    verify: (_request, _response, body) => {
      if (nestsDeeperThan(body, MAX_JSON_DEPTH)) throw new JsonTooDeep();
    },
  });

  router
    .route('/v1/sessions')
    .all(fellowCors(gate))
    .get(listSessions(options))
    .post(limited, jsonOnly, parseJson, async (request, response) => {
      const caller = gate.callerOf(request);
      if (caller.kind === 'bearer') throw new AntipodeError('ERR_UNAUTHORIZED', 'This API key is not known here.');
      if (caller.kind === 'api-key') gate.demandKeyRate(request, caller.key);
      const body = sessionRequest(request.body);
      if (caller.kind === 'anonymous') {
        await admitAnonymous(options, request, body.agent);
        // Holders of a key are not sent on: a key does not follow to another origin.
        const elsewhere = await sentOn(options, request, body);
        if (elsewhere !== null) {
          response.status(307).set({ Location: elsewhere, 'Cache-Control': 'no-store' }).end();
          return;
        }
      }
      const origin = {
        from: gate.addressOf(request),
        authenticated: caller.kind === 'api-key',
        priority: caller.kind === 'api-key' ? caller.key.priority : 'normal',
        signalingUrl: options.signalingUrlOf(request),
      } as const;
      const answer = await book.create(body, origin).catch(async (error: unknown) => {
        if (asAntipodeError(error).status === 503) await nameAnother(options, request, response, body);
        throw error;
      });
      response.status(201).set('Cache-Control', 'no-store').json(answer);
    })
    .all(methodNotAllowed('GET', 'POST'));

  router
    .route('/v1/sessions/:id')
    .get(async (request, response) => {
      const full = await mayTouch(options, request);
      const record = await book.record(request.params.id);
      response.set('Cache-Control', 'no-store').json(viewOf(record, full));
    })
    .delete(async (request, response) => {
      const full = await mayTouch(options, request);
      const record = await book.end(request.params.id, { code: 'deleted', reason: 'The session was deleted.' });
      response.set('Cache-Control', 'no-store').json(viewOf(record, full));
    })
    .all(methodNotAllowed('GET', 'DELETE'));

  router
    .route('/v1/sessions/:id/residency')
    .get(async (request, response) => {
      await mayTouch(options, request);
      response.set('Cache-Control', 'no-store').json(book.residencyOf(request.params.id));
    })
    .all(methodNotAllowed('GET'));

  router
    .route('/v1/agents')
    .get(async (request, response) => {
      const caller = gate.callerOf(request);
      if (caller.kind === 'bearer') throw new AntipodeError('ERR_UNAUTHORIZED', 'This API key is not known here.');
      if (caller.kind === 'anonymous') gate.demandOwnPage(request);
      const agents = (await agentsOf(options.registry))
        .map((agent) => ({ ...agent, open: gate.isOpen(agent.name) }))
        .filter((agent) => caller.kind === 'api-key' || agent.open);
      response.set('Cache-Control', 'no-store').json({ agents } satisfies AgentList);
    })
    .all(methodNotAllowed('GET'));

  const countRefusal: ErrorRequestHandler = (cause, request, _response, next) => {
    const error = restError(cause);
    if (request.path.startsWith('/v1/sessions')) metrics.requestRefused(error.code);
    next(error);
  };
  router.use(countRefusal);
  return router;
}

function sessionRequest(body: unknown): CreateSessionRequest {
  const request = validBody(createSessionRequestSchema, body);
  if (request.metadata && Buffer.byteLength(JSON.stringify(request.metadata)) > MAX_METADATA_BYTES) {
    throw new AntipodeError('ERR_REQUEST_TOO_LARGE', `metadata is longer than ${MAX_METADATA_BYTES} bytes.`, {
      path: 'metadata',
    });
  }
  return request;
}

/** Where a caller who measured POPs should ask instead; once only, so that no two POPs send it to and fro. */
async function sentOn({ gate, popChoice }: SessionRoutesOptions, request: Request, body: CreateSessionRequest) {
  if (request.query[SENT_BY] !== undefined) return null;
  return popChoice.elsewhere(body, gate.addressOf(request).address);
}

/** Tells with the refusal which other POP may be asked. */
async function nameAnother(
  { gate, popChoice, log }: SessionRoutesOptions,
  request: Request,
  response: Response,
  body: CreateSessionRequest,
): Promise<void> {
  try {
    const elsewhere = await popChoice.another(body, gate.addressOf(request).address);
    if (elsewhere !== null) (response.locals as RefusalLocals).elsewhere = elsewhere;
  } catch (error) {
    log.warn({ err: error }, 'no other POP could be named to a caller who was refused');
  }
}

/** Without an API key: open agents only, for our own page, that of a fellow POP, or no page at all. */
async function admitAnonymous({ gate, registry }: SessionRoutesOptions, request: Request, agent: string) {
  if (!gate.isOpen(agent)) {
    throw new AntipodeError('ERR_UNAUTHORIZED', 'This agent needs an API key: Authorization: Bearer <key>.');
  }
  if (!gate.isOfFellow(request)) gate.demandOwnPage(request);
  const nodes = await registry.nodes();
  const known = knownAgents(nodes);
  if (known.length === 0 || known.includes(agent)) return;
  const open = known.filter((name) => gate.isOpen(name));
  throw new AntipodeError(
    'ERR_AGENT_UNKNOWN',
    `No agent is called "${agent}". ${open.length > 0 ? `Known: ${open.join(', ')}.` : 'None is open.'}`,
    { path: 'agent' },
  );
}

/**
 * Whether the caller may see all of a session (API key) or what concerns its caller (the session's own token).
 * @throws ERR_UNAUTHORIZED | ERR_FORBIDDEN | ERR_TOKEN_INVALID | ERR_TOKEN_EXPIRED | ERR_RATE_LIMITED
 */
async function mayTouch({ gate, book }: SessionRoutesOptions, request: Request<{ id: string }>): Promise<boolean> {
  const caller: Caller = gate.callerOf(request);
  if (caller.kind === 'api-key') return true;
  gate.demandRate(request);
  if (caller.kind === 'anonymous') {
    throw new AntipodeError('ERR_UNAUTHORIZED', "An API key or the session's own token is needed.");
  }
  if (!(await book.holds(request.params.id, caller.bearer))) {
    throw new AntipodeError('ERR_FORBIDDEN', 'This token is not of this session, or a later one was used.');
  }
  return false;
}

function viewOf(record: SessionRecord, full: boolean): SessionView {
  const { sessionId, room, agent, residency, state, end, createdAt, expiresAt, metadata } = record;
  const { view, candidates } = storedPlacementSchema.parse(record.placement);
  const base = { sessionId, room, agent, residency, state, end, createdAt, expiresAt, placement: view };
  return full ? { ...base, metadata, candidates } : base;
}

async function agentsOf(registry: Registry): Promise<AgentDescription[]> {
  const byName = new Map<string, AgentDescription>();
  for (const node of await registry.nodes()) {
    if (node.role !== 'core') continue;
    for (const agent of node.agents) if (!byName.has(agent.name)) byName.set(agent.name, agent);
  }
  return [...byName.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}
