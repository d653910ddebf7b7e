/** How a session directory refuses. The same words in every store. */
import { AntipodeError } from '../errors.ts';

/** @throws ERR_REGISTRY_ZONE */
export function demandZone(registryZone: string, homeZone: string): void {
  if (registryZone === homeZone) return;
  throw new AntipodeError(
    'ERR_REGISTRY_ZONE',
    `The registry of zone ${registryZone} holds no session of zone ${homeZone}.`,
  );
}

export function homeConflict(
  sessionId: string,
  epoch: number,
  known: { readonly epoch: number; readonly core: string },
): AntipodeError {
  return new AntipodeError(
    'ERR_REGISTRY_CONFLICT',
    `Session ${sessionId} is at epoch ${known.epoch} with ${known.core}; asked for at epoch ${epoch}.`,
  );
}

export function homeReleased(sessionId: string): AntipodeError {
  return new AntipodeError('ERR_SESSION_ENDED', `Session ${sessionId} was released.`);
}
