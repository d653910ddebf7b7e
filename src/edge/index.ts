/** Public face of the edge: a POP's media. */
export type { CallRequest } from './call-request.ts';
export type { CallerConsumer, Offer } from './caller-media.ts';
export type { OfferedTransport } from './caller-transport.ts';
export type { ClientRtpCapabilities, ClientRtpParameters } from './client-rtp.ts';
export type { CoreAddress } from './core-links.ts';
export type { DownlinkResult, DownlinkWriterStats } from './downlink-writer.ts';
export { Edge, type EdgeOptions, type EdgeStats, type EdgeWorkerStats } from './edge.ts';
export type { EdgeCall, EdgeCallEvents, EdgeCallStats } from './edge-call.ts';
export type { FindTarget, HandedOver, HandOverReason, HandOverRequest, MoveRequest, MoveTarget } from './hand-over.ts';
export type { PlainCaller, PlainDoor } from './plain-media.ts';
export type { ReflexStats } from './reflex.ts';
export type { EdgeRoom } from './room.ts';
export type { Participant, RoomNotice } from './room-notices.ts';
export type { AudioLevel, UplinkResult, UplinkTapStats } from './uplink-tap.ts';
