/** The metrics of signaling on the process's registry. Labels are bounded: codes and known agents only. */
import { counter, gauge, type Registry as Metrics } from '../telemetry/index.ts';

/** Why a socket went. */
export type SocketCloseReason = 'peer' | 'ours' | 'silent' | 'slow';

export interface SignalingMetrics {
  sessionCreated(agent: string): void;
  requestRefused(code: string): void;
  socketError(code: string): void;
  socketCount(count: number): void;
  socketClosed(reason: SocketCloseReason): void;
  sessionEnded(code: string): void;
  /** A core had no room for a session that was placed there: another took it, or none. */
  coreFull(outcome: 'another' | 'none'): void;
}

export function signalingMetrics(registry: Metrics): SignalingMetrics {
  const created = counter(registry, 'antipode_sessions_created_total', 'Sessions that were created.', ['agent']);
  const refused = counter(
    registry,
    'antipode_session_requests_refused_total',
    'Requests to /v1/sessions that were refused, by error code.',
    ['code'],
  );
  const errors = counter(
    registry,
    'antipode_signaling_errors_total',
    'Errors told to signaling sockets and refused upgrades, by code.',
    ['code'],
  );
  const sockets = gauge(registry, 'antipode_signaling_sockets', 'Signaling sockets that are open.');
  const closed = counter(
    registry,
    'antipode_signaling_sockets_closed_total',
    'Signaling sockets that closed: by the peer, by us, because silent, because slow to read.',
    ['reason'],
  );
  const ended = counter(registry, 'antipode_sessions_ended_total', 'Sessions that ended, by code.', ['code']);
  const full = counter(
    registry,
    'antipode_sessions_core_full_total',
    'Joins that their core had no room for after all, by what became of them.',
    ['outcome'],
  );
  return {
    sessionCreated: (agent) => created.inc({ agent }),
    requestRefused: (code) => refused.inc({ code }),
    socketError: (code) => errors.inc({ code }),
    socketCount: (count) => sockets.set(count),
    socketClosed: (reason) => closed.inc({ reason }),
    sessionEnded: (code) => ended.inc({ code }),
    coreFull: (outcome) => full.inc({ outcome }),
  };
}
