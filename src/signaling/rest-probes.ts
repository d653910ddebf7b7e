/**
 * `GET /v1/pops`, the POPs that a caller may measure before it asks for a session, and `GET /v1/probe`, what it measures
 * them by: the smallest answer there is. Public, as the page is; counted by address, apart from session requests.
 */
import { type Request, type RequestHandler, Router } from 'express';
import { z } from 'zod';
import type { Clock } from '../clock.ts';
import { AntipodeError } from '../errors.ts';
import type { CallerPlaces, PlacementService } from '../placement/index.ts';
import type { ClientAddresses } from './client-address.ts';
import type { Gate } from './gate.ts';
import { PROBE_PATH, probeUrlOf } from './pop-address.ts';
import { createSessionRequestSchema, type PopList, PROBE_LIMITS } from './protocol.ts';
import { AddressRateLimiter } from './rate-limit.ts';
import { methodNotAllowed, validBody } from './rest-errors.ts';

/** Of one address. A caller takes one list and up to 15 probes in ten minutes; an office is many callers. */
const PROBES_PER_MINUTE = 1_200;
const LISTS_PER_MINUTE = 120;

/** Any page may measure: there is nothing to read. */
const PROBE_HEADERS = {
  'Cache-Control': 'no-store',
  'Access-Control-Allow-Origin': '*',
  'Timing-Allow-Origin': '*',
  'Cross-Origin-Resource-Policy': 'cross-origin',
} as const;

/** 204, and nothing else; to be asked before anything else is done for a request. */
export function probeHandler({ addresses, clock }: { addresses: ClientAddresses; clock: Clock }): RequestHandler {
  const limiter = new AddressRateLimiter({ clock, perMinute: PROBES_PER_MINUTE });
  return (request, response, next) => {
    if (request.path !== PROBE_PATH) return next();
    response.set(PROBE_HEADERS);
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.set('Allow', 'GET, HEAD').status(405).end();
      return;
    }
    const waitMs = limiter.take(addresses.of(request).key);
    if (waitMs > 0) response.set('Retry-After', String(Math.ceil(waitMs / 1_000)));
    response.status(waitMs > 0 ? 429 : 204).end();
  };
}

const popListQuerySchema = z.strictObject({
  agent: createSessionRequestSchema.shape.agent.optional(),
  residency: createSessionRequestSchema.shape.residency,
  /** Every POP instead of the nearest; for holders of an API key. */
  all: z.enum(['true', 'false']).default('false'),
});

export interface ProbeRoutesOptions {
  gate: Gate;
  placement: PlacementService;
  places: CallerPlaces;
  clock: Clock;
  /** Of this POP. */
  nodeId: string;
  signalingUrlOf(request: Request): string;
}

export function probeRoutes(options: ProbeRoutesOptions): Router {
  const { gate, placement, places, clock, nodeId } = options;
  const limiter = new AddressRateLimiter({ clock, perMinute: LISTS_PER_MINUTE });
  const router = Router();
  router
    .route('/v1/pops')
    .get(async (request, response) => {
      gate.demandRate(request, limiter);
      const { agent = null, residency = null, all } = validBody(popListQuerySchema, { ...request.query });
      if (all === 'true' && gate.callerOf(request).kind !== 'api-key') {
        throw new AntipodeError('ERR_UNAUTHORIZED', 'All POPs are for holders of an API key.', { path: 'all' });
      }
      const { country, at: place, withinKm } = await places.place(gate.addressOf(request).address);
      const candidates = await placement.popsFor({ agent, residency, caller: { country, place, withinKm } });
      const urls = new Map(placement.nodes.map((node) => [node.nodeId, node.signalingUrl]));
      urls.set(nodeId, options.signalingUrlOf(request));
      const pops = candidates.flatMap(({ nodeId: pop, region, expectedMs }) => {
        const probeUrl = probeUrlOf(urls.get(pop) ?? null);
        return probeUrl === null ? [] : [{ pop, region, probeUrl, expectedMs }];
      });
      const list: PopList = {
        pops: all === 'true' ? pops : pops.slice(0, PROBE_LIMITS.pops),
        probeWithinMs: PROBE_LIMITS.withinMs,
      };
      response.set('Cache-Control', 'no-store').json(list);
    })
    .all(methodNotAllowed('GET', 'HEAD'));
  return router;
}
