/**
 * `POST /v1/sessions/:id/move`: a living session goes to another core, for holders of an API key. Answered at the POP
 * that has the session; others say which one that is.
 */
import express, { type Request, Router } from 'express';
import { z } from 'zod';
import { AntipodeError } from '../errors.ts';
import type { Registry } from '../registry/index.ts';
import type { Gate } from './gate.ts';
import { popBaseUrl } from './pop-address.ts';
import { methodNotAllowed, validBody } from './rest-errors.ts';
import type { SessionBook } from './session-book.ts';

export interface MoveRoutesOptions {
  gate: Gate;
  book: Pick<SessionBook, 'move' | 'has' | 'record'>;
  registry: Pick<Registry, 'nodes'>;
  maxBodyBytes: number;
  /** This POP. */
  nodeId: string;
}

export const moveRequestSchema = z.strictObject({
  /** Node id of the core; absent: the best other one. */
  core: z.string().min(1).max(128).optional(),
  /** A pause between turns is waited for so long; then the session moves in the middle of a turn. */
  withinMs: z.number().int().min(0).max(30_000).default(5_000),
});

export interface MoveAnswer {
  from: string;
  to: string;
  epoch: number;
  /** How long nobody heard the caller. */
  gapMs: number;
  /** False: it was cut off in the middle of a turn, and goes on there. */
  atTurnBoundary: boolean;
}

export function moveRoutes(options: MoveRoutesOptions): Router {
  const { gate, book } = options;
  const router = Router();
  router
    .route('/v1/sessions/:id/move')
    .post(
      (request, _response, next) => {
        gate.demandRate(request);
        demandKey(gate, request);
        next();
      },
      express.json({ limit: options.maxBodyBytes }),
      async (request, response) => {
        const { id } = request.params;
        const { core, withinMs } = validBody(moveRequestSchema, request.body ?? {});
        response.set('Cache-Control', 'no-store');
        if (!book.has(id)) {
          response
            .status(307)
            .set('Location', await elsewhere(options, id))
            .end();
          return;
        }
        const { from, to, epoch, gapMs, atTurnBoundary } = await book.move(id, {
          reason: 'order',
          withinMs,
          cut: true,
          ...(core !== undefined && { to: core }),
        });
        const answer: MoveAnswer = { from, to, epoch, gapMs: Math.round(gapMs), atTurnBoundary };
        response.status(202).json(answer);
      },
    )
    .all(methodNotAllowed('POST'));
  return router;
}

/** The same request at the POP that has the session. @throws ERR_SESSION_UNKNOWN | ERR_SESSION_ENDED */
async function elsewhere({ book, registry, nodeId }: MoveRoutesOptions, sessionId: string): Promise<string> {
  const { pop, state, end } = await book.record(sessionId);
  if (state === 'ended') throw new AntipodeError('ERR_SESSION_ENDED', `The session has ended (${end?.code}).`);
  const node = (await registry.nodes()).find((known) => known.nodeId === pop);
  const base = pop === nodeId ? null : popBaseUrl(node?.signalingUrl ?? null);
  if (base === null) throw new AntipodeError('ERR_SESSION_UNKNOWN', `The session's POP, ${pop}, is not there.`);
  return `${base}/v1/sessions/${encodeURIComponent(sessionId)}/move`;
}

/** @throws ERR_UNAUTHORIZED */
function demandKey(gate: Gate, request: Request): void {
  if (gate.callerOf(request).kind === 'api-key') return;
  throw new AntipodeError('ERR_UNAUTHORIZED', 'Moving a session needs an API key: Authorization: Bearer <key>.');
}
