/**
 * Tells a core that was lost that it has a call no more, as soon as it can be told: one that was only slow must not go on
 * with a call that another has. Owns nothing of the call, which goes on elsewhere.
 */
import type { SessionEnd } from '../agent/client-events.ts';
import type { MediaPipe } from '../backbone/index.ts';
import { asAntipodeError } from '../errors.ts';
import type { Logger } from '../telemetry/index.ts';
import type { CoreLink, LinkSession } from './core-link.ts';
import type { EdgeMetrics } from './edge-metrics.ts';

const END: SessionEnd = { code: 'replaced', reason: 'Another core has the call.' };

export interface FormerSession {
  sessionId: string;
  epoch: number;
}

export function leaveLater(
  link: CoreLink,
  former: FormerSession,
  { log, metrics }: { log: Logger; metrics: Pick<EdgeMetrics, 'staleEvents'> },
): void {
  const tell = async (): Promise<void> => {
    leave();
    try {
      await link.request('session.detach', { ...former, end: END, elsewhere: true });
    } catch (error) {
      log.warn({ core: link.coreNodeId, code: asAntipodeError(error).code }, 'a former core could not be told');
    }
  };
  const ghost: LinkSession = {
    sessionId: former.sessionId,
    coreEvent: () => metrics.staleEvents.inc(),
    pipeGone: (_pipe: MediaPipe) => {},
    channelBack: tell,
    coreLost: () => leave(),
  };
  const leave = link.join(ghost);
  if (link.up) void tell();
}
