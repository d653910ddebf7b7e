/** Requests of a joined client, carried out on its call within what its token grants. */
import type { Clock } from '../clock.ts';
import { AntipodeError } from '../errors.ts';
import type { MediaCall } from './call-port.ts';
import type { Request } from './frames.ts';
import type { Grant } from './tokens.ts';

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
      demand(grants, 'speak');
      return call.produce(request.data.transportId, request.data.rtpParameters);
    case 'consume':
      demand(grants, 'listen');
      return call.consume(request.data.transportId, request.data.rtpCapabilities);
    case 'message':
      demand(grants, 'message');
      call.sendMessage(request.data);
      return {};
    case 'ping':
      return { serverTime: clock.date().toISOString() };
    case 'leave':
      // The session ends once this answer is on its way.
      return {};
  }
}

function demand(grants: readonly Grant[], grant: Grant): void {
  if (!grants.includes(grant)) {
    throw new AntipodeError('ERR_FORBIDDEN', `The token of this session does not grant "${grant}".`);
  }
}
