/**
 * `GET /v1/nodes`: the nodes of the zone, those that were lost, the measured paths, and what is not well. For operators:
 * holders of an API key, and whoever is on this machine.
 */
import { type Request, Router } from 'express';
import type { Clock } from '../clock.ts';
import { AntipodeError } from '../errors.ts';
import { clusterView } from '../operate/index.ts';
import type { Registry } from '../registry/index.ts';
import type { Gate } from './gate.ts';
import { methodNotAllowed } from './rest-errors.ts';

export interface NodeRoutesOptions {
  gate: Gate;
  registry: Registry;
  clock: Clock;
  /** This node. */
  nodeId: string;
}

export function nodeRoutes({ gate, registry, clock, nodeId }: NodeRoutesOptions): Router {
  const router = Router();
  router
    .route('/v1/nodes')
    .get(async (request, response) => {
      demandOperator(gate, request);
      response.set('Cache-Control', 'no-store').json(await clusterView({ registry, at: clock.date(), by: nodeId }));
    })
    .all(methodNotAllowed('GET', 'HEAD'));
  return router;
}

/** @throws ERR_UNAUTHORIZED | ERR_FORBIDDEN */
function demandOperator(gate: Gate, request: Request): void {
  if (gate.callerOf(request).kind === 'api-key') return;
  if (!gate.addressOf(request).local) {
    throw new AntipodeError('ERR_UNAUTHORIZED', 'The nodes need an API key, unless asked for from this machine.');
  }
  gate.demandOwnPage(request);
}
