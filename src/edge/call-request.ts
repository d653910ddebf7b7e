/** What a POP is asked to open a call with, and what of it a core is told. Owns the shapes and no behavior. */
import type { Confinement, DataTouch } from '../agent/types.ts';
import type { PipeStream, PopRequestData } from '../backbone/index.ts';
import type { CoreAddress } from './core-links.ts';
import type { FindTarget } from './hand-over.ts';
import type { FindSuccessor, Resume } from './take-over.ts';

/** A session to be opened at this POP. */
export interface CallRequest {
  sessionId: string;
  /** Grows by one with each take-over of the session by another core. */
  epoch: number;
  room: string;
  agent: string;
  residency: string | null;
  confinement: Confinement | null;
  metadata: Record<string, unknown>;
  /** It takes a seat in `room`, whose agent it shares; absent: an agent of its own. */
  seat?: { participantId: string; name: string };
  /** @defaultValue normal */
  priority?: 'normal' | 'high';
  core: CoreAddress;
  /** The core has the session already, for another POP that the caller has left. @defaultValue false */
  adopt?: boolean;
  /** Told of what the session's data touched at the core's side. */
  onTouched?(touch: DataTouch): void;
  /** Who takes the call over when its core is lost; nobody does when absent, and the call ends. */
  successor?: FindSuccessor;
  /** Where else the call may be while its core lives; nowhere when absent. */
  mover?: FindTarget;
}

/** Where and how a core is to have the session. */
export interface Attachment {
  epoch: number;
  pipeId: string;
  uplink: PipeStream;
  confinement: Confinement | null;
  /** Null: it begins. */
  resume: Resume | null;
}

export function attachData(request: CallRequest, attachment: Attachment): PopRequestData<'session.attach'> {
  const { core: _, onTouched: __, successor: ___, mover: ____, adopt = false, ...session } = request;
  const { confinement, resume, ...to } = attachment;
  // Only the core that has it: a later one, at a later epoch, begins.
  const adopts = adopt && to.epoch === request.epoch;
  return {
    ...session,
    ...to,
    confinement: copyOf(confinement),
    ...(resume && { resume }),
    ...(adopts && { adopt: true }),
  };
}

/** As the control channel takes it. */
function copyOf(confinement: Confinement | null) {
  if (confinement === null) return null;
  const { pins, endpoints, hosts } = confinement;
  return { pins, endpoints: [...endpoints], hosts: hosts.map((host) => ({ ...host })) };
}
