/** The metrics of signaling on the process's registry. Labels are bounded: codes and known agents only. */
import type { ErrorCode } from '../errors.ts';
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
  /** A resume token was shown: of a session of this POP or of another, from the address that got it or another one. */
  resumed(pop: 'own' | 'other', address: 'same' | 'another'): void;
  /** A session of another POP was to come to this one. */
  adopted(outcome: 'taken' | ErrorCode): void;
  /** A room whose core was lost: taken to another core by us, found there, or said by the registry to be elsewhere. */
  roomMoved(outcome: 'moved' | 'followed' | 'found-elsewhere'): void;
  /** Clients were told to come back by another POP, or could not be. */
  sentAway(outcome: 'told' | 'nowhere'): void;
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
  const resumes = counter(
    registry,
    'antipode_signaling_resumes_total',
    'Resume tokens that were taken: of sessions of this POP or of another, from the address that got them or another.',
    ['pop', 'address'],
  );
  const adoptions = counter(
    registry,
    'antipode_sessions_adopted_total',
    'Sessions of other POPs whose callers came back by this one: taken, or the code of the refusal.',
    ['outcome'],
  );
  const roomMoves = counter(
    registry,
    'antipode_rooms_moved_total',
    'Rooms with callers here that have another core: taken there by this POP, by another one, or found there later.',
    ['outcome'],
  );
  const sentAway = counter(
    registry,
    'antipode_sessions_sent_away_total',
    'Callers who were to come back by another POP: told so, or there was none for them.',
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
    resumed: (pop, address) => resumes.inc({ pop, address }),
    adopted: (outcome) => adoptions.inc({ outcome }),
    roomMoved: (outcome) => roomMoves.inc({ outcome }),
    sentAway: (outcome) => sentAway.inc({ outcome }),
  };
}
