/**
 * `GET` and `DELETE /v1/rooms/:room`, and its participants: who is in a room, muting and removing them. For holders of an
 * API key, at a POP by which somebody of the room has come in. Never tells words.
 */
import { type Request, Router } from 'express';
import { AntipodeError } from '../errors.ts';
import type { HeldRoom, NodeRecord, Registry } from '../registry/index.ts';
import type { MediaEdge } from './call-port.ts';
import type { Gate } from './gate.ts';
import { popBaseUrl } from './pop-address.ts';
import { methodNotAllowed } from './rest-errors.ts';
import type { RoomView } from './rest-protocol.ts';
import type { RoomHere } from './room-port.ts';
import type { SessionBook } from './session-book.ts';

export interface RoomRoutesOptions {
  gate: Gate;
  /** This POP. */
  nodeId: string;
  edge: Pick<MediaEdge, 'room'>;
  book: Pick<SessionBook, 'endRoom'>;
  registry: Pick<Registry, 'rooms' | 'nodes'>;
}

const ROOM_NAME = /^[\w.:-]{1,128}$/;

export function roomRoutes(options: RoomRoutesOptions): Router {
  const { book } = options;
  const router = Router();

  router
    .route('/v1/rooms/:room')
    .get(async (request, response) => {
      const { name, held, here } = await roomOf(options, request);
      const view: RoomView = {
        room: name,
        agent: held?.agent ?? null,
        core: held?.core ?? null,
        residency: held?.residency ?? null,
        pops: (held?.pops ?? []).map(({ pop, seats }) => ({ pop, seats })),
        participants: here.participants,
      };
      response.set('Cache-Control', 'no-store').json(view);
    })
    .delete(async (request, response) => {
      const { name, here } = await roomOf(options, request);
      // Those elsewhere first: the core takes orders of who is in the room.
      const elsewhere = here.participants.filter(({ pop }) => pop !== options.nodeId);
      await Promise.allSettled(elsewhere.map(({ participantId }) => here.order(participantId, 'remove')));
      const ended = book.endRoom(name, { code: 'deleted', reason: 'The room was closed.' });
      response.set('Cache-Control', 'no-store').json({ room: name, ended: ended + elsewhere.length });
    })
    .all(methodNotAllowed('GET', 'DELETE'));

  router
    .route('/v1/rooms/:room/participants/:id')
    .delete(async (request, response) => {
      const { here } = await roomOf(options, request);
      await here.order(request.params.id, 'remove');
      response.status(204).set('Cache-Control', 'no-store').end();
    })
    .all(methodNotAllowed('DELETE'));

  router
    .route('/v1/rooms/:room/participants/:id/mute')
    .post(async (request, response) => {
      const { here } = await roomOf(options, request);
      await here.order(request.params.id, 'mute');
      response.status(204).set('Cache-Control', 'no-store').end();
    })
    .all(methodNotAllowed('POST'));

  return router;
}

/** @throws ERR_UNAUTHORIZED, ERR_RATE_LIMITED; ERR_NOT_FOUND with the POPs that have it, for one without callers here */
async function roomOf(
  { gate, edge, registry, nodeId }: RoomRoutesOptions,
  request: Request<{ room: string }>,
): Promise<{ name: string; held: HeldRoom | null; here: RoomHere }> {
  if (gate.callerOf(request).kind !== 'api-key') {
    gate.demandRate(request);
    throw new AntipodeError('ERR_UNAUTHORIZED', 'Rooms need an API key: Authorization: Bearer <key>.');
  }
  const name = request.params.room;
  const held = ROOM_NAME.test(name) ? await registry.rooms.get(name) : null;
  const here = ROOM_NAME.test(name) ? edge.room(name) : undefined;
  if (here !== undefined) return { name, held, here };
  const others = (held?.pops ?? []).filter(({ pop }) => pop !== nodeId).map(({ pop }) => pop);
  const words = others.length > 0 ? ` They come in by ${inWords(others, await registry.nodes())}: ask there.` : '';
  throw new AntipodeError('ERR_NOT_FOUND', `No caller of this room is at this POP.${words}`);
}

function inWords(pops: readonly string[], nodes: readonly NodeRecord[]): string {
  return pops
    .map((pop) => {
      const url = popBaseUrl(nodes.find(({ nodeId }) => nodeId === pop)?.signalingUrl ?? null);
      return url === null ? pop : `${pop} (${url})`;
    })
    .join(', ');
}
