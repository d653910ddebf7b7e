/**
 * `POST /v1/drain` and `DELETE /v1/drain`: this node is to drain, or takes sessions again. For holders of an API key;
 * where none is configured, for this machine.
 */
import { type Request, Router } from 'express';
import { AntipodeError } from '../errors.ts';
import type { Gate } from './gate.ts';
import { methodNotAllowed } from './rest-errors.ts';

/** What drains: the node. */
export interface DrainPort {
  readonly draining: boolean;
  /** Sessions that are here. */
  readonly sessions: number;
  /** @returns false when it is being stopped, and drains in any case */
  set(draining: boolean): boolean;
}

export interface DrainRoutesOptions {
  gate: Gate;
  nodeId: string;
  hasKeys: boolean;
  drain: DrainPort;
}

export interface DrainAnswer {
  nodeId: string;
  draining: boolean;
  sessions: number;
}

export function drainRoutes(options: DrainRoutesOptions): Router {
  const { nodeId, drain } = options;
  const router = Router();
  const answer = (): DrainAnswer => ({ nodeId, draining: drain.draining, sessions: drain.sessions });
  router
    .route('/v1/drain')
    .get((request, response) => {
      demandOperator(options, request);
      response.set('Cache-Control', 'no-store').json(answer());
    })
    .post((request, response) => {
      demandOperator(options, request);
      drain.set(true);
      response.status(202).set('Cache-Control', 'no-store').json(answer());
    })
    .delete((request, response) => {
      demandOperator(options, request);
      if (!drain.set(false)) throw new AntipodeError('ERR_SHUTTING_DOWN', 'This node is being stopped.');
      response.set('Cache-Control', 'no-store').json(answer());
    })
    .all(methodNotAllowed('GET', 'POST', 'DELETE'));
  return router;
}

/** @throws ERR_UNAUTHORIZED | ERR_FORBIDDEN | ERR_RATE_LIMITED */
function demandOperator({ gate, hasKeys }: DrainRoutesOptions, request: Request): void {
  gate.demandRate(request);
  if (gate.callerOf(request).kind === 'api-key') return;
  if (hasKeys || !gate.addressOf(request).local) {
    throw new AntipodeError('ERR_UNAUTHORIZED', 'Draining a node needs an API key: Authorization: Bearer <key>.');
  }
  gate.demandOwnPage(request);
}
