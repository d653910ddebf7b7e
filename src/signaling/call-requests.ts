/** Requests of a joined client, carried out on its call within what its token grants. */
import type { Clock } from '../clock.ts';
import { AntipodeError } from '../errors.ts';
import type { MediaCall } from './call-port.ts';
import type { Request } from './frames.ts';
import type { Grant, SignalingData } from './protocol.ts';
import type { RoomCall } from './room-port.ts';

/** Every request but those that open a session. */
export type CallRequestFrame = Exclude<Request, { method: 'join' | 'resume' }>;

/** @throws ERR_FORBIDDEN | what the edge throws */
export async function carryOut(
  request: CallRequestFrame,
  call: MediaCall,
  grants: readonly Grant[],
  clock: Clock,
): Promise<unknown> {
  switch (request.method) {
    case 'connectTransport':
      await call.connectTransport(request.data.transportId, request.data.dtlsParameters);
      return {};
    case 'restartIce':
      return { iceParameters: await call.restartIce(request.data.transportId) };
    case 'produce':
      if (request.data.kind === 'video') roomOf(call, 'data.kind');
      demand(grants, request.data.kind === 'video' ? 'video' : 'speak');
      return call.produce(request.data.transportId, request.data.rtpParameters, request.data.kind);
    case 'consume':
      demand(grants, 'listen');
      return call.consume(request.data.transportId, request.data.rtpCapabilities, request.data.producerId);
    case 'message':
      demand(grants, 'message');
      call.sendMessage(request.data);
      return {};
    case 'mute':
      await mute(request.data, roomOf(call), grants);
      return {};
    case 'remove':
      demand(grants, 'moderate');
      await roomOf(call).remove(request.data.participantId);
      return {};
    case 'ping':
      return { serverTime: clock.date().toISOString() };
    case 'leave':
      // The session ends once this answer is on its way.
      return {};
  }
}

function roomOf({ room }: MediaCall, path?: string): RoomCall {
  if (room !== null) return room;
  const options = path === undefined ? {} : { path };
  throw new AntipodeError('ERR_MEDIA_STATE', 'This session is in no room: it has an agent of its own.', options);
}

async function mute(
  { muted, participantId }: SignalingData<'mute'>,
  room: RoomCall,
  grants: readonly Grant[],
): Promise<void> {
  if (participantId === undefined || participantId === room.participantId) {
    await room.mute(muted);
    return;
  }
  demand(grants, 'moderate');
  if (!muted) throw new AntipodeError('ERR_FORBIDDEN', 'Nobody can open the microphone of another.');
  await room.muteOther(participantId);
}

function demand(grants: readonly Grant[], grant: Grant): void {
  if (!grants.includes(grant)) {
    throw new AntipodeError('ERR_FORBIDDEN', `The token of this session does not grant "${grant}".`);
  }
}
