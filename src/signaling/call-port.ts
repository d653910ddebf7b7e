/**
 * What signaling needs of a call's media at this POP: the part of `Edge` and its calls that is used here. Signaling
 * stands above the edge and drives it through this port alone, so its tests bring a fake.
 */

import type { ClientEvent, ClientMessage, SessionEnd } from '../agent/client-events.ts';
import type { Confinement, DataTouch } from '../agent/types.ts';
import type { OfferedTransport, Participant, SignalingAnswer, SignalingData } from './protocol.ts';
import type { RoomCall, RoomHere, Seat } from './room-port.ts';

export interface CallRequest {
  sessionId: string;
  epoch: number;
  room: string;
  agent: string;
  residency: string | null;
  confinement: Confinement | null;
  metadata: Record<string, unknown>;
  /** It takes a seat in `room`, whose agent it shares; absent: an agent of its own. */
  seat?: Seat;
  /** @defaultValue normal */
  priority?: 'normal' | 'high';
  core: { nodeId: string; host: string; port: number };
  /** The core has the session already, for another POP that the caller has left. @defaultValue false */
  adopt?: boolean;
  /** Told of what the session's data touched at the core's side. */
  onTouched?(touch: DataTouch): void;
  /** Who takes the call over when its core is lost. @throws when nobody does now */
  successor?(lost: LostCall): Promise<Successor>;
  /** Another core for the call while its own lives. @throws when there is none, or the call stays */
  mover?(request: MoveRequest): Promise<MoveTarget>;
}

/** Why a call moves while its core lives. */
export type HandOverReason = 'drain' | 'order' | 'placement';

export interface HandOverRequest {
  reason: HandOverReason;
  /** A pause between turns is waited for so long. */
  withinMs: number;
  /** Without one, the call moves in the middle of a turn; else it stays. */
  cut: boolean;
  /** Node id of the core; absent: the best one. */
  to?: string;
}

export interface HandedOver {
  from: string;
  to: string;
  epoch: number;
  gapMs: number;
  atTurnBoundary: boolean;
}

export interface MoveRequest {
  sessionId: string;
  reason: HandOverReason;
  /** Node id of the core that has the call. */
  from: string;
  to?: string;
}

export interface MoveTarget {
  core: CallRequest['core'];
  confinement: Confinement | null;
  /** It has the call. @throws when somebody else has the session */
  taken(epoch: number): Promise<void>;
  /** It will not have it. */
  dropped(): void;
  /** Nor has the former one it as before: it is to have it anew, at the epoch after this one, which is answered. */
  returned(epoch: number): Promise<number>;
}

/** A call whose core is lost. */
export interface LostCall {
  sessionId: string;
  /** Of the core that is lost, or of a later one that was tried. */
  epoch: number;
  reason: 'core-lost' | 'core-shutdown';
  excludedCores: readonly string[];
}

export interface Successor {
  core: CallRequest['core'];
  epoch: number;
  confinement: Confinement | null;
}

export interface CallEvents {
  event: [ClientEvent];
  mediaLost: [{ code: string; reason: string }];
  /** In a room: what is told of those there. */
  participant: ['participant-joined' | 'participant-left' | 'participant-changed', Participant];
  /** Fires once. */
  ended: [SessionEnd];
}

export interface MediaCall {
  readonly mediaAlive: boolean;
  /** Null when it has an agent of its own. */
  readonly room: RoomCall | null;
  offer(): { sendTransport: OfferedTransport; recvTransport: OfferedTransport };
  connectTransport(
    transportId: string,
    dtlsParameters: SignalingData<'connectTransport'>['dtlsParameters'],
  ): Promise<void>;
  restartIce(transportId: string): Promise<SignalingAnswer<'restartIce'>['iceParameters']>;
  produce(
    transportId: string,
    rtpParameters: SignalingData<'produce'>['rtpParameters'],
    kind: SignalingData<'produce'>['kind'],
  ): Promise<SignalingAnswer<'produce'>>;
  consume(
    transportId: string,
    rtpCapabilities: SignalingData<'consume'>['rtpCapabilities'],
    producerId?: string,
  ): Promise<SignalingAnswer<'consume'>>;
  renewMedia(): Promise<void>;
  sendMessage(message: ClientMessage): void;
  callerConnection(state: 'connected' | 'disconnected'): void;
  /** To another core while its own goes on. @throws ERR_HANDOVER_REFUSED, what placement says, ERR_SESSION_ENDED */
  handOver(request: HandOverRequest): Promise<HandedOver>;
  close(end: SessionEnd): Promise<void>;
  on<E extends keyof CallEvents>(event: E, listener: (...args: CallEvents[E]) => void): unknown;
}

export interface MediaEdge {
  readonly routerRtpCapabilities: SignalingAnswer<'join'>['routerRtpCapabilities'];
  /** What clients in rooms load their device with: video too. */
  readonly roomRtpCapabilities: SignalingAnswer<'join'>['routerRtpCapabilities'];
  openCall(request: CallRequest): Promise<MediaCall>;
  /** A room with callers here, or nothing. */
  room(name: string): RoomHere | undefined;
  /** Round trips to cores, ms, where enough were measured; and jitter and loss where probes go. */
  paths(): readonly {
    coreNodeId: string;
    p50: number;
    p95: number;
    jitterMs?: number | null;
    loss?: number | null;
  }[];
}
