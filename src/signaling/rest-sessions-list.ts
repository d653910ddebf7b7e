/** `GET /v1/sessions`: the sessions of the zone, page by page. For holders of an API key only. */
import type { RequestHandler } from 'express';
import { z } from 'zod';
import { AntipodeError } from '../errors.ts';
import { sessionList } from '../operate/index.ts';
import { type Registry, SESSION_PAGE_LIMIT } from '../registry/index.ts';
import type { Gate } from './gate.ts';
import { validBody } from './rest-errors.ts';

export interface SessionListOptions {
  gate: Gate;
  registry: Registry;
}

const DEFAULT_LIMIT = 100;

const name = z.string().min(1).max(256);
const flag = z.enum(['true', 'false']).transform((text) => text === 'true');

const querySchema = z.strictObject({
  node: name.optional(),
  room: name.optional(),
  agent: name.optional(),
  /** Also those that have ended. */
  ended: flag.default(false),
  /** With metadata and the words of ends. */
  full: flag.default(false),
  limit: z.coerce.number().int().min(1).max(SESSION_PAGE_LIMIT).default(DEFAULT_LIMIT),
  cursor: z.string().max(1_024).optional(),
});

export function listSessions({ gate, registry }: SessionListOptions): RequestHandler {
  return async (request, response) => {
    if (gate.callerOf(request).kind !== 'api-key') {
      throw new AntipodeError('ERR_UNAUTHORIZED', 'A list of sessions needs an API key: Authorization: Bearer <key>.');
    }
    const { ended, full, ...query } = validBody(querySchema, { ...request.query });
    const states = ended ? (['created', 'active', 'ended'] as const) : undefined;
    const page = await registry.listSessions({ ...query, ...(states && { states }) });
    response.set('Cache-Control', 'no-store').json(sessionList(page, full));
  };
}
