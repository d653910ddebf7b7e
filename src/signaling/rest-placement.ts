/**
 * `GET /v1/world` and `POST /v1/placements`: what placement knows, and a place with a slot reserved without a session.
 * For holders of an API key.
 */
import express, { type Request, Router } from 'express';
import { AntipodeError } from '../errors.ts';
import type { CallerPlaces, PlacementService } from '../placement/index.ts';
import type { Registry } from '../registry/index.ts';
import type { ApiKey } from './api-keys.ts';
import type { Gate } from './gate.ts';
import { candidateViews, predictionView, whyPlaced } from './placement-view.ts';
import { methodNotAllowed, validBody } from './rest-errors.ts';
import { type PlacementAnswer, placementRequestSchema } from './rest-protocol.ts';

export interface PlacementRoutesOptions {
  gate: Gate;
  placement: PlacementService;
  places: CallerPlaces;
  registry: Registry;
  maxBodyBytes: number;
  /** Of this node. */
  nodeId: string;
  /** How callers reach this POP; none where placement runs apart from POPs, and nothing can be reserved there. */
  signalingUrlOf?(request: Request): string;
}

export function placementRoutes(options: PlacementRoutesOptions): Router {
  const { gate, placement, places } = options;
  const router = Router();
  const demandKey = (request: Request): ApiKey => {
    const caller = gate.callerOf(request);
    if (caller.kind === 'api-key') return caller.key;
    throw new AntipodeError('ERR_UNAUTHORIZED', 'Placement needs an API key: Authorization: Bearer <key>.');
  };

  router
    .route('/v1/world')
    .get(async (request, response) => {
      demandWorldReader(gate, request);
      response.set('Cache-Control', 'no-store').json(await placement.world());
    })
    .all(methodNotAllowed('GET', 'HEAD'));

  router
    .route('/v1/placements')
    .post(
      (request, _response, next) => {
        gate.demandRate(request);
        gate.demandKeyRate(request, demandKey(request));
        next();
      },
      express.json({ limit: options.maxBodyBytes }),
      async (request, response) => {
        const { agent, residency, caller, reserve } = validBody(placementRequestSchema, request.body ?? {});
        const place = caller.address === undefined ? null : await places.place(caller.address);
        const placed = await placement.place({
          agent,
          residency: residency ?? null,
          caller: {
            country: caller.country ?? place?.country ?? null,
            place: caller.at ?? place?.at ?? null,
            withinKm: caller.at === undefined ? (place?.withinKm ?? null) : 0,
            ...(caller.probesMs !== undefined && { probes: new Map(Object.entries(caller.probesMs)) }),
          },
          pop: null,
          priority: demandKey(request).priority,
          key: crypto.randomUUID(),
        });
        const { choice, reservation } = placed;
        if (!reserve) reservation.release();
        const expiresAt = reservation.expiresAt.toISOString();
        const answer: PlacementAnswer = {
          pop: {
            nodeId: choice.popNode,
            region: choice.popRegion,
            signalingUrl: await signalingUrl(options, request, choice.popNode),
          },
          core: { nodeId: choice.coreNode, region: choice.coreRegion },
          reason: whyPlaced(placed, agent),
          prediction: predictionView(placed),
          candidates: candidateViews(placed.candidates),
          reservation: reserve && options.signalingUrlOf ? { placementId: reservation.id, expiresAt } : null,
        };
        response.status(201).set('Cache-Control', 'no-store').json(answer);
      },
    )
    .all(methodNotAllowed('POST'));

  return router;
}

async function signalingUrl(
  { nodeId, registry, signalingUrlOf }: PlacementRoutesOptions,
  request: Request,
  pop: string,
) {
  if (pop === nodeId && signalingUrlOf) return signalingUrlOf(request);
  return (await registry.nodes()).find((node) => node.nodeId === pop)?.signalingUrl ?? null;
}

/** As for the metrics: holders of an API key, and whoever is on this machine and no page of another origin. */
function demandWorldReader(gate: Gate, request: Request): void {
  if (gate.callerOf(request).kind === 'api-key') return;
  if (!gate.addressOf(request).local) {
    throw new AntipodeError('ERR_UNAUTHORIZED', 'The world needs an API key, unless asked for from this machine.');
  }
  gate.demandOwnPage(request);
}
