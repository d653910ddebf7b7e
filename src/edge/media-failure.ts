/** Turns what mediasoup throws into our errors: a dead worker, or a caller's parameters that don't work. */
import type { Transport } from 'mediasoup/types';
import { AntipodeError } from '../errors.ts';

/** @param transport the one that was asked: when it is closed by now, its worker died or the call ended meanwhile */
export function mediaFailure(error: unknown, transport: Pick<Transport, 'closed'>, message: string): AntipodeError {
  if (error instanceof AntipodeError) return error;
  if (transport.closed) {
    return new AntipodeError('ERR_MEDIA_WORKER_DIED', 'The media of this call is gone.', { cause: error });
  }
  return new AntipodeError('ERR_MEDIA_PARAMETERS', message, { cause: error });
}
