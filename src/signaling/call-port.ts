/**
 * What signaling needs of a call's media at this POP: the part of `Edge` and its calls that is used here. Signaling
 * stands above the edge and drives it through this port alone, so its tests bring a fake.
 */

import type { ClientEvent, ClientMessage, SessionEnd } from '../agent/client-events.ts';
import type { Confinement, DataTouch } from '../agent/types.ts';
import type { OfferedTransport, SignalingAnswer, SignalingData } from './protocol.ts';

export interface CallRequest {
  sessionId: string;
  epoch: number;
  room: string;
  agent: string;
  residency: string | null;
  confinement: Confinement | null;
  metadata: Record<string, unknown>;
  /** @defaultValue normal */
  priority?: 'normal' | 'high';
  core: { nodeId: string; host: string; port: number };
  /** Told of what the session's data touched at the core's side. */
  onTouched?(touch: DataTouch): void;
  /** Who takes the call over when its core is lost. @throws when nobody does now */
  successor?(lost: LostCall): Promise<Successor>;
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
  /** Fires once. */
  ended: [SessionEnd];
}

export interface MediaCall {
  readonly mediaAlive: boolean;
  offer(): { sendTransport: OfferedTransport; recvTransport: OfferedTransport };
  connectTransport(
    transportId: string,
    dtlsParameters: SignalingData<'connectTransport'>['dtlsParameters'],
  ): Promise<void>;
  restartIce(transportId: string): Promise<SignalingAnswer<'restartIce'>['iceParameters']>;
  produce(
    transportId: string,
    rtpParameters: SignalingData<'produce'>['rtpParameters'],
  ): Promise<SignalingAnswer<'produce'>>;
  consume(
    transportId: string,
    rtpCapabilities: SignalingData<'consume'>['rtpCapabilities'],
  ): Promise<SignalingAnswer<'consume'>>;
  renewMedia(): Promise<void>;
  sendMessage(message: ClientMessage): void;
  callerConnection(state: 'connected' | 'disconnected'): void;
  close(end: SessionEnd): Promise<void>;
  on<E extends keyof CallEvents>(event: E, listener: (...args: CallEvents[E]) => void): unknown;
}

export interface MediaEdge {
  readonly routerRtpCapabilities: SignalingAnswer<'join'>['routerRtpCapabilities'];
  openCall(request: CallRequest): Promise<MediaCall>;
  /** Round trips to cores, ms, where enough were measured. */
  paths(): readonly { coreNodeId: string; p50: number; p95: number }[];
}
